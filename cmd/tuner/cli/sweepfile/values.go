package sweepfile

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// text reads a scalar as it was written.
func (d *decoder) text(path string, n *yaml.Node) (string, error) {
	if trap, ok := bracesTrap(n); ok {
		return "", d.fault(n, "YAML reads %s as a mapping", trap).remedy("put it in quotes: %q", trap)
	}
	if n.Kind != yaml.ScalarNode {
		return "", d.fault(n, "%s must be one value, not %s", path, describe(n)).remedy("write %s: VALUE", lastName(path))
	}
	if n.Style&yaml.TaggedStyle != 0 && n.ShortTag() != "!!str" {
		return "", d.fault(n, "the tag %s is not supported", n.ShortTag()).remedy("remove it")
	}
	if isNull(n) {
		return "", d.fault(n, "%s has no value", path).remedy(`give it one (a text in quotes, if it is meant to be empty), or remove it`)
	}
	return n.Value, nil
}

// texts reads a list of scalars; a single one is a list of one.
func (d *decoder) texts(path string, n *yaml.Node) ([]string, error) {
	if n.Kind != yaml.SequenceNode {
		s, err := d.text(path, n)
		return []string{s}, err
	}
	return d.list(path, n)
}

func (d *decoder) list(path string, n *yaml.Node) ([]string, error) {
	out := make([]string, 0, len(n.Content))
	err := d.items(path, n, func(path string, v *yaml.Node) error {
		s, err := d.text(path, v)
		out = append(out, s)
		return err
	})
	if err == nil && len(out) == 0 {
		err = d.fault(n, "%s is an empty list", path).remedy("give it an item, or remove %s", lastName(path))
	}
	return out, err
}

func (d *decoder) integer(path string, n *yaml.Node) (*int64, error) {
	s, err := d.text(path, n)
	if err != nil {
		return nil, err
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, d.fault(n, "%s must be a whole number, not %s", path, describe(n)).remedy("write it with digits only, as in %s: 30", path)
	}
	return &i, nil
}

func (d *decoder) duration(path string, n *yaml.Node) (*time.Duration, error) {
	s, err := d.text(path, n)
	if err != nil {
		return nil, err
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return nil, d.fault(n, "%s must be a duration, not %s", path, describe(n)).remedy("write it with its unit, as in 90s, 30m or 1h30m")
	}
	return &v, nil
}

// command reads an argument list. A single text is refused: splitting it is a
// shell's work, and no shell reads it.
func (d *decoder) command(path string, n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && !isNull(n) {
		words := strings.Fields(n.Value)
		for i, w := range words {
			words[i] = strconv.Quote(w)
		}
		return d.fault(n, "command must be a list of arguments, not one text").remedy("write command: [%s]", strings.Join(words, ", "))
	}
	if n.Kind != yaml.SequenceNode {
		return d.fault(n, "command must be a list of arguments, not %s", describe(n)).remedy(`write command: [python, train.py, "{args}"]`)
	}
	list, err := d.list(path, n)
	d.out.Command = list
	return err
}

// env reads NAME: VALUE entries or a list of NAME=VALUE.
func (d *decoder) env(path string, n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		list, err := d.texts(path, n)
		d.out.Env = list
		return err
	}
	err := d.mapping(path, n, func(path string, k, v *yaml.Node) error {
		s, err := d.text(path, v)
		d.out.Env = append(d.out.Env, k.Value+"="+s)
		return err
	})
	if err == nil && len(d.out.Env) == 0 {
		err = d.fault(n, "env is empty").remedy("give it an entry, or remove env")
	}
	return err
}

// gpus reads a list, or one text with commas as after --gpus.
func (d *decoder) gpus(path string, n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		list, err := d.list(path, n)
		d.out.GPUs = list
		return err
	}
	s, err := d.text(path, n)
	for g := range strings.SplitSeq(s, ",") {
		d.out.GPUs = append(d.out.GPUs, strings.TrimSpace(g))
	}
	return err
}

func (d *decoder) algorithm(path string, n *yaml.Node) (err error) {
	d.out.Algorithm, err = d.component(path, n)
	return err
}

func (d *decoder) stopper(path string, n *yaml.Node) (err error) {
	d.out.Stopper, err = d.component(path, n)
	return err
}

// component reads NAME[:setting=value,…], or a mapping of the name and the
// settings, which it turns into that text.
func (d *decoder) component(path string, n *yaml.Node) (string, error) {
	if n.Kind != yaml.MappingNode {
		return d.text(path, n)
	}
	name := ""
	var settings []string
	err := d.mapping(path, n, func(path string, k, v *yaml.Node) error {
		s, err := d.text(path, v)
		switch {
		case err != nil:
			return err
		case k.Value == "name":
			name = s
		case strings.ContainsAny(s, ",") || strings.ContainsAny(k.Value, ",=:"):
			return d.fault(v, "the setting %s cannot hold a comma", k.Value).remedy("write a value without one")
		default:
			settings = append(settings, k.Value+"="+s)
		}
		return nil
	})
	switch {
	case err != nil:
		return "", err
	case name == "":
		return "", d.fault(n, "%s has no name", path).remedy("write %s: NAME, or %s: {name: NAME, setting: value}", path, path)
	case len(settings) == 0:
		return name, nil
	}
	return name + ":" + strings.Join(settings, ","), nil
}

// value reads a scalar that is a parameter's value.
func (d *decoder) value(path string, n *yaml.Node) (Value, error) {
	if n.Kind == yaml.ScalarNode && isNull(n) && n.Value != "" {
		return Value{Text: n.Value}, nil // the word null
	}
	s, err := d.text(path, n)
	if err != nil {
		return Value{}, err
	}
	return Value{Text: s, IsText: isQuoted(n) && looksTyped(s)}, nil
}

// isQuoted reports whether a scalar was written as a text.
func isQuoted(n *yaml.Node) bool {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle | yaml.TaggedStyle
	return n.Style&quoted != 0
}

// isNull reports whether a scalar is YAML's null.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// looksTyped reports whether a text would be taken for a number or a bool.
func looksTyped(s string) bool {
	if s == "true" || s == "false" {
		return true
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return true
	}
	_, err := strconv.ParseInt(s, 0, 64)
	return err == nil
}

// bracesTrap recognises a placeholder that YAML took for a mapping: {args} is
// {"args": null} to it.
func bracesTrap(n *yaml.Node) (string, bool) {
	if n.Kind != yaml.MappingNode || n.Style&yaml.FlowStyle == 0 || len(n.Content) != 2 {
		return "", false
	}
	k, v := n.Content[0], n.Content[1]
	if k.Kind != yaml.ScalarNode || !isNull(v) || v.Value != "" {
		return "", false
	}
	return "{" + k.Value + "}", true
}

// describe names a value in an error.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	case yaml.ScalarNode, yaml.DocumentNode:
	}
	const most = 40
	text := []rune(n.Value)
	if len(text) > most {
		text = append(text[:most], '…')
	}
	return fmt.Sprintf("%q", string(text))
}

// lastName is the last part of a path that has a name.
func lastName(path string) string {
	name, _, _ := strings.Cut(path[strings.LastIndex(path, ".")+1:], "[")
	return name
}
