package grammar

import (
	"fmt"
	"math"

	"github.com/gotuner/tuner/suggest/space"
)

// warnings are about what is allowed but seldom meant.
func warnings(p *space.Parameter) []string {
	switch p.Kind {
	case space.Float:
		if w := wideWithoutLog(p); w != "" {
			return []string{w}
		}
	case space.Categorical:
		if w := growing(p); w != "" {
			return []string{w}
		}
	case space.Int, space.Bool, space.Ordinal, space.Constant:
	}
	return nil
}

// wideWithoutLog: nine tenths of 1e-5..1e-1 lie above 1e-2 on a linear scale.
func wideWithoutLog(p *space.Parameter) string {
	low, high := p.Low.(float64), p.High.(float64)
	if p.Scale != space.Linear || p.Prior != nil || low <= 0 || high/low <= 100*(1+1e-9) {
		return ""
	}
	return fmt.Sprintf("%s spans %.1f decades on a linear scale, so nine of ten values lie above %s; add :log unless that is meant",
		p.Name, math.Log10(high/low), floatText(round2(low+(high-low)/10)))
}

func round2(f float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(f))-1)
	return math.Round(f/unit) * unit
}

// growing finds four and more numbers in ascending order among choices, whose
// order a search cannot use.
func growing(p *space.Parameter) string {
	if len(p.Choices) < 4 {
		return ""
	}
	numbers := make([]float64, len(p.Choices))
	for i, c := range p.Choices {
		switch v := c.Value.(type) {
		case int64:
			numbers[i] = float64(v)
		case float64:
			numbers[i] = v
		default:
			return ""
		}
		if i > 0 && numbers[i] <= numbers[i-1] {
			return ""
		}
	}
	return fmt.Sprintf("the %d numbers of %s are choices without an order; add :ordinal%s", len(numbers), p.Name, asRange(p, numbers))
}

// asRange is the range that has exactly these values, in words, or "".
func asRange(p *space.Parameter, v []float64) string {
	first, last := p.Choices[0].Text, p.Choices[len(v)-1].Text
	step, factor := v[1]-v[0], v[1]/v[0]
	arithmetic, geometric := true, v[0] > 0 && factor == math.Trunc(factor)
	for i := 1; i < len(v); i++ {
		arithmetic = arithmetic && v[i]-v[i-1] == step
		geometric = geometric && v[i] == v[i-1]*factor
	}
	var form string
	switch {
	case arithmetic && step == 1:
		form = fmt.Sprintf("%s..%s", first, last)
	case arithmetic:
		form = fmt.Sprintf("%s..%s..%g", first, last, step)
	case geometric:
		form = fmt.Sprintf("%s..%s..x%g", first, last, factor)
	default:
		return ""
	}
	// Only what reads back as these values is advice.
	parsed, err := Parse(p.Name + "=" + form)
	if err != nil || parsed.Parameter.At(int64(len(v)-1)) != p.Choices[len(v)-1].Value {
		return ""
	}
	return fmt.Sprintf(", or write %s=%s", p.Name, form)
}
