package runner

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// column is a column of a file of T.
type column[T any] struct {
	name string
	get  func(*T) string
	set  func(*T, string) error
}

// table is the columns of a row, in order.
type table[T any] []column[T]

// exactly and roughly are numbers of digits: values read back equal, times have
// four digits.
const (
	exactly = -1
	roughly = 4
)

func text[T any, S ~string](name string, at func(*T) *S) column[T] {
	return column[T]{
		name, func(r *T) string { return string(*at(r)) },
		func(r *T, s string) error { *at(r) = S(s); return nil },
	}
}

func integer[T any, I int | int64](name string, at func(*T) *I) column[T] {
	return column[T]{
		name, func(r *T) string { return strconv.FormatInt(int64(*at(r)), 10) },
		func(r *T, s string) error {
			n, err := strconv.ParseInt(s, 10, 64)
			*at(r) = I(n)
			return err
		},
	}
}

func number[T any](name string, digits int, at func(*T) *float64) column[T] {
	return column[T]{
		name, func(r *T) string { return strconv.FormatFloat(*at(r), 'g', digits, 64) },
		func(r *T, s string) (err error) { *at(r), err = strconv.ParseFloat(s, 64); return err },
	}
}

func truth[T any](name string, at func(*T) *bool) column[T] {
	return column[T]{
		name, func(r *T) string { return strconv.FormatBool(*at(r)) },
		func(r *T, s string) (err error) { *at(r), err = strconv.ParseBool(s); return err },
	}
}

func list[T, E any](name string, join func([]E) string, split func(string) ([]E, error), at func(*T) *[]E) column[T] {
	return column[T]{
		name, func(r *T) string { return join(*at(r)) },
		func(r *T, s string) (err error) { *at(r), err = split(s); return err },
	}
}

// listSeparator is within a field.
const listSeparator = ";"

func joinInts(v []int) string {
	parts := make([]string, len(v))
	for i, n := range v {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, listSeparator)
}

func splitInts(s string) ([]int, error) {
	if s == "" {
		return nil, nil
	}
	var out []int
	for part := range strings.SplitSeq(s, listSeparator) {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// joinFloats leaves out what is the same as the value before, as the best often
// is.
func joinFloats(v []float64) string {
	parts := make([]string, len(v))
	for i, f := range v {
		if i == 0 || math.Float64bits(f) != math.Float64bits(v[i-1]) {
			parts[i] = strconv.FormatFloat(f, 'g', exactly, 64)
		}
	}
	return strings.Join(parts, listSeparator)
}

func splitFloats(s string) ([]float64, error) {
	if s == "" {
		return nil, nil
	}
	var out []float64
	for part := range strings.SplitSeq(s, listSeparator) {
		if part == "" && len(out) > 0 {
			out = append(out, out[len(out)-1])
			continue
		}
		f, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// header is the first line of a file.
func (t table[T]) header() []byte {
	names := make([]string, len(t))
	for i, c := range t {
		names[i] = c.name
	}
	return csvLine(names)
}

// row is the line of r.
func (t table[T]) row(r *T) []byte {
	cells := make([]string, len(t))
	for i, c := range t {
		cells[i] = c.get(r)
	}
	return csvLine(cells)
}

// csvLine is one line with its end; cells have no line breaks.
func csvLine(cells []string) []byte {
	for i, c := range cells {
		if strings.ContainsAny(c, "\r\n") {
			cells[i] = oneLine(c)
		}
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(cells); err != nil {
		panic(err) // a buffer does not fail
	}
	w.Flush()
	return b.Bytes()
}

// parseRow reads a line.
func (t table[T]) parseRow(line []byte) (r T, err error) {
	cells, err := csv.NewReader(bytes.NewReader(line)).Read()
	if err != nil {
		return r, err
	}
	if len(cells) != len(t) {
		return r, fmt.Errorf("it has %d cells and not %d", len(cells), len(t))
	}
	for i, c := range t {
		if err := c.set(&r, cells[i]); err != nil {
			return r, fmt.Errorf("%s is %q: %w", c.name, cells[i], err)
		}
	}
	return r, nil
}

// parse reads the content of a file, whose rows have to pass check. A last line
// without an end is of a write that was cut off, and is left out; whole is the
// length without it.
func (t table[T]) parse(path string, content []byte, check func(*T) error) (rows []T, whole int, err error) {
	for n := 1; ; n++ {
		line, rest, ended := bytes.Cut(content[whole:], []byte("\n"))
		if !ended {
			return rows, whole, nil
		}
		whole = len(content) - len(rest)
		line = bytes.TrimSuffix(line, []byte("\r"))
		if n == 1 {
			if string(line) != strings.TrimSuffix(string(t.header()), "\n") {
				return nil, 0, types.Errorf(types.Invalid, "%s is no file of results of this version", path).
					WithRemedy("move it away; its runs are made again")
			}
			continue
		}
		if len(line) == 0 {
			continue
		}
		r, err := t.parseRow(line)
		if err == nil {
			err = check(&r)
		}
		if err != nil {
			return nil, 0, types.Errorf(types.Invalid, "%s, line %d: %w", path, n, err).
				WithRemedy("remove the line; its run is made again")
		}
		rows = append(rows, r)
	}
}
