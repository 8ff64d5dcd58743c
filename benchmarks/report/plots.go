package report

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	plotWidth  = 680
	plotHeight = 400
)

// curvesPicture shows regret against trials: a line with its band for each
// contender.
func (d *data) curvesPicture(name, title string, curves []curve) (Picture, error) {
	p := newPlot(title, "trials", "normalised regret, geometric mean")
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, logTicks{}
	p.X.Min, p.X.Tick.Marker = 0, countTicks{}
	p.Add(gridLines{})
	for _, k := range curves {
		if err := addBand(p, k); err != nil {
			return Picture{}, err
		}
	}
	var labels []endLabel
	for _, k := range curves {
		var line plotter.XYs
		for i, t := range k.trials {
			line = append(line, plotter.XY{X: float64(t), Y: k.mid[i]})
		}
		if err := addLine(p, k.contender, line); err != nil {
			return Picture{}, err
		}
		last := line[len(line)-1]
		labels = append(labels, endLabel{k.contender, d.contenders[k.contender].label, last.X, last.Y})
	}
	return drawPlot(name, p, labels)
}

func addBand(p *plot.Plot, k curve) error {
	var around plotter.XYs
	for i, t := range k.trials {
		around = append(around, plotter.XY{X: float64(t), Y: k.low[i]})
	}
	for i, t := range slices.Backward(k.trials) {
		around = append(around, plotter.XY{X: float64(t), Y: k.high[i]})
	}
	if math.IsNaN(around[0].Y) {
		return nil // of one seed
	}
	band, err := plotter.NewPolygon(around)
	if err != nil {
		return err
	}
	band.Color, band.LineStyle = bandOf(k.contender), draw.LineStyle{}
	p.Add(band)
	return nil
}

func addLine(p *plot.Plot, contender int, xys plotter.XYs) error {
	line, err := plotter.NewLine(xys)
	if err != nil {
		return err
	}
	line.LineStyle = lineOf(contender)
	p.Add(line)
	return nil
}

// drawPlot leaves room for the labels on the right.
func drawPlot(name string, p *plot.Plot, labels []endLabel) (Picture, error) {
	// A little air, so that no line lies on the frame; more around constant ones.
	air := math.Pow(p.Y.Max/p.Y.Min, 0.03)
	if p.Y.Min == p.Y.Max {
		air = 2
	}
	p.Y.Min, p.Y.Max = p.Y.Min/air, p.Y.Max*air
	c := newCanvas(plotWidth, max(plotHeight, vg.Length(len(labels))*1.25*labelSize+90))
	// The plot would leave room for the label of a logarithmic axis as if it were
	// not in its middle; so it is drawn here.
	title := p.Y.Label.Text
	p.Y.Label.Text = ""
	room := draw.Crop(c.Canvas, 26, -labelWidth(labels), 8, -8)
	p.Draw(room)
	data := p.DataCanvas(room)
	style := p.Y.Label.TextStyle
	style.Rotation, style.YAlign = math.Pi/2, text.YTop
	c.FillText(style, vg.Point{X: 8, Y: data.Center().Y}, title)
	drawLabels(c.Canvas, data, p, labels)
	return c.picture(name)
}

// latencyPicture shows the median time of an ask against the number of finished
// trials.
func (d *data) latencyPicture(name string, l *latencies) (Picture, error) {
	p := newPlot("Time of an ask, median", "finished trials", "milliseconds")
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, logTicks{}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, logTicks{}
	p.Add(gridLines{})
	var labels []endLabel
	for i, label := range l.labels {
		var line plotter.XYs
		for _, n := range l.sizes {
			if row := l.at(label, n); row != nil && row.P50 > 0 {
				line = append(line, plotter.XY{X: float64(n), Y: 1000 * row.P50})
			}
		}
		if len(line) == 0 {
			continue
		}
		// A contender of the runs keeps its colour.
		number := d.find(label)
		if number < 0 {
			number = len(d.contenders) + i
		}
		if err := addLine(p, number, line); err != nil {
			return Picture{}, err
		}
		dots, err := plotter.NewScatter(line)
		if err != nil {
			return Picture{}, err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: lineOf(number).Color, Radius: 2.2, Shape: draw.CircleGlyph{}}
		p.Add(dots)
		last := line[len(line)-1]
		labels = append(labels, endLabel{number, label, last.X, last.Y})
	}
	if p.X.Min == p.X.Max {
		p.X.Min, p.X.Max = p.X.Min/2, p.X.Max*2
	}
	return drawPlot(name, p, labels)
}
