// Package jsonkeys finds names that a JSON object has twice. encoding/json takes
// the last of them without a word, so what the first one said would be ignored.
package jsonkeys

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// few is how many names of an object are compared one by one. Of more a set is
// kept, so that the cost stays O(bytes).
const few = 16

// Twice and Remedy are what to say of a field that is given twice.
const (
	Twice  = "it is given twice"
	Remedy = "leave one of the two out"
)

// TwiceError says which name an object has twice.
type TwiceError struct {
	// Field is where it stands: objectives[0].metric.
	Field string
}

func (e *TwiceError) Error() string { return e.Field + ": " + Twice }

// Check returns a *TwiceError for the first name that an object of text has
// twice, else nil. Text is one that json.Unmarshal has accepted. Names of the
// outermost object that differ in case only are the same, as they are for the
// struct that it is decoded into; of inner ones this is not said, since
// parameters and metrics may be called so. Takes O(len(text)).
func Check(text []byte) error {
	var keep [2 * few][]byte
	s := scanner{text: text}
	s.value(0, keep[:0])
	if !s.twice {
		return nil
	}
	return &TwiceError{Field: s.field()}
}

// scanner walks through one text.
type scanner struct {
	text  []byte
	at    int
	twice bool
	// inwards are the steps to the name given twice, the innermost first.
	inwards []string
}

// skip goes to the next byte that is no white space and returns it, 0 at the end.
func (s *scanner) skip() byte {
	for ; s.at < len(s.text); s.at++ {
		if c := s.text[s.at]; c > ' ' {
			return c
		}
	}
	return 0
}

// value passes a value within so many objects and lists, or stops where a name
// is given twice. Room is an empty slice, whose memory it may use.
func (s *scanner) value(depth int, room [][]byte) {
	switch s.skip() {
	case '{':
		s.at++
		s.object(depth, room)
	case '[':
		s.at++
		s.list(depth, room)
	case '"':
		s.quoted()
	default:
		s.at++
		for s.at < len(s.text) && s.text[s.at] != ',' && s.text[s.at] != '}' && s.text[s.at] != ']' {
			s.at++
		}
	}
}

func (s *scanner) list(depth int, room [][]byte) {
	for i := 0; ; i++ {
		if c := s.skip(); c == ']' || c == 0 {
			s.at++
			return
		}
		if s.value(depth+1, room); s.twice {
			s.inwards = append(s.inwards, "["+strconv.Itoa(i)+"]")
			return
		}
		if s.skip() == ',' {
			s.at++
		}
	}
}

func (s *scanner) object(depth int, names [][]byte) {
	var set map[string]bool
	for {
		if s.skip() != '"' { // the closing brace
			s.at++
			return
		}
		name := s.name()
		if len(names) < few {
			s.twice = among(names, name, depth)
		} else {
			s.twice = crowded(&set, names, name, depth)
		}
		if !s.twice {
			names = append(names, name)
			s.skip()
			s.at++ // the colon
			s.value(depth+1, names[len(names):])
		}
		if s.twice {
			s.inwards = append(s.inwards, "."+cmp.Or(string(name), `""`))
			return
		}
		if s.skip() == ',' {
			s.at++
		}
	}
}

// among reports whether an object has a name already.
func among(names [][]byte, name []byte, depth int) bool {
	for _, n := range names {
		if bytes.Equal(n, name) || depth == 0 && bytes.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// crowded is among for many names; all of them but for this one are in the set,
// once it is there.
func crowded(set *map[string]bool, names [][]byte, name []byte, depth int) bool {
	key := func(n []byte) string {
		if depth == 0 {
			n = bytes.ToLower(bytes.ToUpper(n)) // as EqualFold has it, for letters that names of fields have
		}
		return string(n)
	}
	if *set == nil {
		*set = make(map[string]bool, 2*few)
		for _, n := range names {
			(*set)[key(n)] = true
		}
	}
	k := key(name)
	there := (*set)[k]
	(*set)[k] = true
	return there
}

// quoted passes a string and returns what is between its quotes, and whether
// that is ASCII without escapes.
func (s *scanner) quoted() (inner []byte, plain bool) {
	s.at++
	from := s.at
	plain = true
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[from : s.at-1], plain
		case c == '\\':
			s.at++
			plain = false
		case c >= utf8.RuneSelf:
			plain = false
		}
		s.at++
	}
	return nil, false
}

// name passes a string and returns what it stands for.
func (s *scanner) name() []byte {
	from := s.at
	inner, plain := s.quoted()
	if plain {
		return inner
	}
	var name string
	if json.Unmarshal(bytes.Clone(s.text[from:min(s.at, len(s.text))]), &name) != nil {
		return inner
	}
	return []byte(name)
}

// field joins the steps: a.b[2].c, with "" for a name that is empty.
func (s *scanner) field() string {
	var b strings.Builder
	for _, step := range slices.Backward(s.inwards) {
		b.WriteString(step)
	}
	return strings.TrimPrefix(b.String(), ".")
}
