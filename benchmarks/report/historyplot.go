package report

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/gotuner/tuner/api/types"
)

// kind is how a trial is drawn. Those further down lie above the others.
type kind int

const (
	otherKind kind = iota // failed, cancelled, or not yet over
	completedKind
	prunedKind
	bestKind
	kinds
)

var (
	strokes = [kinds]draw.LineStyle{
		otherKind:     {Color: color.RGBA{0xAA, 0xAA, 0xAA, 0xFF}, Width: vg.Points(0.8), Dashes: []vg.Length{3, 2}},
		completedKind: {Color: color.RGBA{0x6F, 0xA8, 0xD6, 0xFF}, Width: vg.Points(1)},
		prunedKind:    {Color: color.RGBA{0xE8, 0xA8, 0x7C, 0xFF}, Width: vg.Points(0.8)},
		bestKind:      {Color: color.RGBA{0x00, 0x5A, 0x9C, 0xFF}, Width: vg.Points(2.4)},
	}
	// marks are at the ends of the curves.
	marks = [kinds]draw.GlyphStyle{
		prunedKind: {Color: color.RGBA{0xC0, 0x4A, 0x00, 0xFF}, Radius: vg.Points(3), Shape: draw.CrossGlyph{}},
		bestKind:   {Color: color.RGBA{0x00, 0x5A, 0x9C, 0xFF}, Radius: vg.Points(3.4), Shape: draw.CircleGlyph{}},
	}
)

func (h *History) kindOf(t *Trained) kind {
	switch {
	case t.Number == h.Best:
		return bestKind
	case t.State == types.Completed:
		return completedKind
	case t.State == types.Pruned:
		return prunedKind
	}
	return otherKind
}

// HistoryPicture draws the learning curves of a study. A pruned trial ends in a
// cross, the best one is thick and ends in a dot. An axis is logarithmic if its
// values are positive and span more than a factor of ten.
func HistoryPicture(name string, h *History) (Picture, error) {
	x, y := h.extent()
	if x.none() {
		return Picture{}, types.Errorf(types.Invalid, "no trial of %s has printed a curve: there is nothing to draw", h.Study).
			WithRemedy("a curve is a value of %s with a step, as in: epoch=3 %s=0.31", h.Objective.Metric, h.Objective.Metric)
	}
	p := newPlot(h.title(), "step", h.Objective.Metric)
	x.scale(&p.X, 0)
	y.scale(&p.Y, 0.03)
	if x.logarithmic() {
		p.X.Label.Text += " (logarithmic)"
	}
	if y.logarithmic() {
		p.Y.Label.Text += " (logarithmic)"
	}
	p.Add(gridLines{})
	var counts [kinds]int
	for k := range kinds {
		for i := range h.Trials {
			t := &h.Trials[i]
			if xys := t.xys(); len(xys) > 0 && h.kindOf(t) == k {
				counts[k]++
				p.Add(trainedLine{xys, k})
			}
		}
	}
	c := newCanvas(plotWidth, plotHeight)
	label := p.Y.Label.Text // where a logarithmic axis would have it is not in its middle
	p.Y.Label.Text = ""
	room := draw.Crop(c.Canvas, 26, -22, 30, -8)
	p.Draw(room)
	style := p.Y.Label.TextStyle
	style.Rotation, style.YAlign = math.Pi/2, text.YTop
	data := p.DataCanvas(room)
	c.FillText(style, vg.Point{X: 8, Y: data.Center().Y}, label)
	h.legend(c.Canvas, data.Min.X, counts)
	return c.picture(name)
}

func (h *History) title() string {
	title := h.Study
	if h.Stopper != "" {
		title += " with --stopper " + h.Stopper
	}
	if h.Omitted > 0 {
		title += fmt.Sprintf(", %d of its %d trials", len(h.Trials), len(h.Trials)+h.Omitted)
	}
	return title
}

// legend is a row below the plot.
func (h *History) legend(c draw.Canvas, left vg.Length, counts [kinds]int) {
	words := [kinds]string{
		otherKind:     others(counts[otherKind]),
		completedKind: fmt.Sprintf("%d more completed", counts[completedKind]),
		prunedKind:    fmt.Sprintf("%d pruned, each at its cross", counts[prunedKind]),
		bestKind:      fmt.Sprintf("the best, trial %d", h.Best),
	}
	style := textStyle(labelSize, text.XLeft, text.YCenter)
	const y = vg.Length(14)
	for _, k := range []kind{bestKind, completedKind, prunedKind, otherKind} {
		if counts[k] == 0 {
			continue
		}
		c.StrokeLine2(strokes[k], left, y, left+24, y)
		if marks[k].Shape != nil {
			c.DrawGlyph(marks[k], vg.Point{X: left + 24, Y: y})
		}
		c.FillText(style, vg.Point{X: left + 33, Y: y}, words[k])
		left += 33 + style.Width(words[k]) + 22
	}
}

// beyond is where a value is as good as infinite.
const beyond = 1e100

// xys are the points of a curve that can be drawn.
func (t *Trained) xys() plotter.XYs {
	var out plotter.XYs
	for _, r := range t.Points {
		if math.Abs(r.Value) < beyond { // not NaN either
			out = append(out, plotter.XY{X: float64(r.Step), Y: r.Value})
		}
	}
	return out
}

// trainedLine draws a curve and what is at its end.
type trainedLine struct {
	xys  plotter.XYs
	kind kind
}

// Plot implements plot.Plotter.
func (l trainedLine) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	points := make([]vg.Point, len(l.xys))
	for i, q := range l.xys {
		points[i] = vg.Point{X: trX(q.X), Y: trY(min(max(q.Y, p.Y.Min), p.Y.Max))}
	}
	if len(points) > 1 {
		c.StrokeLines(strokes[l.kind], points)
	}
	if len(points) > 0 && marks[l.kind].Shape != nil {
		c.DrawGlyph(marks[l.kind], points[len(points)-1])
	}
}

// extent is the range of an axis.
type extent struct{ low, high float64 }

// extent is the range of the steps and that of the values. The worst values may
// be cut off, so that those that diverge do not press all others into a line: the
// range reaches from the best value four times as far as to the worst but one
// tenth.
func (h *History) extent() (x, y extent) {
	x = extent{math.Inf(1), math.Inf(-1)}
	var values []float64
	for i := range h.Trials {
		for _, q := range h.Trials[i].xys() {
			x = extent{min(x.low, q.X), max(x.high, q.X)}
			values = append(values, q.Y)
		}
	}
	if len(values) == 0 {
		return x, x
	}
	slices.Sort(values)
	y = extent{values[0], values[len(values)-1]}
	const far = 4
	if tenth := len(values) / 10; h.Objective.Goal == types.Maximize {
		y.low = max(y.low, y.high-far*(y.high-values[tenth]))
	} else {
		y.high = min(y.high, y.low+far*(values[len(values)-1-tenth]-y.low))
	}
	return x, y
}

func (e extent) none() bool { return e.low > e.high }

func (e extent) logarithmic() bool { return e.low > 0 && e.high > 10*e.low }

// scale gives the axis the range, with that share of it added at both ends.
func (e extent) scale(a *plot.Axis, air float64) {
	if e.low == e.high {
		e = extent{e.low - 1, e.high + 1}
	}
	if e.logarithmic() {
		a.Scale, a.Tick.Marker = plot.LogScale{}, logTicks{}
		f := math.Exp(air * (math.Log(e.high) - math.Log(e.low)))
		a.Min, a.Max = e.low/f, e.high*f
		return
	}
	a.Tick.Marker = linearTicks{}
	d := air * (e.high - e.low)
	a.Min, a.Max = e.low-d, e.high+d
}

// linearTicks are at multiples of 1, 2 or 5 times a power of ten, some five of
// them.
type linearTicks struct{}

var _ plot.Ticker = linearTicks{}

// Ticks implements plot.Ticker.
func (linearTicks) Ticks(low, high float64) []plot.Tick {
	const most = 6
	exponent := math.Floor(math.Log10((high - low) / most))
	step := math.Pow(10, exponent)
	for _, m := range []float64{1, 2, 5, 10} {
		if step = m * math.Pow(10, exponent); (high-low)/step <= most {
			break
		}
	}
	var out []plot.Tick
	decimals := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	for i := math.Ceil(low/step - 1e-9); i*step <= high+1e-9*step; i++ {
		out = append(out, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step, 'f', decimals, 64)})
	}
	return out
}

func others(n int) string {
	if n == 1 {
		return "1 other"
	}
	return strconv.Itoa(n) + " others"
}
