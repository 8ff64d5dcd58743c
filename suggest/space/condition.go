package space

import "slices"

// Condition says when a parameter is active. It is one of In, NotIn, Range,
// And, Or and Not, whose atoms each name another parameter, its parent.
//
// A condition holds if all parents that it names are active and its formula is
// true. So a parameter whose parent is inactive is inactive, also where the
// parent stands under Not or beside a true branch of Or: what has no value
// decides nothing.
type Condition interface{ condition() }

// In holds if the parent has one of the values.
type In struct {
	Param  string
	Values []Value
}

// NotIn holds if the parent is active and has none of the values.
type NotIn struct {
	Param  string
	Values []Value
}

// Range holds if Lo <= value <= Hi; a nil end is open. The parent is a Float,
// an Int, or has choices that are all numbers.
type Range struct {
	Param  string
	Lo, Hi Value
}

// And holds if all of its conditions hold.
type And []Condition

// Or holds if at least one of its conditions holds.
type Or []Condition

// Not holds if its condition does not.
type Not struct{ Of Condition }

func (In) condition()    {}
func (NotIn) condition() {}
func (Range) condition() {}
func (And) condition()   {}
func (Or) condition()    {}
func (Not) condition()   {}

var (
	_ Condition = In{}
	_ Condition = NotIn{}
	_ Condition = Range{}
	_ Condition = And{}
	_ Condition = Or{}
	_ Condition = Not{}
)

// truth is the value of a condition of which some parents may not be known yet.
type truth int8

const (
	no truth = iota - 1
	unknown
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// formula is a compiled condition. known says which parameters have their
// final value in p (nil there: inactive); a nil known is all of them. An
// inactive parent is no.
type formula interface {
	eval(p Point, known []bool) truth
}

type (
	atom struct {
		param int
		test  func(Value) bool
		cuts  []Value // where test may change along a numeric parent
	}
	conjunction []formula
	disjunction []formula
	negation    struct{ of formula }
)

func (a atom) eval(p Point, known []bool) truth {
	if known != nil && !known[a.param] {
		return unknown
	}
	v := p[a.param]
	return truthOf(v != nil && a.test(v))
}

func (c conjunction) eval(p Point, known []bool) truth {
	t := yes
	for _, f := range c {
		t = min(t, f.eval(p, known))
		if t == no {
			break
		}
	}
	return t
}

func (d disjunction) eval(p Point, known []bool) truth {
	t := no
	for _, f := range d {
		t = max(t, f.eval(p, known))
		if t == yes {
			break
		}
	}
	return t
}

func (n negation) eval(p Point, known []bool) truth { return -n.of.eval(p, known) }

// activation is the compiled When of a parameter.
type activation struct {
	parents []int // ascending, each once
	formula formula
	atoms   []atom
}

// eval is yes if the parameter is active. A false formula decides before all
// parents are known, because an inactive parent could only make it false too.
func (a *activation) eval(p Point, known []bool) truth {
	if a == nil {
		return yes
	}
	all := yes
	for _, i := range a.parents {
		switch {
		case known != nil && !known[i]:
			all = unknown
		case p[i] == nil:
			return no
		}
	}
	return min(all, a.formula.eval(p, known))
}

func memberOf(values []Value) func(Value) bool {
	if len(values) <= fewChoices {
		return func(v Value) bool { return slices.Contains(values, v) }
	}
	set := make(map[Value]struct{}, len(values))
	for _, w := range values {
		set[w] = struct{}{}
	}
	return func(v Value) bool { _, ok := set[v]; return ok }
}

func within(lo, hi Value) func(Value) bool {
	return func(v Value) bool {
		if lo != nil {
			if c, ok := compareNumbers(v, lo); !ok || c < 0 {
				return false
			}
		}
		if hi != nil {
			if c, ok := compareNumbers(v, hi); !ok || c > 0 {
				return false
			}
		}
		return true
	}
}
