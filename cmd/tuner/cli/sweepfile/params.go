package sweepfile

import (
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gotuner/tuner/api/types"
)

// params reads the parameters in their order.
func (d *decoder) params(path string, n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return d.fault(n, "params must be a mapping from names to ranges or choices, not %s", describe(n)).
			remedy("write params: and below it lines such as lr: 1e-5..1e-1:log")
	}
	err := d.mapping(path, n, func(path string, k, v *yaml.Node) error {
		p, err := d.param(path, k.Value, v)
		d.out.Params = append(d.out.Params, p)
		return err
	})
	if err == nil && len(d.out.Params) == 0 {
		err = d.fault(n, "params is empty").remedy("add a line such as lr: 1e-5..1e-1:log")
	}
	return err
}

func (d *decoder) param(path, name string, n *yaml.Node) (Param, error) {
	p := Param{Name: name}
	var err error
	switch trap, trapped := bracesTrap(n); {
	case trapped:
		err = d.fault(n, "%s is no parameter", trap).remedy("write a range, a list of choices, or a mapping with type")
	case n.Kind == yaml.SequenceNode:
		err = d.items(path, n, func(path string, v *yaml.Node) error {
			c, err := d.value(path, v)
			p.Choices = append(p.Choices, c)
			return err
		})
		if err == nil && len(p.Choices) == 0 {
			err = d.fault(n, "%s has no choices", name).remedy("write them as in %s: [sgd, adam]", name)
		}
	case n.Kind == yaml.MappingNode:
		p.JSON, err = d.object(nil, path, n)
	default:
		p.Spec, err = d.text(path, n)
		if err == nil && p.Spec == "" {
			err = d.fault(n, "%s is empty", path).remedy("write a range such as 1e-5..1e-1:log, or a list of choices")
		}
	}
	return p, err
}

// try reads a list of points, each the text of --try or a mapping.
func (d *decoder) try(path string, n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return d.fault(n, "try must be a list of points, not %s", describe(n)).remedy("write try: [{lr: 1e-3, hidden: 64}]")
	}
	err := d.items(path, n, func(path string, v *yaml.Node) error {
		var p Point
		var err error
		if v.Kind != yaml.MappingNode {
			p.Text, err = d.text(path, v)
			d.out.Try = append(d.out.Try, p)
			return err
		}
		err = d.mapping(path, v, func(path string, k, v *yaml.Node) error {
			value, err := d.value(path, v)
			p.Values = append(p.Values, Assignment{k.Value, value})
			return err
		})
		if err == nil && len(p.Values) == 0 {
			err = d.fault(v, "this point has no values").remedy("write it as in {lr: 1e-3, hidden: 64}")
		}
		d.out.Try = append(d.out.Try, p)
		return err
	})
	if err == nil && len(d.out.Try) == 0 {
		err = d.fault(n, "try is an empty list").remedy("add a point such as {lr: 1e-3}, or remove try")
	}
	return err
}

// object appends a mapping as JSON. It is read strictly later, by the space.
func (d *decoder) object(b []byte, path string, n *yaml.Node) ([]byte, error) {
	b = append(b, '{')
	first := true
	err := d.mapping(path, n, func(path string, k, v *yaml.Node) error {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(types.AppendString(b, k.Value), ':')
		var err error
		b, err = d.json(b, path, v)
		return err
	})
	return append(b, '}'), err
}

// json appends a value as JSON. What is plain and a JSON number keeps its
// digits; only true and false are bools; everything else is text, and a choice
// whose number was written in a way of its own keeps that as its text.
func (d *decoder) json(b []byte, path string, n *yaml.Node) ([]byte, error) {
	switch n.Kind {
	case yaml.MappingNode:
		return d.object(b, path, n)
	case yaml.SequenceNode:
		b = append(b, '[')
		err := d.items(path, n, func(path string, v *yaml.Node) error {
			if b[len(b)-1] != '[' {
				b = append(b, ',')
			}
			var err error
			b, err = d.json(b, path, v)
			return err
		})
		return append(b, ']'), err
	case yaml.ScalarNode, yaml.AliasNode, yaml.DocumentNode:
	}
	if isNull(n) && n.Value == "null" {
		return append(b, "null"...), nil // an open end of a range
	}
	v, err := d.value(path, n)
	if err != nil {
		return b, err
	}
	return appendValue(b, v, !isQuoted(n), isChoice(path)), nil
}

// isChoice reports whether a path is that of an item of a list of choices.
func isChoice(path string) bool {
	return strings.HasSuffix(path, "]") && strings.HasSuffix(path[:strings.LastIndex(path, "[")], ".choices")
}

func appendValue(b []byte, v Value, plain, choice bool) []byte {
	switch {
	case plain && (v.Text == "true" || v.Text == "false"):
		return append(b, v.Text...)
	case plain && isJSONNumber(v.Text):
		if canonical, err := types.ParseNumber(v.Text); choice && err == nil {
			if c, err := types.AppendValue(nil, canonical); err == nil && string(c) != v.Text {
				b = append(append(b, `{"value":`...), v.Text...)
				b = types.AppendString(append(b, `,"text":`...), v.Text)
				return append(b, '}')
			}
		}
		return append(b, v.Text...)
	}
	return types.AppendString(b, v.Text)
}

// isJSONNumber reports whether s is a number in JSON's own form.
func isJSONNumber(s string) bool {
	return s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && json.Valid([]byte(s))
}
