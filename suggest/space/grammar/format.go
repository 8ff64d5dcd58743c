package grammar

import (
	"encoding/json"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
)

// Format writes each parameter of s as an argument that ParseAll reads back as
// the same parameter: in the short form where there is one, else as JSON. It is
// for printing commands; quoting for a shell is left to the caller.
func Format(s *space.Space) []string {
	n := s.Len()
	params := make([]space.Parameter, n)
	args := make([]string, n)
	for i := range n {
		params[i] = *s.Param(i)
		args[i] = canonical(s, i)
	}
	for i := range n {
		short := shortForm(&params[i], params)
		if short == "" {
			continue
		}
		trial := make([]string, n)
		copy(trial, args)
		trial[i] = short
		// Only a form that reads back as the same parameter will do.
		if back, _, err := ParseAll(trial); err == nil && sameParameter(back, params, i) {
			args[i] = short
		}
	}
	return args
}

// sameParameter compares after the conditions are in canonical form, which needs
// the whole space.
func sameParameter(back, params []space.Parameter, i int) bool {
	s, err := space.New(back, nil)
	return err == nil && s.Param(i).Equal(params[i])
}

// canonical is NAME:=JSON of parameter i.
func canonical(s *space.Space, i int) string {
	var form struct {
		Parameters []json.RawMessage `json:"parameters"`
	}
	// A Space's own form is valid JSON with one element for each parameter.
	_ = json.Unmarshal(s.AppendJSON(nil), &form)
	text := string(form.Parameters[i])
	name := s.Param(i).Name
	prefix := string(types.AppendString([]byte(`{"name":`), name)) + ","
	return name + ":={" + strings.TrimPrefix(text, prefix)
}

// shortForm is a first attempt at the form without JSON; "" if there is none.
func shortForm(p *space.Parameter, params []space.Parameter) string {
	var s strings.Builder
	s.WriteString(p.Name + "=")
	switch p.Kind {
	case space.Float, space.Int:
		s.WriteString(numericForm(p))
	case space.Bool, space.Categorical, space.Ordinal, space.Constant:
		texts := make([]string, len(p.Choices))
		allText := true
		for i, c := range p.Choices {
			texts[i] = c.Text
			_, isText := c.Value.(string)
			allText = allText && isText
		}
		s.WriteString(strings.Join(texts, ","))
		_, isBool := boolOf(texts[0])
		switch {
		case p.Kind == space.Bool && texts[0] != "true" && texts[0] != "false":
			s.WriteString(":bool")
		case allText && needsStr(texts, isBool):
			s.WriteString(":str")
		case needsFloat(p.Choices):
			s.WriteString(":float")
		}
		if p.Kind == space.Ordinal {
			s.WriteString(":ordinal")
		}
	}
	if p.Grid > 0 {
		s.WriteString(":n=" + numberText(int64(p.Grid)))
	}
	if p.Default != nil {
		s.WriteString(":default=" + p.Text(p.Default))
	}
	s.WriteString(ConditionForm(p.When, params))
	return s.String()
}

func numericForm(p *space.Parameter) string {
	low, high := numberText(p.Low), numberText(p.High)
	if p.Prior != nil {
		s := "normal(" + floatText(p.Prior.Mean) + "," + floatText(p.Prior.SD) + "," + low + "," + high + ")"
		if p.Kind == space.Int {
			s += ":int"
		}
		return s
	}
	s := low + ".." + high
	if p.Step != nil {
		s += ".." + numberText(p.Step)
	}
	if s == "0..1" {
		s += ":int"
	}
	switch p.Scale {
	case space.Log:
		s += ":log"
	case space.ReverseLog:
		s += ":revlog"
	case space.Linear:
	}
	return s
}

// needsStr reports whether some text would be read as another type.
func needsStr(texts []string, isBool bool) bool {
	for _, t := range texts {
		if isBool && (t == "true" || t == "false") || anyNumber.MatchString(t) {
			return true
		}
	}
	return false
}

// needsFloat reports whether floats are written like whole numbers.
func needsFloat(choices []space.Choice) bool {
	for _, c := range choices {
		if _, isFloat := c.Value.(float64); !isFloat || !integer.MatchString(c.Text) {
			return false
		}
	}
	return true
}
