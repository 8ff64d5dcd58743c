package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/gotuner/tuner/benchmarks/report/stats"
)

// Measures of a critical-difference diagram, in points.
const (
	cdWidth  = 680
	cdTop    = 78 // from the upper edge to the axis
	cdRow    = 16 // between names
	cdBar    = 7  // between bars
	cdMargin = 14
)

// rankPicture is Demšar's critical-difference diagram: the mean ranks on an axis,
// best on the left, where bars join the contenders that do not differ.
func (d *data) rankPicture(name, title string, k ranking) (Picture, error) {
	order := make([]int, len(k.contenders))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(k.MeanRanks[i], k.MeanRanks[j]) })
	cliques := stats.Cliques(k.MeanRanks, k.difference)
	left := (len(order) + 1) / 2
	names := make([]string, len(order))
	style := textStyle(labelSize, text.XLeft, text.YCenter)
	var widest vg.Length
	for i, at := range order {
		names[i] = fmt.Sprintf("%s  %.2f", d.contenders[k.contenders[at]].label, k.MeanRanks[at])
		widest = max(widest, style.Width(names[i]))
	}
	first := vg.Length(cdTop + 16 + cdBar*len(cliques))
	c := newCanvas(cdWidth, first+vg.Length(cdRow*left)+8)
	axis := cdAxis{c, cdMargin + widest + 34, cdWidth - cdMargin - widest - 34, len(order), c.Max.Y - cdTop}
	axis.draw(title, k.difference)
	for i, at := range order {
		x := axis.x(k.MeanRanks[at])
		line := lineOf(k.contenders[at])
		line.Width, line.Dashes = vg.Points(1.1), nil
		style.Color = line.Color
		row, end, align := i, cdMargin+widest+6, text.XRight
		if i >= left {
			row, end, align = len(order)-1-i, cdWidth-cdMargin-widest-6, text.XLeft
		}
		y := c.Max.Y - first - vg.Length(cdRow*row)
		c.StrokeLines(line, []vg.Point{{X: x, Y: axis.y}, {X: x, Y: y}, {X: end, Y: y}})
		style.XAlign = align
		if align == text.XRight {
			end -= 4
		} else {
			end += 4
		}
		c.FillText(style, vg.Point{X: end, Y: y}, names[i])
	}
	bar := draw.LineStyle{Color: ink, Width: vg.Points(3.2)}
	for i, q := range cliques {
		y := axis.y - vg.Length(8+cdBar*i)
		from, to := axis.x(k.MeanRanks[order[q[0]]]), axis.x(k.MeanRanks[order[q[1]]])
		c.StrokeLine2(bar, from-3, y, to+3, y)
	}
	return c.picture(name)
}

// cdAxis is the axis of ranks 1 to k from left to right at height y.
type cdAxis struct {
	canvas
	left, right vg.Length
	k           int
	y           vg.Length
}

func (a cdAxis) x(rank float64) vg.Length {
	return a.left + vg.Length((rank-1)/float64(a.k-1))*(a.right-a.left)
}

func (a cdAxis) draw(title string, difference float64) {
	a.FillText(textStyle(13, text.XCenter, text.YTop), vg.Point{X: a.Center().X, Y: a.Max.Y - 8}, title)
	line := draw.LineStyle{Color: ink, Width: vg.Points(0.8)}
	a.StrokeLine2(line, a.left, a.y, a.right, a.y)
	for r := 1; r <= a.k; r++ {
		x := a.x(float64(r))
		a.StrokeLine2(line, x, a.y, x, a.y+5)
		a.FillText(textStyle(10, text.XCenter, text.YBottom), vg.Point{X: x, Y: a.y + 7}, fmt.Sprint(r))
	}
	if math.IsNaN(difference) {
		return
	}
	// The ruler is no longer than the axis; the table has the number.
	y, end := a.y+30, min(a.x(1+difference), a.right)
	ruler := draw.LineStyle{Color: ink, Width: vg.Points(1.4)}
	a.StrokeLine2(ruler, a.left, y, end, y)
	a.StrokeLine2(ruler, a.left, y-3, a.left, y+3)
	if a.x(1+difference) <= a.right {
		a.StrokeLine2(ruler, end, y-3, end, y+3)
	}
	a.FillText(textStyle(10, text.XLeft, text.YCenter), vg.Point{X: end + 6, Y: y}, fmt.Sprintf("critical difference %.2f", difference))
}
