package grammar

import (
	"strings"
	"unicode/utf8"

	"github.com/gotuner/tuner/suggest/space"
)

// Row is one line of the table that shows how parameters were understood.
type Row struct {
	Name, Type string
	// Values is the range or the choices, shortened if they are many.
	Values string
	Scale  string // "log", "reverse-log" or ""
	// Default and When are "" if there is none.
	Default, When string
	// Change names the modifiers that would make it another type.
	Change string
}

// maxValues is the width of the table's values in characters.
const maxValues = 40

// Rows describes parameters for people.
func Rows(params []space.Parameter) []Row {
	rows := make([]Row, len(params))
	for i := range params {
		p := &params[i]
		r := Row{Name: p.Name, Type: typeOf(p), Values: valuesOf(p, maxValues), When: ConditionText(p.When, params), Change: change(p)}
		if p.Scale != space.Linear {
			r.Scale = string(p.Scale)
		}
		if p.Prior != nil {
			r.Scale = "normal(" + floatText(p.Prior.Mean) + "," + floatText(p.Prior.SD) + ")"
			if p.Scale == space.Log || p.Scale == space.ReverseLog {
				r.Scale += " of " + string(p.Scale)
			}
		}
		if p.Default != nil {
			r.Default = shown(p, p.Default)
		}
		rows[i] = r
	}
	return rows
}

// Table prints Rows with a heading. Columns in which nothing stands are left out.
func Table(params []space.Parameter) string {
	lines := [][]string{{"parameter", "type", "values", "scale", "default", "only if", "to change it"}}
	for _, r := range Rows(params) {
		lines = append(lines, []string{r.Name, r.Type, r.Values, r.Scale, r.Default, r.When, r.Change})
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines[1:] {
		for c, cell := range line {
			if cell != "" {
				widths[c] = max(widths[c], utf8.RuneCountInString(cell), utf8.RuneCountInString(lines[0][c]))
			}
		}
	}
	var b strings.Builder
	for _, line := range lines {
		var text strings.Builder
		for c, cell := range line {
			if widths[c] > 0 {
				text.WriteString(cell + strings.Repeat(" ", widths[c]-utf8.RuneCountInString(cell)+2))
			}
		}
		b.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
	return b.String()
}

// typeOf is the type, for choices with that of the values.
func typeOf(p *space.Parameter) string {
	if p.Numeric() || p.Kind == space.Bool {
		return string(p.Kind)
	}
	of := ""
	for _, c := range p.Choices {
		t := "text"
		switch c.Value.(type) {
		case int64:
			t = "int"
		case float64:
			t = "float"
		case bool:
			t = "bool"
		}
		if of != "" && of != t {
			of = "mixed"
			break
		}
		of = t
	}
	switch p.Kind {
	case space.Constant:
		return "constant " + of
	case space.Ordinal:
		return "ordered " + of
	case space.Float, space.Int, space.Bool, space.Categorical:
	}
	return "choice of " + of
}

// change names the modifiers that give another type.
func change(p *space.Parameter) string {
	switch p.Kind {
	case space.Float:
		if low, high := p.Low.(float64), p.High.(float64); low == float64(int64(low)) && high == float64(int64(high)) && p.Step == nil && p.Prior == nil {
			return ":int"
		}
		return ""
	case space.Int:
		return ":float"
	case space.Bool:
		return ":str"
	case space.Ordinal:
		return ""
	case space.Constant, space.Categorical:
	}
	var mods []string
	for _, c := range p.Choices {
		if _, isText := c.Value.(string); !isText {
			mods = append(mods, ":str")
			break
		}
	}
	if len(p.Choices) == 2 {
		_, first := boolOf(p.Choices[0].Text)
		_, second := boolOf(p.Choices[1].Text)
		if first && second {
			mods = append(mods, ":bool")
		}
	}
	if p.Kind == space.Categorical {
		mods = append(mods, ":ordinal")
	}
	return strings.Join(mods, " ")
}

// valuesOf is the range or the choices of p, in at most about width characters.
func valuesOf(p *space.Parameter, width int) string {
	if p.Numeric() {
		s := numberText(p.Low) + " .. " + numberText(p.High)
		if p.Step != nil {
			s += " step " + numberText(p.Step)
		}
		return s
	}
	s := ""
	for i, c := range p.Choices {
		text := shown(p, c.Value)
		if i > 0 {
			text = ", " + text
		}
		if i > 0 && utf8.RuneCountInString(s)+utf8.RuneCountInString(text) > width {
			return s + ", … " + shown(p, p.Choices[len(p.Choices)-1].Value) + " (" + numberText(int64(len(p.Choices))) + ")"
		}
		s += text
	}
	return s
}

// shown is the text of a value; a text that could be taken for a number, a bool
// or nothing is put in quotes.
func shown(p *space.Parameter, v space.Value) string {
	text := p.Text(v)
	if p.Numeric() {
		return numberText(v)
	}
	if _, isText := v.(string); isText {
		if _, isBool := boolOf(text); isBool || anyNumber.MatchString(text) || strings.TrimSpace(text) != text || text == "" || strings.Contains(text, ",") {
			return `"` + text + `"`
		}
	}
	return text
}

// ConditionText is a condition as it is written behind @, or in words where the
// grammar has no form for it; "" for nil. Values of parameters in params are
// shown by their texts.
func ConditionText(c space.Condition, params []space.Parameter) string {
	switch c := c.(type) {
	case space.In:
		return c.Param + "=" + texts(c.Param, c.Values, params)
	case space.NotIn:
		return c.Param + "!=" + texts(c.Param, c.Values, params)
	case space.Range:
		return c.Param + "=" + numberText(c.Lo) + ".." + numberText(c.Hi)
	case space.And:
		return joined(c, " and ", params)
	case space.Or:
		return joined(c, " or ", params)
	case space.Not:
		return "not (" + ConditionText(c.Of, params) + ")"
	}
	return ""
}

// ConditionForm is a condition as it is typed behind a parameter, such as
// @opt=sgd@layers=2.., or in words where the grammar has no form for it; "" for nil.
func ConditionForm(c space.Condition, params []space.Parameter) string {
	var form strings.Builder
	switch c := c.(type) {
	case nil:
		return ""
	case space.And:
		for _, k := range c {
			switch k.(type) {
			case space.In, space.NotIn, space.Range:
				form.WriteString("@" + ConditionText(k, params))
			default:
				return ConditionText(c, params)
			}
		}
	case space.Or, space.Not:
		return ConditionText(c, params)
	default:
		return "@" + ConditionText(c, params)
	}
	return form.String()
}

func texts(name string, values []space.Value, params []space.Parameter) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = numberText(v)
		for k := range params {
			if params[k].Name == name {
				out[i] = params[k].Text(v)
			}
		}
		if s, isText := v.(string); isText && out[i] == "" {
			out[i] = s
		}
	}
	return strings.Join(out, ",")
}

func joined(of []space.Condition, word string, params []space.Parameter) string {
	out := make([]string, len(of))
	for i, c := range of {
		out[i] = ConditionText(c, params)
		switch c.(type) {
		case space.And, space.Or:
			out[i] = "(" + out[i] + ")"
		}
	}
	return strings.Join(out, word)
}
