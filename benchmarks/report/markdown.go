package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/benchmarks/runner"
)

// write makes the sections.
func (d *document) write(l *latencies) error {
	groups := d.comparisons()
	d.head()
	d.missing()
	d.short(groups)
	for _, section := range []func([]*comparison) error{d.curveSection, d.regretSection, d.ratioSection, d.rankSection, d.duelSection, d.earlySection} {
		if err := section(groups); err != nil {
			return err
		}
	}
	if err := d.latencySection(l); err != nil {
		return err
	}
	d.problemSection()
	return nil
}

func (d *document) printf(format string, args ...any) { fmt.Fprintf(&d.text, format, args...) }

// table writes rows; the first column is text, the others are numbers.
func (d *document) table(header []string, rows [][]string) { d.tableOf(1, header, rows) }

// tableOf writes rows of which the first columns are text.
func (d *document) tableOf(texts int, header []string, rows [][]string) {
	d.printf("| %s |\n|%s%s\n", strings.Join(header, " | "), strings.Repeat("---|", texts), strings.Repeat("--:|", len(header)-texts))
	for _, row := range rows {
		d.printf("| %s |\n", strings.Join(row, " | "))
	}
	d.printf("\n")
}

// show adds a picture.
func (d *document) show(p Picture, err error, alt string) error {
	if err != nil {
		return err
	}
	d.pictures = append(d.pictures, p)
	d.printf("![%s](%s)\n\n", alt, p.Name)
	return nil
}

func (d *document) label(c int) string { return cell(d.contenders[c].label) }

func (d *document) head() {
	d.printf("# %s\n\n", cell(d.cfg.Title))
	judged := "the true value of the trial that looked best so far, at the end that of the trial which the tuner recommends"
	if d.cfg.Measure == BestSeen {
		judged = "the least true value of all trials so far"
	}
	d.printf("Regret is %s, less the optimum; divided by that of the median of all points it is *normalised*: 1 is what half of all random points reach. "+
		"It is not less than %g. A run in which each trial diverged so far counts like the worst run on the problem. "+
		"Means are geometric, over seeds, then over problems, each of which weighs the same; less is better.\n\n", judged, runner.RegretFloor)

	d.printf("## What was compared\n\n")
	var rows [][]string
	for _, c := range byLabel(d.order) {
		k := &d.contenders[c]
		rows = append(rows, []string{
			d.label(c), cell(k.version), code(k.settings), strconv.Itoa(k.problems), span(k.fewest, k.most),
			ints(slices.Sorted(maps.Keys(k.budgets))), thousands(strconv.Itoa(k.runs)),
		})
	}
	d.tableOf(3, []string{"contender", "version", "settings", "problems", "seeds", "trials", "runs"}, rows)
	var parts []string
	for _, g := range d.groups {
		parts = append(parts, fmt.Sprintf("%s %d", g, len(d.group(g))))
	}
	atOnce := "one trial at a time"
	if d.workers > 1 {
		atOnce = fmt.Sprintf("%d trials at the same time", d.workers)
	}
	d.printf("- Harness version %s, %s.\n", d.harness, atOnce)
	d.printf("- %s: %s. %s, %s, which take the instances in turn; noise and instance are the same for all contenders.\n",
		plural(len(d.problems), "problem"), strings.Join(parts, ", "), plural(len(d.seeds), "seed"), seedsOf(d.seeds))
	d.printf("- Two contenders are compared on the (problem, seed) pairs that both have; the numbers of pairs are in the tables. The baseline is %s.\n", d.label(d.baseline))
	d.printf("- Tests and ranks are at %s, the most that all contenders have of %s.\n", plural(d.at, "trial"), ints(d.times))
	d.printf("- Intervals hold with 95 %%: bootstrap of %s, seeds drawn again within each problem (percentiles; Efron and Tibshirani 1993).\n\n", plural(d.cfg.Resamples, "sample"))
}

// byLabel is the order of numbers, which is that of labels.
func byLabel(order []int) []int { return slices.Sorted(slices.Values(order)) }

func span(low, high int) string {
	if low == high {
		return strconv.Itoa(low)
	}
	return strconv.Itoa(low) + "–" + strconv.Itoa(high)
}

func ints(values []int) string {
	var texts []string
	for _, v := range values {
		texts = append(texts, thousands(strconv.Itoa(v)))
	}
	return strings.Join(texts, ", ")
}

// seedsOf writes ascending seeds with ranges: 1–5, 7.
func seedsOf(seeds []int64) string {
	var parts []string
	for from := 0; from < len(seeds); {
		to := from
		for to+1 < len(seeds) && seeds[to+1] == seeds[to]+1 {
			to++
		}
		part := strconv.FormatInt(seeds[from], 10)
		if to > from {
			part += "–" + strconv.FormatInt(seeds[to], 10)
		}
		parts = append(parts, part)
		from = to + 1
	}
	return strings.Join(parts, ", ")
}

// missing says what is not compared and what was unusual.
func (d *document) missing() {
	d.printf("### Left out\n\n")
	var lines []string
	for _, what := range d.left {
		lines = append(lines, "Not comparable: "+what+".")
	}
	for _, n := range d.notes {
		how := map[runner.Status]string{runner.Unsupported: "cannot take", runner.Failed: "failed on"}[n.status]
		if how == "" {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %s %s (%s): %s", cell(n.contender), how, some(n.problems), plural(n.runs, "run"), cell(orNone(n.text))))
	}
	for _, c := range byLabel(d.order) {
		if absent := d.absent(c); absent != "" {
			lines = append(lines, d.label(c)+" has no runs "+absent)
		}
	}
	if len(lines) == 0 {
		lines = []string{"Nothing."}
	}
	for _, n := range d.notes {
		if n.status == runner.Done {
			lines = append(lines, fmt.Sprintf("Compared, but unusual: %s on %s (%s): %s", cell(n.contender), some(n.problems), plural(n.runs, "run"), cell(n.text)))
		}
	}
	for _, line := range lines {
		d.printf("- %s\n", line)
	}
	d.printf("\n")
}

// absent says which problems, or how many (problem, seed) pairs, a contender lacks
// of those that any contender has.
func (d *document) absent(c int) string {
	var problems []string
	pairs, fewer := 0, 0
	for _, p := range d.problems {
		seeds := map[int64]bool{}
		for _, runs := range p.runs {
			for seed := range runs {
				seeds[seed] = true
			}
		}
		switch lacking := len(seeds) - len(p.runs[c]); {
		case len(p.runs[c]) == 0:
			problems = append(problems, p.name)
		case lacking > 0:
			pairs += lacking
			fewer++
		}
	}
	var parts []string
	if len(problems) > 0 {
		parts = append(parts, "on "+some(problems))
	}
	if pairs > 0 {
		where := "problem"
		if len(problems) > 0 {
			where = "other problem"
		}
		parts = append(parts, fmt.Sprintf("for %s on %s", plural(pairs, "(problem, seed) pair"), plural(fewer, where)))
	}
	return strings.Join(parts, " and ")
}

// some names a few and counts the rest.
func some(names []string) string {
	const shown = 5
	if len(names) <= shown+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

func orNone(s string) string {
	if s == "" {
		return "no reason is given"
	}
	return s
}

// problemSection has the medians over the seeds on each problem.
func (d *document) problemSection() {
	d.printf("## Each problem\n\nMedian over the seeds of normalised regret after %s, without the floor; bold is least. "+
		"Below zero is better than the optimum, which is only the best known on some problems.\n\n", plural(d.at, "trial"))
	header := []string{"problem"}
	for _, c := range d.order {
		header = append(header, d.label(c))
	}
	for _, g := range d.groups {
		d.printf("### %s\n\n", g)
		var rows [][]string
		for _, p := range d.group(g) {
			row := []string{p.name}
			var texts []string
			least := -1
			var values []float64
			for i, c := range d.order {
				v, ok := p.typical(c, d.at, d.cfg.Measure)
				values = append(values, v)
				texts = append(texts, none)
				if ok {
					texts[i] = number(v)
					if least < 0 || v < values[least] {
						least = i
					}
				}
			}
			for _, text := range texts {
				if least >= 0 && text == texts[least] {
					text = "**" + text + "**"
				}
				row = append(row, text)
			}
			rows = append(rows, row)
		}
		d.table(header, rows)
	}
}
