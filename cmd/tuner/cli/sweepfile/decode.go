package sweepfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/gotuner/tuner/internal/nearest"
)

// Decode reads a sweep file. name is what errors call it. The error is a
// *types.Error with the place of the fault and an excerpt.
func Decode(name string, data []byte) (File, *Source, error) {
	d := &decoder{source: newSource(name, data)}
	root, err := d.parse(data)
	if err != nil {
		return File{}, nil, err
	}
	if err := d.file(root); err != nil {
		return File{}, nil, err
	}
	return d.out, d.source, nil
}

type decoder struct {
	source *Source
	out    File
}

// key is a key of the file and how its value is read into d.out.
type key struct {
	name string
	read func(d *decoder, path string, n *yaml.Node) error
}

// keys are all keys in the order in which Encode writes them.
func keys() []key {
	text := func(to func(*File) *string) func(*decoder, string, *yaml.Node) error {
		return func(d *decoder, path string, n *yaml.Node) (err error) {
			*to(&d.out), err = d.text(path, n)
			return err
		}
	}
	number := func(to func(*File) **int64) func(*decoder, string, *yaml.Node) error {
		return func(d *decoder, path string, n *yaml.Node) (err error) {
			*to(&d.out), err = d.integer(path, n)
			return err
		}
	}
	duration := func(to func(*File) **time.Duration) func(*decoder, string, *yaml.Node) error {
		return func(d *decoder, path string, n *yaml.Node) (err error) {
			*to(&d.out), err = d.duration(path, n)
			return err
		}
	}
	texts := func(to func(*File) *[]string) func(*decoder, string, *yaml.Node) error {
		return func(d *decoder, path string, n *yaml.Node) (err error) {
			*to(&d.out), err = d.texts(path, n)
			return err
		}
	}
	return []key{
		{"version", (*decoder).version},
		{"name", text(func(f *File) *string { return &f.Name })},
		{"project", text(func(f *File) *string { return &f.Project })},
		{"min", text(func(f *File) *string { return &f.Min })},
		{"max", text(func(f *File) *string { return &f.Max })},
		{"params", (*decoder).params},
		{"constraints", texts(func(f *File) *[]string { return &f.Constraints })},
		{"try", (*decoder).try},
		{"trials", number(func(f *File) **int64 { return &f.Trials })},
		{"jobs", number(func(f *File) **int64 { return &f.Jobs })},
		{"algorithm", (*decoder).algorithm},
		{"stopper", (*decoder).stopper},
		{"seed", number(func(f *File) **int64 { return &f.Seed })},
		{"for", duration(func(f *File) **time.Duration { return &f.For })},
		{"target", (*decoder).target},
		{"patience", number(func(f *File) **int64 { return &f.Patience })},
		{"max_failures", number(func(f *File) **int64 { return &f.MaxFailures })},
		{"max_cost", text(func(f *File) *string { return &f.MaxCost })},
		{"stop_when", text(func(f *File) *string { return &f.StopWhen })},
		{"command", (*decoder).command},
		{"literal", texts(func(f *File) *[]string { return &f.Literal })},
		{"cwd", text(func(f *File) *string { return &f.Cwd })},
		{"env", (*decoder).env},
		{"gpus", (*decoder).gpus},
		{"timeout", duration(func(f *File) **time.Duration { return &f.Timeout })},
		{"grace", duration(func(f *File) **time.Duration { return &f.Grace })},
		{"stop_signal", text(func(f *File) *string { return &f.StopSignal })},
		{"retries", number(func(f *File) **int64 { return &f.Retries })},
		{"infeasible_exit", number(func(f *File) **int64 { return &f.InfeasibleExit })},
		{"step", text(func(f *File) *string { return &f.Step })},
		{"metric_regex", texts(func(f *File) *[]string { return &f.MetricRegex })},
		{"metric_file", text(func(f *File) *string { return &f.MetricFile })},
		{"metric_strategy", text(func(f *File) *string { return &f.MetricStrategy })},
		{"keep", text(func(f *File) *string { return &f.Keep })},
		{"db", text(func(f *File) *string { return &f.DB })},
		{"dir", text(func(f *File) *string { return &f.Dir })},
		{"url", text(func(f *File) *string { return &f.URL })},
		{"token_file", text(func(f *File) *string { return &f.TokenFile })},
		{"pin", text(func(f *File) *string { return &f.Pin })},
		{"durability", text(func(f *File) *string { return &f.Durability })},
	}
}

var yamlLine = regexp.MustCompile(`(?s)^yaml: line (\d+): (.*)$`)

// parse returns the mapping that the file is.
func (d *decoder) parse(data []byte) (*yaml.Node, error) {
	in := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := in.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, d.source.fault(place{line: 1}, "the file is empty").remedy("begin with version: %d", Version)
	case err != nil:
		return nil, d.syntax(err)
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, d.fault(root, "%s is no sweep file", describe(root)).remedy("begin with version: %d and write key: value lines", Version)
	}
	var more yaml.Node
	switch err := in.Decode(&more); {
	case errors.Is(err, io.EOF):
		return root, nil
	case err != nil:
		return nil, d.syntax(err)
	}
	return nil, d.fault(&more, "a second document begins here").remedy("write one sweep a file")
}

// syntax gives an error of the YAML parser its line. The parser counts lines
// from where the faulty construct begins.
func (d *decoder) syntax(err error) error {
	p, message := place{line: 1}, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		if line, err := strconv.Atoi(m[1]); err == nil {
			p.line, message = max(min(line, len(d.source.lines)), 1), m[2]
		}
	}
	return d.source.fault(p, "this is no valid YAML: %s", message).remedy("look at this line and the one above it: indentation, quotes, a space after each colon")
}

// fault is an error at a node.
func (d *decoder) fault(n *yaml.Node, format string, args ...any) *fault {
	return d.source.fault(place{n.Line, n.Column}, format, args...)
}

func (d *decoder) file(root *yaml.Node) error {
	all := keys()
	names := make([]string, len(all))
	for i, k := range all {
		names[i] = k.name
	}
	versioned := false
	err := d.mapping("", root, func(path string, k, v *yaml.Node) error {
		i := slices.Index(names, k.Value)
		if i < 0 {
			f := d.fault(k, "unknown key %q", k.Value)
			if near := nearest.Word(k.Value, names); near != "" {
				return f.remedy("did you mean %q?", near)
			}
			return f.remedy("the keys are %s", strings.Join(names, ", "))
		}
		versioned = versioned || k.Value == "version"
		return all[i].read(d, path, v)
	})
	if err != nil {
		return err
	}
	if !versioned {
		return d.fault(root, "the version is missing").remedy("begin with version: %d", Version)
	}
	return nil
}

// mapping calls each for the entries of a mapping, whose keys are different
// texts.
func (d *decoder) mapping(path string, n *yaml.Node, each func(path string, k, v *yaml.Node) error) error {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.Style&yaml.TaggedStyle != 0 || k.Value == "" {
			return d.fault(k, "a key must be a word, not %s", describe(k)).remedy("write key: value")
		}
		if line, ok := seen[k.Value]; ok {
			return d.fault(k, "%q is given twice, first in line %d", k.Value, line).remedy("remove one of the two")
		}
		seen[k.Value] = k.Line
		here := k.Value
		if path != "" {
			here = path + "." + k.Value
		}
		d.note(here, v)
		if err := d.aliases(v); err != nil {
			return err
		}
		if err := each(here, k, v); err != nil {
			return err
		}
	}
	return nil
}

// items calls each for the items of a list.
func (d *decoder) items(path string, n *yaml.Node, each func(path string, v *yaml.Node) error) error {
	for i, v := range n.Content {
		here := fmt.Sprintf("%s[%d]", path, i)
		d.note(here, v)
		if err := d.aliases(v); err != nil {
			return err
		}
		if err := each(here, v); err != nil {
			return err
		}
	}
	return nil
}

// note keeps where a field stands.
func (d *decoder) note(path string, n *yaml.Node) { d.source.at[path] = place{n.Line, n.Column} }

// aliases refuses anchors and aliases: a file of this size is better off
// written out, and nested aliases can make a small file huge.
func (d *decoder) aliases(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.AliasNode:
		return d.fault(n, "the alias *%s is not supported", n.Value).remedy("write the value out")
	case n.Anchor != "":
		return d.fault(n, "the anchor &%s is not supported", n.Anchor).remedy("write the value out where it is used")
	}
	return nil
}

func (d *decoder) version(path string, n *yaml.Node) error {
	v, err := d.integer(path, n)
	if err != nil {
		return err
	}
	if *v != Version {
		return d.fault(n, "version %d is not known here", *v).remedy("this tuner reads version: %d; use a newer tuner for a newer file", Version)
	}
	return nil
}

// target reads a finite number.
func (d *decoder) target(path string, n *yaml.Node) error {
	s, err := d.text(path, n)
	if err != nil {
		return err
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return d.fault(n, "%s must be a number, not %s", path, describe(n)).remedy("write it as in %s: 0.05", path)
	}
	d.out.Target = &f
	return nil
}
