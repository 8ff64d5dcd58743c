package problems

import (
	"bytes"
	"encoding/csv"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/gotuner/tuner/suggest/space"
)

// mootFile is a table of configurations of software, and the objectives of it
// that are problems.
type mootFile struct {
	file, name string
	objectives []string
	// noisy says that configurations were measured repeatedly, with different
	// results. What was repeated elsewhere is averaged.
	noisy bool
}

// mootFiles are the tables for development.
var mootFiles = []mootFile{
	{"Health-Commits0000", "health-commits", []string{"MRE-", "ACC+", "PRED40+"}, false},
	{"LLVM", "llvm", []string{"PERF-"}, false},
	{"PostgreSQL", "postgresql", []string{"Performance-"}, true},
	{"SS-K", "ss-k", []string{"Throughput+", "Latency-"}, false},
	{"SS-M", "ss-m", []string{"Benchmark-energy-", "Benchmark-time-", "Benchmark-cpu-"}, false},
	{"X264_AllMeasurements", "x264", []string{"Performance-"}, false},
	{"redis", "redis", []string{"PERF-"}, false},
	{"storm", "storm", []string{"Throughput-"}, false},
}

func (d *folder) mootProblems() (out []*Problem, files []string) {
	for _, m := range mootFiles {
		file := "moot/" + m.file + ".csv.gz"
		for _, objective := range m.objectives {
			name := "moot-" + m.name
			if len(m.objectives) > 1 {
				name += "-" + strings.ToLower(strings.TrimRight(strings.TrimPrefix(objective, "Benchmark-"), "+-"))
			}
			out = append(out, &Problem{
				Name: name, Group: "tables", Doc: "the configurations of " + m.file + ", " + objective, Instances: []int{1},
				Noisy: m.noisy,
				open:  d.opener(name, func() (prototype, error) { return d.moot(file, objective, m.noisy) }),
			})
			files = append(files, file)
		}
	}
	return out, files
}

// moot reads a table whose header says what a column is: a name that ends in +
// is maximised, in - minimised; the others are parameters, numeric if they
// begin with an upper-case letter.
func (d *folder) moot(file, objective string, noisy bool) (*table, error) {
	records, err := d.csv(file)
	if err != nil {
		return nil, err
	}
	header := records[0]
	value := slices.Index(header, objective)
	if value < 0 {
		return nil, badData(file, "it has no column %s", objective)
	}
	var cols []column
	for i, name := range header {
		if name == "" || strings.ContainsAny(name[len(name)-1:], "+-") {
			continue
		}
		c, err := newColumn(file, name, i, records[1:], !unicode.IsUpper([]rune(name)[0]))
		if err != nil {
			return nil, err
		}
		if c.distinct > 1 {
			cols = append(cols, c)
		}
	}
	t, err := measuredTable(file, cols, records[1:], value, -1, strings.HasSuffix(objective, "+"))
	if err != nil {
		return nil, err
	}
	for c := range t.repeats {
		if !noisy {
			t.repeats[c] = t.mean[c : c+1]
		}
	}
	return t, nil
}

// gridFile is a table without a header: the parameters, the value, the runtime.
type gridFile struct {
	name, doc string
	params    []string
}

var gridFiles = []gridFile{
	{"lda", "online latent Dirichlet allocation", []string{"kappa", "tau", "batch"}},
	{"svm", "a structured support vector machine", []string{"c", "alpha", "epsilon"}},
}

func (d *folder) gridProblems() (out []*Problem, files []string) {
	for _, g := range gridFiles {
		file := "grids/" + g.name + ".csv"
		out = append(out, &Problem{
			Name: "grid-" + g.name, Group: "tables", Doc: "the grid of " + g.doc, Instances: []int{1}, Runtimes: true,
			open: d.opener("grid-"+g.name, func() (prototype, error) { return d.gridTable(file, g.params) }),
		})
		files = append(files, file)
	}
	return out, files
}

func (d *folder) gridTable(file string, params []string) (*table, error) {
	records, err := d.csv(file)
	if err != nil {
		return nil, err
	}
	if len(records[0]) != len(params)+2 {
		return nil, badData(file, "it has %d columns instead of %d", len(records[0]), len(params)+2)
	}
	cols := make([]column, len(params))
	for i, name := range params {
		if cols[i], err = newColumn(file, name, i, records, false); err != nil {
			return nil, err
		}
	}
	return measuredTable(file, cols, records, len(params), len(params)+1, false)
}

// csv reads a file of records of equal length; there is at least one.
func (d *folder) csv(file string) ([][]string, error) {
	b, err := d.read(file)
	if err != nil {
		return nil, err
	}
	records, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		return nil, badData(file, "%w", err)
	}
	if len(records) < 2 {
		return nil, badData(file, "it has %d lines", len(records))
	}
	for _, r := range records {
		for i := range r {
			r[i] = strings.TrimSpace(r[i])
		}
	}
	return records, nil
}

// column is a parameter made from the values of a column.
type column struct {
	param    space.Parameter
	at       int
	distinct int
	parse    func(text string) (space.Value, error)
}

// maxOrdinal is the number of distinct numbers up to which a column is an
// ordinal parameter; one of more is a range.
const maxOrdinal = 64

// newColumn takes numbers as an ordinal or, if they are many, a range, which is
// logarithmic where it spans three decades; and texts as choices.
func newColumn(file, name string, at int, records [][]string, categorical bool) (column, error) {
	c := column{at: at}
	texts := map[string]bool{}
	for _, r := range records {
		texts[r[at]] = true
	}
	c.distinct = len(texts)
	if categorical {
		sorted := make([]string, 0, len(texts))
		for t := range texts {
			sorted = append(sorted, t)
		}
		slices.Sort(sorted)
		values := make([]space.Value, len(sorted))
		for i, t := range sorted {
			values[i] = t
		}
		c.param = choiceParam(space.Categorical, name, values...)
		c.parse = func(text string) (space.Value, error) { return text, nil }
		return c, nil
	}
	numbers, whole := make([]float64, 0, len(texts)), true
	for t := range texts {
		f, err := strconv.ParseFloat(t, 64)
		if err != nil {
			return c, badData(file, "%q in column %s is no number", t, name)
		}
		numbers = append(numbers, f)
		whole = whole && f == math.Trunc(f)
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers) // 1 and 1.0
	c.distinct = len(numbers)
	typed := func(f float64) space.Value {
		if whole {
			return int64(f)
		}
		return f
	}
	c.parse = func(text string) (space.Value, error) {
		f, err := strconv.ParseFloat(text, 64)
		return typed(f), err
	}
	if c.distinct <= maxOrdinal {
		values := make([]space.Value, len(numbers))
		for i, f := range numbers {
			values[i] = typed(f)
		}
		c.param = choiceParam(space.Ordinal, name, values...)
		return c, nil
	}
	lo, hi := numbers[0], numbers[len(numbers)-1]
	c.param = space.Parameter{Name: name, Kind: space.Float, Low: typed(lo), High: typed(hi)}
	if whole {
		c.param.Kind = space.Int
	}
	if lo > 0 && hi/lo >= 1000 {
		c.param.Scale = space.Log
	}
	return c, nil
}

// measuredTable groups the records by configuration. seconds is the column of
// the runtime, or -1.
func measuredTable(file string, cols []column, records [][]string, value, seconds int, maximize bool) (*table, error) {
	params := make([]space.Parameter, len(cols))
	for i, c := range cols {
		params[i] = c.param
	}
	s, err := space.New(params, nil)
	if err != nil {
		return nil, err
	}
	t := &table{space: s}
	var points []space.Point
	known := map[string]int{}
	for line, r := range records {
		p := make(space.Point, len(cols))
		for i, c := range cols {
			if p[i], err = c.parse(r[c.at]); err != nil {
				return nil, badData(file, "record %d: %w", line, err)
			}
		}
		if err := s.Validate(p); err != nil {
			return nil, badData(file, "record %d: %w", line, err)
		}
		v, err := strconv.ParseFloat(r[value], 64)
		if err != nil {
			return nil, badData(file, "record %d: %q is no value", line, r[value])
		}
		key := s.Key(p)
		c, ok := known[key]
		if !ok {
			c = len(points)
			known[key] = c
			points = append(points, p)
			t.repeats = append(t.repeats, nil)
		}
		t.repeats[c] = append(t.repeats[c], v)
		if seconds < 0 || ok {
			continue
		}
		sec, err := strconv.ParseFloat(r[seconds], 64)
		if err != nil {
			return nil, badData(file, "record %d: %q is no runtime", line, r[seconds])
		}
		t.seconds = append(t.seconds, sec)
	}
	t.points = func(config int) space.Point { return points[config] }
	t.locate(points)
	t.summarize(maximize)
	return t, nil
}

// locate sets how a point finds its configuration.
func (t *table) locate(points []space.Point) {
	if size, finite := t.space.Size(); finite && size == int64(len(points)) {
		t.grid, t.config = true, make([]int32, size)
		for c, p := range points {
			t.config[gridIndex(t.space, p)] = int32(c)
		}
		return
	}
	n := t.space.Len()
	t.at = make([]float64, n*len(points))
	for c, p := range points {
		t.space.Encode(p, t.at[c*n:(c+1)*n], nil)
	}
}
