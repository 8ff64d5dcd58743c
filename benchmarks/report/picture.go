package report

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"image/color"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Picture is an SVG document. Its background is white, so that it can be read on
// dark pages too.
type Picture struct {
	// Name is that of its file.
	Name string
	SVG  []byte
}

// palette has ten colours that differ on white, also for most colour-blind
// readers together with the dashes; the first eight are near those of M. Okabe
// and K. Ito (Color universal design, 2008), darkened where they are too light
// for lines.
var palette = []color.RGBA{
	{0x00, 0x72, 0xB2, 0xFF}, {0xD5, 0x5E, 0x00, 0xFF}, {0x00, 0x8F, 0x68, 0xFF}, {0xC2, 0x4D, 0x8F, 0xFF},
	{0x22, 0x22, 0x22, 0xFF}, {0x3F, 0xA7, 0xE0, 0xFF}, {0xD9, 0x9A, 0x00, 0xFF}, {0x8C, 0x56, 0x4B, 0xFF},
	{0x6A, 0x3D, 0x9A, 0xFF}, {0x8A, 0x9A, 0x00, 0xFF},
}

// dashes repeat after six, so that ten contenders differ in colour and thirty in
// colour or dashes.
var dashes = [][]vg.Length{nil, {7, 3}, {2.5, 2}, {9, 3, 2, 3}, {4, 2}, {12, 3}}

var (
	ink  = color.RGBA{0x33, 0x33, 0x33, 0xFF}
	grid = color.RGBA{0xE4, 0xE4, 0xE4, 0xFF}
	pale = color.RGBA{0xAA, 0xAA, 0xAA, 0xFF}
)

// lineOf is the style of a contender in all pictures of a report.
func lineOf(contender int) draw.LineStyle {
	return draw.LineStyle{
		Color: palette[contender%len(palette)], Width: vg.Points(1.7),
		Dashes: dashes[contender%len(dashes)],
	}
}

// bandOf is the colour of a contender's band; many of them may overlap.
func bandOf(contender int) color.NRGBA {
	c := palette[contender%len(palette)]
	return color.NRGBA{c.R, c.G, c.B, 0x1C}
}

// textStyle is a sans-serif style.
func textStyle(size vg.Length, x text.XAlignment, y text.YAlignment) text.Style {
	return text.Style{
		Color: ink, Font: font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size),
		XAlign: x, YAlign: y, Handler: text.Plain{Fonts: font.DefaultCache},
	}
}

// newPlot has the look of all plots.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.Padding = title, vg.Points(8)
	p.Title.TextStyle = textStyle(13, text.XCenter, text.YTop)
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.Padding, axis.Padding = vg.Points(5), 0
		axis.Color, axis.Tick.Color = ink, ink
	}
	p.X.Label.TextStyle = textStyle(11, text.XCenter, text.YBottom)
	p.Y.Label.TextStyle = textStyle(11, text.XCenter, text.YBottom)
	p.X.Tick.Label = textStyle(10, text.XCenter, text.YTop)
	p.Y.Tick.Label = textStyle(10, text.XRight, text.YCenter)
	return p
}

// canvas is an SVG document of which everything is white.
type canvas struct {
	svg *vgsvg.Canvas
	draw.Canvas
}

func newCanvas(width, height vg.Length) canvas {
	svg := vgsvg.New(width, height)
	c := canvas{svg, draw.New(svg)}
	c.SetColor(color.White)
	c.Fill(c.Path())
	return c
}

// picture closes the document. The font that lengths were measured with is rarely
// installed; Arial and Helvetica have the same widths.
func (c canvas) picture(name string) (Picture, error) {
	var b bytes.Buffer
	if _, err := c.svg.WriteTo(&b); err != nil {
		return Picture{}, err
	}
	svg := strings.ReplaceAll(b.String(), "font-family:Liberation Sans;", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;")
	svg = textElement.ReplaceAllStringFunc(svg, fixWidth)
	return Picture{Name: name, SVG: []byte(svg)}, nil
}

// textElement is a text as vgsvg writes it: its attributes, its size, its content.
var textElement = regexp.MustCompile(`<text ([^>]*font-size:([0-9.]+)px[^>]*)>([^<]*)</text>`)

// fixWidth makes a text as wide as it was measured in any font, so that it never
// runs into a line.
func fixWidth(element string) string {
	m := textElement.FindStringSubmatch(element)
	size, err := strconv.ParseFloat(m[2], 64)
	if err != nil || m[3] == "" {
		return element
	}
	width := textStyle(vg.Length(size), text.XLeft, text.YCenter).Width(html.UnescapeString(m[3]))
	return fmt.Sprintf(`<text textLength="%.1f" lengthAdjust="spacingAndGlyphs" %s>%s</text>`, float64(width), m[1], m[3])
}

// endLabel names a line at its end.
type endLabel struct {
	contender int
	text      string
	// x and y are the line's end in the data.
	x, y float64
}

const labelSize = 10

// labelWidth is the room that labels need on the right.
func labelWidth(labels []endLabel) vg.Length {
	style := textStyle(labelSize, text.XLeft, text.YCenter)
	var widest vg.Length
	for _, l := range labels {
		widest = max(widest, style.Width(l.text))
	}
	return widest + 58
}

// drawLabels writes the names beside the data of p in the order of the line ends,
// spread so that none covers another, each with a piece of its line.
func drawLabels(c draw.Canvas, data draw.Canvas, p *plot.Plot, labels []endLabel) {
	style := textStyle(labelSize, text.XLeft, text.YCenter)
	trX, trY := p.Transforms(&data)
	labels = slices.Clone(labels)
	slices.SortStableFunc(labels, func(a, b endLabel) int { return -cmp.Compare(a.y, b.y) })
	ideal := make([]float64, len(labels))
	for i, l := range labels {
		ideal[i] = float64(trY(l.y))
	}
	at := spread(ideal, 1.25*labelSize, float64(data.Min.Y), float64(data.Max.Y))
	for i, l := range labels {
		y := vg.Length(at[i])
		line := lineOf(l.contender)
		lead := draw.LineStyle{Color: pale, Width: vg.Points(0.6)}
		if trX(l.x) < data.Max.X-1 { // must not look like a part of a curve
			lead.Dashes = []vg.Length{1, 3}
		}
		c.StrokeLine2(lead, trX(l.x)+2, trY(l.y), data.Max.X+16, y)
		c.StrokeLine2(line, data.Max.X+18, y, data.Max.X+44, y)
		style.Color = line.Color
		c.FillText(style, vg.Point{X: data.Max.X + 48, Y: y}, l.text)
	}
}

// spread moves descending positions apart by at least gap, each as little as may
// be, within low and high as far as there is room.
func spread(ideal []float64, gap, low, high float64) []float64 {
	at := slices.Clone(ideal)
	for i := range at {
		if i == 0 {
			at[i] = min(at[i], high)
		} else {
			at[i] = min(at[i], at[i-1]-gap)
		}
	}
	for i := len(at) - 1; i >= 0; i-- {
		if i == len(at)-1 {
			at[i] = max(at[i], low)
		} else {
			at[i] = max(at[i], at[i+1]+gap)
		}
	}
	return at
}

// logTicks are 1, 2 and 5 times the powers of ten where these are few decades,
// else the powers of ten, with marks between them.
type logTicks struct{}

var _ plot.Ticker = logTicks{}

// Ticks implements plot.Ticker.
func (logTicks) Ticks(low, high float64) []plot.Tick {
	decades := math.Log10(high / low)
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(low)) - 1; e <= math.Ceil(math.Log10(high)); e++ {
		for m := 1; m < 10; m++ {
			v := float64(m) * math.Pow(10, e)
			if v < low*(1-1e-9) || v > high*(1+1e-9) {
				continue
			}
			label := ""
			if m == 1 || decades < 2.5 && (m == 2 || m == 5) || decades < 0.7 {
				label = tick(v)
			}
			ticks = append(ticks, plot.Tick{Value: v, Label: label})
		}
	}
	return ticks
}

// countTicks are at multiples of a round number.
type countTicks struct{}

var _ plot.Ticker = countTicks{}

// Ticks implements plot.Ticker.
func (countTicks) Ticks(low, high float64) []plot.Tick {
	step := 1.0
	for scale := 1.0; (high-low)/step > 8; {
		switch step / scale {
		case 1:
			step = 2 * scale
		case 2:
			step = 5 * scale
			if scale >= 10 {
				step = 2.5 * scale
			}
		case 2.5:
			step = 5 * scale
		default:
			scale *= 10
			step = scale
		}
	}
	var ticks []plot.Tick
	for v := math.Ceil(low/step) * step; v <= high; v += step {
		ticks = append(ticks, plot.Tick{Value: v, Label: thousands(strconv.FormatFloat(v, 'f', 0, 64))})
	}
	return ticks
}

// gridLines draws a line at each tick that has a label.
type gridLines struct{}

// Plot implements plot.Plotter.
func (gridLines) Plot(c draw.Canvas, p *plot.Plot) {
	trX, trY := p.Transforms(&c)
	style := draw.LineStyle{Color: grid, Width: vg.Points(0.6)}
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		if t.Label != "" && t.Value >= p.X.Min && t.Value <= p.X.Max {
			c.StrokeLine2(style, trX(t.Value), c.Min.Y, trX(t.Value), c.Max.Y)
		}
	}
	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if t.Label != "" && t.Value >= p.Y.Min && t.Value <= p.Y.Max {
			c.StrokeLine2(style, c.Min.X, trY(t.Value), c.Max.X, trY(t.Value))
		}
	}
}
