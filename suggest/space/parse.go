package space

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// Parse reads the canonical JSON form (docs/guide/space.md). It is strict: an
// unknown field, a field given twice and a value of the wrong type are errors.
// All of them are reported, like those of New.
func Parse(b []byte) (*Space, error) {
	var f faults
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, types.Errorf(types.Invalid, "the space is missing").WithField("space").
			WithRemedy(`give the parameters: {"parameters":[{"name":"x","type":"float","low":0,"high":1}]}; tuner help space has all types`)
	}
	r := &reader{&f}
	fields, ok := r.object(b, "space", "parameters", "constraints", "open")
	if !ok {
		return nil, f.err("space")
	}
	var params []Parameter
	if raw, there := fields["parameters"]; there {
		list, _ := r.array(raw, "space.parameters")
		for i, item := range list {
			params = append(params, r.parameter(item, i))
		}
	} else {
		f.add(fault("space.parameters", "the list of parameters is missing").WithRemedy(`write {"parameters": [...]}`))
	}
	var constraints []string
	if raw, there := fields["constraints"]; there {
		list, _ := r.array(raw, "space.constraints")
		for i, item := range list {
			constraints = append(constraints, r.text(item, fmt.Sprintf("space.constraints[%d]", i)))
		}
	}
	open := r.flag(fields, "open", "space")
	if err := f.err("space"); err != nil {
		return nil, err
	}
	return build(params, constraints, open)
}

// ParseParameter reads the canonical JSON form of one parameter, with or
// without its name, for those who write spaces in another form; New checks it.
func ParseParameter(b []byte, name string) (Parameter, error) {
	var f faults
	r := &reader{&f}
	p := r.parameter(b, 0, name)
	return p, f.err("space")
}

// reader turns JSON into a space and collects faults.
type reader struct{ *faults }

// object reads an object with known fields only, each at most once.
func (r *reader) object(raw []byte, field string, known ...string) (map[string]json.RawMessage, bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	t, err := d.Token()
	if err == nil && t != json.Delim('{') {
		r.add(fault(field, "it is %s, not a JSON object {...}", short(raw)))
		return nil, false
	}
	out := map[string]json.RawMessage{}
	for err == nil && d.More() {
		var key json.Token
		if key, err = d.Token(); err != nil {
			break
		}
		var value json.RawMessage
		if err = d.Decode(&value); err != nil {
			break
		}
		name, _ := key.(string) // the decoder lets nothing else be a key
		switch {
		case !slices.Contains(known, name):
			r.add(fault(field+"."+name, "the field %q is unknown", name).WithRemedy("known are %s", strings.Join(known, ", ")))
		case out[name] != nil:
			r.add(fault(field+"."+name, "the field %q is given twice", name).WithRemedy("leave one of the two out"))
		}
		out[name] = value
	}
	if err == nil {
		_, err = d.Token()
	}
	if err == nil && d.InputOffset() < int64(len(bytes.TrimRight(raw, " \t\r\n"))) {
		err = fmt.Errorf("something follows the closing brace")
	}
	if err != nil {
		r.add(fault(field, "it is no valid JSON: %v", err))
		return nil, false
	}
	return out, true
}

func (r *reader) array(raw []byte, field string) ([]json.RawMessage, bool) {
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		r.add(fault(field, "it is %s, not a JSON list [...]", short(raw)))
		return nil, false
	}
	return list, true
}

func (r *reader) text(raw []byte, field string) string {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		r.add(fault(field, "it is %s, not a text in quotes", short(raw)))
	}
	return s
}

// flag reads a field that is true or false; it is false where it is absent.
func (r *reader) flag(fields map[string]json.RawMessage, key, field string) bool {
	raw, there := fields[key]
	if there && string(raw) != "true" && string(raw) != "false" {
		r.add(fault(field+"."+key, "it is %s, not true or false", short(raw)))
	}
	return string(raw) == "true"
}

// value reads a number, text or bool.
func (r *reader) value(raw []byte, field string) Value {
	switch raw[0] {
	case '"':
		return r.text(raw, field)
	case 't', 'f':
		return raw[0] == 't'
	case '{', '[', 'n':
		r.add(fault(field, "it is %s, not a number, text, true or false", short(raw)))
		return nil
	}
	v, err := types.ParseNumber(string(raw))
	if err != nil {
		r.add(fault(field, "%v", err))
		return nil
	}
	return normal(v)
}

// short is raw for a message.
func short(raw []byte) string {
	const most = 40
	s := strings.ToValidUTF8(strings.TrimSpace(string(raw)), "?")
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

var parameterFields = []string{"name", "type", "low", "high", "step", "scale", "choices", "default", "prior", "grid", "when", "dynamic"}

// parameter reads one. A name given beside it takes the place of its own.
func (r *reader) parameter(raw []byte, i int, name ...string) Parameter {
	field := fmt.Sprintf("space.parameters[%d]", i)
	var p Parameter
	if len(name) > 0 {
		p.Name = name[0]
		field = "space." + p.Name
	} else if own := peekName(raw); own != "" {
		field = "space." + own
	}
	fields, ok := r.object(raw, field, parameterFields...)
	if !ok {
		return p
	}
	if raw, there := fields["name"]; there {
		own := r.text(raw, field+".name")
		if len(name) > 0 && own != p.Name {
			r.add(fault(field+".name", "it is named %q, but stands under the name %q", own, p.Name))
		} else if own != "" {
			p.Name = own
		}
	}
	for _, f := range []struct {
		key string
		to  *Value
	}{{"low", &p.Low}, {"high", &p.High}, {"step", &p.Step}, {"default", &p.Default}} {
		if raw, there := fields[f.key]; there {
			*f.to = r.value(raw, field+"."+f.key)
		}
	}
	if raw, there := fields["type"]; there {
		p.Kind = Kind(r.text(raw, field+".type"))
	} else {
		r.add(fault(field+".type", "the type is missing").WithRemedy("write float, int, bool, categorical, ordinal or constant"))
	}
	if raw, there := fields["scale"]; there {
		p.Scale = Scale(r.text(raw, field+".scale"))
	}
	if raw, there := fields["choices"]; there {
		list, _ := r.array(raw, field+".choices")
		p.Choices = make([]Choice, len(list))
		for k, item := range list {
			p.Choices[k] = r.choice(item, fmt.Sprintf("%s.choices[%d]", field, k))
		}
	}
	if raw, there := fields["prior"]; there {
		p.Prior = r.prior(raw, field+".prior")
	}
	if raw, there := fields["grid"]; there {
		if n, isInt := r.value(raw, field+".grid").(int64); isInt && n >= 1 && n <= maxGrid {
			p.Grid = int(n)
		} else {
			r.add(fault(field+".grid", "it is %s, not a number of grid points", short(raw)).
				WithRemedy("give a whole number between 1 and %d", maxGrid))
		}
	}
	if raw, there := fields["when"]; there {
		p.When = r.condition(raw, field+".when", 0)
	}
	p.Dynamic = r.flag(fields, "dynamic", field)
	return p
}

// peekName is the name of a parameter, for the messages about all of it.
func peekName(raw []byte) string {
	var p struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(raw, &p) != nil {
		return ""
	}
	return p.Name
}

func (r *reader) choice(raw []byte, field string) Choice {
	if raw[0] != '{' {
		return Choice{Value: r.value(raw, field)}
	}
	var c Choice
	fields, ok := r.object(raw, field, "value", "text")
	if !ok {
		return c
	}
	if v, there := fields["value"]; there {
		c.Value = r.value(v, field+".value")
	} else {
		r.add(fault(field+".value", "the value is missing").WithRemedy(`write {"value": 1, "text": "001"}, or the value alone`))
	}
	if t, there := fields["text"]; there {
		c.Text = r.text(t, field+".text")
	}
	return c
}

func (r *reader) prior(raw []byte, field string) *Prior {
	fields, ok := r.object(raw, field, "mean", "sd")
	if !ok {
		return nil
	}
	var p Prior
	for _, f := range []struct {
		key string
		to  *float64
	}{{"mean", &p.Mean}, {"sd", &p.SD}} {
		raw, there := fields[f.key]
		if !there {
			r.add(fault(field+"."+f.key, "it is missing").WithRemedy(`write {"mean": 0.5, "sd": 0.1}`))
			continue
		}
		v := r.value(raw, field+"."+f.key)
		x, isNumber := asFloat(v)
		if v != nil && !isNumber {
			r.add(fault(field+"."+f.key, "it is %s, not a number", short(raw)))
		}
		*f.to = x
	}
	return &p
}

func (r *reader) condition(raw []byte, field string, depth int) Condition {
	if depth > maxDepth {
		r.add(fault(field, "the condition is nested more than %d deep", maxDepth))
		return nil
	}
	before := len(*r.faults)
	fields, ok := r.object(raw, field, "param", "in", "not_in", "range", "all", "any", "not")
	if !ok || len(*r.faults) > before {
		return nil
	}
	_, atom := fields["param"]
	for _, op := range []string{"in", "not_in", "range", "all", "any", "not"} {
		arg, there := fields[op]
		needs := op == "in" || op == "not_in" || op == "range"
		if there && needs == atom && (atom && len(fields) == 2 || !atom && len(fields) == 1) {
			return r.operator(op, arg, fields["param"], field, depth)
		}
	}
	r.add(fault(field, "%s is no condition", short(raw)).WithRemedy("%s", `write one of {"param": "p", "in": [...]}, `+
		`{"param": "p", "not_in": [...]}, {"param": "p", "range": [lo, hi]}, {"all": [...]}, {"any": [...]}, {"not": {...}}`))
	return nil
}

func (r *reader) operator(op string, arg, param []byte, field string, depth int) Condition {
	if op == "not" {
		return Not{r.condition(arg, field+".not", depth+1)}
	}
	list, ok := r.array(arg, field+"."+op)
	if !ok {
		return nil
	}
	if op == "all" || op == "any" {
		var of []Condition
		for i, item := range list {
			of = append(of, r.condition(item, fmt.Sprintf("%s.%s[%d]", field, op, i), depth+1))
		}
		if op == "all" {
			return And(of)
		}
		return Or(of)
	}
	name := r.text(param, field+".param")
	if op == "range" && len(list) != 2 {
		r.add(fault(field+".range", "a range has two ends, not %d", len(list)).WithRemedy("write [1, 5], [1, null] or [null, 5]"))
		return nil
	}
	values := make([]Value, len(list))
	for i, item := range list {
		if op != "range" || string(item) != "null" {
			values[i] = r.value(item, field+"."+op)
		}
	}
	switch op {
	case "in":
		return In{name, values}
	case "not_in":
		return NotIn{name, values}
	}
	return Range{name, values[0], values[1]}
}
