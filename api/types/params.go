package types

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Param is the value of one active parameter.
type Param struct {
	Name string
	// Value is an int64, float64, string or bool. No other type occurs.
	Value any
}

// Params is one assignment of the active parameters, in the order of the
// space. On the wire it is a JSON object whose values keep their type: an
// int64 has no point, a float64 always has a point or an exponent.
type Params []Param

// Get returns the value of the named parameter and whether it is active.
func (p Params) Get(name string) (any, bool) {
	for _, q := range p {
		if q.Name == name {
			return q.Value, true
		}
	}
	return nil, false
}

// AppendJSON appends p as a JSON object in the order of p.
func (p Params) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, '{')
	for i, q := range p {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(b, q.Name)
		b = append(b, ':')
		var err error
		if b, err = AppendValue(b, q.Value); err != nil {
			return b, fmt.Errorf("parameter %s: %w", q.Name, err)
		}
	}
	return append(b, '}'), nil
}

// MarshalJSON implements json.Marshaler.
func (p Params) MarshalJSON() ([]byte, error) { return p.AppendJSON(nil) }

// UnmarshalJSON implements json.Unmarshaler. A name given twice is an error.
func (p *Params) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return fmt.Errorf("parameters must be a JSON object such as {\"lr\": 0.1}, not %v", t)
	}
	out := Params{}
	seen := map[string]bool{}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return err
		}
		name := k.(string)
		if seen[name] {
			return fmt.Errorf("parameter %q is given twice", name)
		}
		seen[name] = true
		t, err := d.Token()
		if err != nil {
			return err
		}
		v, err := tokenValue(t)
		if err != nil {
			return fmt.Errorf("parameter %q: %w", name, err)
		}
		out = append(out, Param{Name: name, Value: v})
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	*p = out
	return nil
}

func tokenValue(t json.Token) (any, error) {
	switch t := t.(type) {
	case string, bool:
		return t, nil
	case json.Number:
		return ParseNumber(t.String())
	case nil:
		return nil, fmt.Errorf("null is no value; leave inactive parameters out")
	}
	return nil, fmt.Errorf("lists and objects are no parameter values")
}

// ParseNumber turns a JSON number into an int64 if it is written as an
// integer, else into a finite float64.
func ParseNumber(s string) (any, error) {
	if !strings.ContainsAny(s, ".eE") {
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s does not fit a 64-bit integer", s)
		}
		return i, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%s does not fit a 64-bit float", s)
	}
	return f, nil
}

// AppendValue appends the JSON form of one parameter value.
func AppendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return AppendString(b, v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return b, fmt.Errorf("%v is no parameter value", v)
		}
		return AppendFloat(b, v), nil
	}
	return b, fmt.Errorf("%T is no parameter type; use int64, float64, string or bool", v)
}

// AppendFloat appends the shortest decimal that reads back as f and that a
// reader cannot take for an integer: with a point, and an exponent only
// outside 1e-15 … 1e15, as in 1.0e-16.
func AppendFloat(b []byte, f float64) []byte {
	start := len(b)
	if a := math.Abs(f); f == 0 || (a >= 1e-15 && a < 1e15) {
		b = strconv.AppendFloat(b, f, 'f', -1, 64)
		if !bytes.ContainsRune(b[start:], '.') {
			b = append(b, '.', '0')
		}
		return b
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if e := bytes.IndexByte(b[start:], 'e'); e > 0 && !bytes.ContainsRune(b[start:start+e], '.') {
		tail := string(b[start+e:])
		b = append(append(b[:start+e], '.', '0'), tail...)
	}
	return b
}

// AppendString appends s as a JSON string without escaping <, > and &, which
// only HTML needs and which would make stored commands hard to read.
func AppendString(b []byte, s string) []byte {
	if isPlain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string always encodes: invalid UTF-8 becomes U+FFFD
	}
	return append(b, bytes.TrimRight(buf.Bytes(), "\n")...)
}

func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
