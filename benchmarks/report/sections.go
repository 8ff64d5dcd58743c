package report

import (
	"fmt"
	"math"
	"strconv"
)

// everything is the title of what is over all groups.
const everything = "all problems"

// comparison has what is said of a group, or of all problems, at the number of
// trials of the tests; entries are by contender.
type comparison struct {
	// group is "" for all problems, file the ending of names of pictures.
	group, title, file string
	problems           []*problem
	regret             map[int][]estimate // by contender, at each of the times
	ratio              map[int][]estimate
	balance            map[int]balance
	ranking            ranking
	duels              [][]duel // [a][b]
}

// comparisons are that of all problems and, if there is more than one, those of
// the groups.
func (d *document) comparisons() []*comparison {
	names := []string{""}
	if len(d.groups) > 1 {
		names = append(names, d.groups...)
	}
	var out []*comparison
	for _, name := range names {
		g := &comparison{
			group: name, title: name, file: name, problems: d.group(name),
			regret: map[int][]estimate{}, ratio: map[int][]estimate{}, balance: map[int]balance{},
		}
		if name == "" {
			g.title, g.file = everything, "all"
		}
		for _, c := range d.order {
			for _, t := range d.times {
				g.regret[c] = append(g.regret[c], estimateOf(own(g.problems, c, t), d.boot))
				g.ratio[c] = append(g.ratio[c], estimateOf(paired(g.problems, c, d.baseline, t), d.boot))
			}
			g.balance[c] = balanceOf(paired(g.problems, c, d.baseline, d.at))
		}
		g.ranking = d.rank(g.problems, d.at)
		g.duels = d.duelsOf(g)
		out = append(out, g)
	}
	return out
}

// duelsOf are the tests of all pairs. Problems are corrected for within their
// group, so that ten seeds are enough to show something; those of all problems
// are the sums over the groups.
func (d *document) duelsOf(g *comparison) [][]duel {
	groups := []string{g.group}
	if g.group == "" {
		groups = d.groups
	}
	out := make([][]duel, len(d.contenders))
	for a := range out {
		out[a] = make([]duel, len(d.contenders))
	}
	for _, name := range groups {
		problems := d.group(name)
		for _, a := range d.order {
			for _, b := range d.order {
				if a != b {
					out[a][b] = out[a][b].plus(duelOf(paired(problems, a, b, d.at)))
				}
			}
		}
	}
	return out
}

// when is the position of the number of trials of the tests.
func (d *document) when() int {
	for i, t := range d.times {
		if t == d.at {
			return i
		}
	}
	return 0
}

// short is the table for those who read one only.
func (d *document) short(groups []*comparison) {
	d.printf("## In short\n\nAfter %s, over %s: regret, its ratio to that of %s on common pairs (below 1 is better), the mean rank, "+
		"and on how many problems it wins, ties and loses significantly.\n\n",
		plural(d.at, "trial"), plural(len(d.problems), "problem"), d.label(d.baseline))
	all, i := groups[0], d.when()
	var rows [][]string
	for _, c := range d.order {
		row := []string{d.label(c), all.regret[c][i].String(), all.ratio[c][i].String(), all.ranking.of(c), all.duels[c][d.baseline].String()}
		if c == d.baseline {
			row[2], row[4] = "1", none
		}
		rows = append(rows, row)
	}
	d.table([]string{"contender", "regret", "ratio", "mean rank", "wins / ties / losses"}, rows)
}

// of is the mean rank of a contender.
func (k ranking) of(contender int) string {
	for i, c := range k.contenders {
		if c == contender && len(k.MeanRanks) > 0 {
			return strconv.FormatFloat(k.MeanRanks[i], 'f', 2, 64)
		}
	}
	return none
}

func (d duel) String() string {
	switch all := d.wins + d.ties + d.losses; {
	case all == 0:
		return none
	case d.powerless == all:
		return "too few seeds"
	}
	return fmt.Sprintf("%d / %d / %d", d.wins, d.ties, d.losses)
}

func (d *document) curveSection(groups []*comparison) error {
	d.printf("## Regret over trials\n\nGeometric means of all runs of a contender, with bands of 95 %%.\n\n")
	boot := d.boot
	boot.Resamples = (boot.Resamples + 1) / 2
	for _, g := range groups {
		d.printf("### %s\n\n", g.title)
		picture, err := d.curvesPicture("regret-"+g.file+".svg", g.title, d.curves(g.problems, boot))
		if err := d.show(picture, err, "normalised regret over trials, "+g.title); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) regretSection(groups []*comparison) error {
	d.printf("## Geometric mean of normalised regret\n\nOf all runs of a contender that have as many trials, with 95 %% limits. " +
		"Only contenders with the same problems can be compared here; the ratios below are of common pairs.\n\n")
	for _, g := range groups {
		d.printf("### %s\n\n", g.title)
		header := []string{"contender"}
		for _, t := range d.times {
			header = append(header, plural(t, "trial"))
		}
		header = append(header, "problems", "runs")
		var rows [][]string
		for _, c := range d.order {
			row := []string{d.label(c)}
			for _, e := range g.regret[c] {
				row = append(row, e.String())
			}
			at := g.regret[c][d.when()]
			rows = append(rows, append(row, fmt.Sprintf("%d of %d", at.problems, len(g.problems)), thousands(strconv.Itoa(at.pairs))))
		}
		d.table(header, rows)
	}
	return nil
}

func (d *document) ratioSection(groups []*comparison) error {
	d.printf("## Ratio to %s\n\nGeometric mean of a contender's regret by that of %s on the same problem and seed, with 95 %% limits: below 1 is better. "+
		"Then the problems on which its mean over the seeds is better / equal / worse, and the common pairs, both at %s.\n\n",
		d.label(d.baseline), d.label(d.baseline), plural(d.at, "trial"))
	for _, g := range groups {
		d.printf("### %s\n\n", g.title)
		header := []string{"contender"}
		for _, t := range d.times {
			header = append(header, plural(t, "trial"))
		}
		header = append(header, "better / equal / worse", "share better", "pairs")
		var rows [][]string
		for _, c := range d.order {
			if c == d.baseline {
				continue
			}
			row := []string{d.label(c)}
			for _, e := range g.ratio[c] {
				row = append(row, e.String())
			}
			b := g.balance[c]
			share := none
			if n := b.better + b.equal + b.worse; n > 0 {
				share = fmt.Sprintf("%.0f %%", 100*float64(b.better)/float64(n))
			}
			rows = append(rows, append(row, fmt.Sprintf("%d / %d / %d", b.better, b.equal, b.worse), share, thousands(strconv.Itoa(g.ratio[c][d.when()].pairs))))
		}
		d.table(header, rows)
	}
	return nil
}

func (d *document) rankSection(groups []*comparison) error {
	d.printf("## Mean ranks\n\nBlocks are the problems, of which the mean over the seeds common to all ranked contenders is taken, at %s; 1 is best. "+
		"Contenders with less than half of a group's problems are not ranked there. "+
		"The test of Friedman with the correction of Iman and Davenport says whether there are differences at all; two contenders differ if their mean ranks do by "+
		"Nemenyi's critical difference or more, at 5 %% (Demšar 2006). In the pictures, bars join those that do not differ.\n\n", plural(d.at, "trial"))
	header := []string{"contender"}
	var rows [][]string
	for _, c := range d.order {
		rows = append(rows, []string{d.label(c)})
	}
	tests := [][]string{{"blocks"}, {"Friedman, p"}, {"critical difference"}}
	for _, g := range groups {
		header = append(header, g.title)
		for i, c := range d.order {
			rows[i] = append(rows[i], g.ranking.of(c))
		}
		tests[0] = append(tests[0], strconv.Itoa(g.ranking.Blocks))
		tests[1] = append(tests[1], probability(g.ranking.P))
		tests[2] = append(tests[2], number(g.ranking.difference))
	}
	d.table(header, append(rows, tests...))
	for _, g := range groups {
		if math.IsNaN(g.ranking.difference) {
			continue // nothing to draw with one block or contender
		}
		picture, err := d.rankPicture("ranks-"+g.file+".svg", "Mean ranks, "+g.title, g.ranking)
		if err := d.show(picture, err, "critical-difference diagram, "+g.title); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) duelSection(groups []*comparison) error {
	d.printf("## Wins, ties, losses\n\nProblems on which the signed-rank test of Wilcoxon over the common seeds finds a difference at 5 %% at %s, "+
		"p corrected by Holm for the problems of the group that the two contenders share: wins / ties / losses of the row.\n\n### Against %s\n\n",
		plural(d.at, "trial"), d.label(d.baseline))
	header := []string{"contender"}
	for _, g := range groups {
		header = append(header, g.title)
	}
	var rows [][]string
	for _, c := range d.order {
		if c == d.baseline {
			continue
		}
		row := []string{d.label(c)}
		for _, g := range groups {
			row = append(row, g.duels[c][d.baseline].String())
		}
		rows = append(rows, row)
	}
	d.table(header, rows)
	d.printf("### All pairs, all problems\n\n")
	header, rows = []string{"row against column"}, nil
	powerless := 0
	for _, b := range d.order {
		header = append(header, d.label(b))
	}
	for _, a := range d.order {
		row := []string{d.label(a)}
		for _, b := range d.order {
			row = append(row, groups[0].duels[a][b].String())
			powerless += groups[0].duels[a][b].powerless
		}
		rows = append(rows, row)
	}
	d.table(header, rows)
	if powerless > 0 {
		d.printf("In %s of two contenders on a problem the seeds are too few for any result to be significant: with n of them p is 2/2ⁿ at least.\n\n",
			plural(powerless/2, "comparison"))
	}
	return nil
}

func (d *document) latencySection(l *latencies) error {
	d.printf("## Time of an ask\n\nMilliseconds in the runs above, by the tuner's own clock: medians over the runs of each run's quantiles, means, " +
		"processor time of an ask, heap allocations of an ask where they can be counted. Runs may have been made at other times and side by side with others.\n\n")
	var rows [][]string
	for _, c := range d.order {
		a := d.askTimes(c)
		row := []string{d.label(c)}
		for _, s := range []float64{a.p50, a.p95, a.p99, a.mean, a.cpu} {
			row = append(row, number(1000*s))
		}
		rows = append(rows, append(row, number(a.allocs)))
	}
	d.table([]string{"contender", "p50", "p95", "p99", "mean", "CPU", "allocations"}, rows)
	if l == nil {
		return nil
	}
	d.printf("### Against the number of finished trials\n\nMedian milliseconds of %s each, all contenders in turn in one run, %s.\n\n", plural(l.asks, "ask"), plural(l.params, "parameter"))
	picture, err := d.latencyPicture("latency.svg", l)
	if err := d.show(picture, err, "time of an ask against the number of finished trials"); err != nil {
		return err
	}
	d.latencyTables(l)
	return nil
}

// latencyTables have the medians and by how much others are slower or faster than
// the baseline.
func (d *document) latencyTables(l *latencies) {
	header := []string{"contender"}
	for _, n := range l.sizes {
		header = append(header, plural(n, "trial"))
	}
	base := d.contenders[d.baseline].label
	var times, ratios [][]string
	compared := false
	for _, label := range l.labels {
		row, ratio := []string{cell(label)}, []string{cell(label)}
		for _, n := range l.sizes {
			mine, theirs := math.NaN(), math.NaN()
			if r := l.at(label, n); r != nil {
				mine = r.P50
			}
			if r := l.at(base, n); r != nil {
				theirs = r.P50
				compared = true
			}
			row = append(row, number(1000*mine))
			ratio = append(ratio, number(theirs/mine))
		}
		times = append(times, row)
		if label != base {
			ratios = append(ratios, ratio)
		}
	}
	d.table(header, times)
	if compared {
		d.printf("How many times faster than %s:\n\n", cell(base))
		d.table(header, ratios)
	}
	for _, r := range l.rows {
		if r.Note != "" {
			d.printf("- %s at %s: %s\n", cell(r.Contender), plural(r.Trials, "trial"), cell(r.Note))
		}
	}
	d.printf("\n")
}
