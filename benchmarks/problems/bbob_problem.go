package problems

import (
	"fmt"
	"strconv"

	"github.com/gotuner/tuner/suggest/space"
)

// BBOB is function f (1 … 24) of the BBOB suite in dim ≥ 2 dimensions, over
// [-5,5]^dim, with COCO's instances.
func BBOB(f, dim int) (*Problem, error) {
	if _, err := newBBOB(f, dim, 1); err != nil {
		return nil, err
	}
	return bbobProblem(f, dim), nil
}

func bbobProblem(f, dim int) *Problem {
	return &Problem{
		Name: fmt.Sprintf("bbob-f%d-d%d", f, dim), Group: "bbob" + strconv.Itoa(dim),
		Doc:       fmt.Sprintf("BBOB f%d, %s, in %d dimensions", f, bbobTable[f-1].name, dim),
		Instances: numbered(),
		open: func(instance int) (*Instance, error) {
			b, err := newBBOB(f, dim, instance)
			if err != nil {
				return nil, err
			}
			return functionInstance(filled(dim, -bbobBound), filled(dim, bbobBound), b.value, b.xopt, b.fopt)
		},
	}
}

// mixintProblem is a BBOB function whose coordinates are integers, in fifths of
// 2, 4, 8 and 16 levels and continuous, as in the suite bbob-mixint (Tušar,
// Brockhoff and Hansen, "Mixed-integer benchmark problems for single- and
// bi-objective optimization", GECCO 2019). Unlike there, the levels lie
// around x_opt such that one of them is x_opt's coordinate; so the optimum is
// the continuous one.
func mixintProblem(f, dim int) *Problem {
	return &Problem{
		Name: fmt.Sprintf("mixint-f%d-d%d", f, dim), Group: "mixed",
		Doc:       fmt.Sprintf("BBOB f%d, %s, of %d integers of 2 to 16 levels and floats", f, bbobTable[f-1].name, dim),
		Instances: numbered(),
		open: func(instance int) (*Instance, error) {
			b, err := newBBOB(f, dim, instance)
			if err != nil {
				return nil, err
			}
			return newMixint(b)
		},
	}
}

type mixint struct {
	b *bbob
	// start and width give coordinate i at level k: start + k·width; width 0 is
	// a float.
	start, width, x []float64
}

func (m *mixint) value(p space.Point) float64 {
	for i, v := range p {
		if k, ok := v.(int64); ok {
			m.x[i] = m.start[i] + float64(k)*m.width[i]
		} else {
			m.x[i] = v.(float64)
		}
	}
	return m.b.value(m.x)
}

func newMixint(b *bbob) (*Instance, error) {
	arities := []int64{2, 4, 8, 16, 0}
	m := &mixint{b: b, start: make([]float64, b.dim), width: make([]float64, b.dim), x: make([]float64, b.dim)}
	params, best := make([]space.Parameter, b.dim), make(space.Point, b.dim)
	for i := range params {
		name := "x" + strconv.Itoa(i+1)
		levels := arities[i*len(arities)/b.dim]
		if levels == 0 {
			params[i] = space.Parameter{Name: name, Kind: space.Float, Low: -bbobBound, High: bbobBound}
			best[i] = b.xopt[i]
			continue
		}
		params[i] = space.Parameter{Name: name, Kind: space.Int, Low: int64(0), High: levels - 1}
		m.width[i] = 2 * bbobBound / float64(levels)
		k := min(int64((b.xopt[i]+bbobBound)/m.width[i]), levels-1)
		m.start[i] = b.xopt[i] - float64(k)*m.width[i]
		best[i] = k
	}
	s, err := space.New(params, nil)
	if err != nil {
		return nil, err
	}
	return &Instance{space: s, f: m, optimum: b.fopt, exact: true, best: best}, nil
}
