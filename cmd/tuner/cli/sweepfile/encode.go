package sweepfile

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/gotuner/tuner/api/types"
)

// Encode writes f as a file that Decode reads back as f. It fails on text that
// no YAML file can hold (invalid UTF-8) and on JSON that is none.
func Encode(f *File) ([]byte, error) {
	e := &encoder{root: &yaml.Node{Kind: yaml.MappingNode}}
	e.put("version", plain(strconv.Itoa(Version)))
	e.text("name", f.Name)
	e.text("project", f.Project)
	e.text("min", f.Min)
	e.text("max", f.Max)
	e.params(f.Params)
	e.list("constraints", f.Constraints, 0)
	e.try(f.Try)
	e.number("trials", f.Trials)
	e.number("jobs", f.Jobs)
	e.text("algorithm", f.Algorithm)
	e.text("stopper", f.Stopper)
	e.number("seed", f.Seed)
	e.duration("for", f.For)
	if f.Target != nil {
		e.put("target", plain(strconv.FormatFloat(*f.Target, 'g', -1, 64)))
	}
	e.number("patience", f.Patience)
	e.number("max_failures", f.MaxFailures)
	e.text("max_cost", f.MaxCost)
	e.text("stop_when", f.StopWhen)
	e.list("command", f.Command, yaml.FlowStyle)
	e.list("literal", f.Literal, yaml.FlowStyle)
	e.text("cwd", f.Cwd)
	e.list("env", f.Env, 0)
	e.list("gpus", f.GPUs, yaml.FlowStyle)
	e.duration("timeout", f.Timeout)
	e.duration("grace", f.Grace)
	e.text("stop_signal", f.StopSignal)
	e.number("retries", f.Retries)
	e.number("infeasible_exit", f.InfeasibleExit)
	e.text("step", f.Step)
	e.list("metric_regex", f.MetricRegex, 0)
	e.text("metric_file", f.MetricFile)
	e.text("metric_strategy", f.MetricStrategy)
	e.text("keep", f.Keep)
	e.text("db", f.DB)
	e.text("dir", f.Dir)
	e.text("url", f.URL)
	e.text("token_file", f.TokenFile)
	e.text("pin", f.Pin)
	e.text("durability", f.Durability)
	if e.err != nil {
		return nil, e.err
	}
	var out bytes.Buffer
	w := yaml.NewEncoder(&out)
	w.SetIndent(2)
	if err := w.Encode(e.root); err != nil {
		return nil, types.Errorf(types.Internal, "writing the sweep file: %w", err)
	}
	return out.Bytes(), w.Close()
}

type encoder struct {
	root *yaml.Node
	err  error
}

func (e *encoder) put(key string, v *yaml.Node) {
	e.root.Content = append(e.root.Content, plain(key), v)
	e.check(key, v)
}

// check finds text that YAML cannot hold.
func (e *encoder) check(key string, n *yaml.Node) {
	if !utf8.ValidString(n.Value) && e.err == nil {
		e.err = types.Errorf(types.Invalid, "%q is not valid UTF-8, so no sweep file can hold it", n.Value).WithField(key).
			WithRemedy("keep this value out of the file, in a file or variable that the command reads")
	}
	for _, c := range n.Content {
		e.check(key, c)
	}
}

func (e *encoder) text(key, s string) {
	if s != "" {
		e.put(key, text(s))
	}
}

func (e *encoder) number(key string, i *int64) {
	if i != nil {
		e.put(key, plain(strconv.FormatInt(*i, 10)))
	}
}

func (e *encoder) duration(key string, d *time.Duration) {
	if d != nil {
		e.put(key, plain(d.String()))
	}
}

func (e *encoder) list(key string, items []string, style yaml.Style) {
	if len(items) == 0 {
		return
	}
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: style}
	for _, s := range items {
		n.Content = append(n.Content, text(s))
	}
	e.put(key, n)
}

func (e *encoder) params(params []Param) {
	if len(params) == 0 {
		return
	}
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, p := range params {
		var v *yaml.Node
		switch {
		case p.JSON != nil:
			v = e.json(p)
		case p.Choices != nil:
			v = &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
			for _, c := range p.Choices {
				v.Content = append(v.Content, value(c))
			}
		default:
			v = text(p.Spec)
		}
		n.Content = append(n.Content, text(p.Name), v)
	}
	e.put("params", n)
}

func (e *encoder) try(points []Point) {
	if len(points) == 0 {
		return
	}
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for _, p := range points {
		if p.Values == nil {
			n.Content = append(n.Content, text(p.Text))
			continue
		}
		v := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		for _, a := range p.Values {
			v.Content = append(v.Content, text(a.Name), value(a.Value))
		}
		n.Content = append(n.Content, v)
	}
	e.put("try", n)
}

// json turns a parameter's JSON into nodes. A list or a single value, which
// -p NAME:=JSON allows too, is a list of choices.
func (e *encoder) json(p Param) *yaml.Node {
	var raw json.RawMessage
	if err := json.Unmarshal(p.JSON, &raw); err != nil {
		if e.err == nil {
			e.err = types.Errorf(types.Invalid, "this is no valid JSON: %w", err).WithField("space." + p.Name)
		}
		return plain("null")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	n := node(d)
	switch n.Kind {
	case yaml.ScalarNode:
		n = &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{n}}
	case yaml.SequenceNode:
		n.Style = yaml.FlowStyle
	case yaml.MappingNode, yaml.AliasNode, yaml.DocumentNode:
	}
	return n
}

// node reads the next value of valid JSON.
func node(d *json.Decoder) *yaml.Node {
	switch t := token(d).(type) {
	case string:
		return quotedIfTyped(t)
	case json.Number:
		return plain(t.String())
	case bool:
		return plain(strconv.FormatBool(t))
	case json.Delim:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		if t == '{' {
			n.Kind = yaml.MappingNode
		}
		for d.More() {
			if t == '[' {
				n.Content = append(n.Content, node(d))
				continue
			}
			key, _ := token(d).(string)
			v := node(d)
			if key == "choices" && v.Kind == yaml.SequenceNode {
				v.Style = yaml.FlowStyle
				for i, c := range v.Content {
					v.Content[i] = shortChoice(c)
				}
			}
			n.Content = append(n.Content, text(key), v)
		}
		token(d) // the closing bracket
		return n
	}
	return plain("null")
}

// token is the next token; the input is known to be valid.
func token(d *json.Decoder) json.Token {
	t, err := d.Token()
	if err != nil {
		return nil
	}
	return t
}

// shortChoice writes {value: 1.10, text: "1.10"} as 1.10, which is read back as
// that.
func shortChoice(c *yaml.Node) *yaml.Node {
	if c.Kind != yaml.MappingNode || len(c.Content) != 4 || c.Content[0].Value != "value" || c.Content[2].Value != "text" {
		return c
	}
	v, t := c.Content[1], c.Content[3]
	if v.Kind != yaml.ScalarNode || v.Style != 0 || !isJSONNumber(v.Value) || v.Value != t.Value {
		return c
	}
	if string(appendValue(nil, Value{Text: v.Value}, true, true)) == v.Value {
		return c // a number in its canonical form is read back as the number alone
	}
	return v
}

// plain is a scalar without quotes.
func plain(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

// text is a scalar that is read as text whatever it looks like: quoted only
// where YAML would read something else than s, or nothing.
func text(s string) *yaml.Node {
	n := plain(s)
	if mustQuote(s) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// value is a parameter's value: quotes make a text of what looks like a number.
func value(v Value) *yaml.Node {
	n := text(v.Text)
	if v.IsText {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// quotedIfTyped is a JSON string, which must not become a number or a bool.
func quotedIfTyped(s string) *yaml.Node {
	return value(Value{Text: s, IsText: looksTyped(s)})
}

// mustQuote reports whether a text cannot be a plain scalar although the YAML
// writer may think so: what YAML takes for null or a merge, and all that holds
// control characters or line ends of any kind.
func mustQuote(s string) bool {
	if slices.Contains([]string{"", "~", "null", "Null", "NULL", "<<", "=", "---", "..."}, s) {
		return true
	}
	return strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r <= 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufeff'
	})
}
