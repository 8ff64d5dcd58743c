package space

import (
	"math"
	"math/bits"
)

type resultKind uint8

const (
	noResult resultKind = iota // a part has no value: the constraint fails
	intResult
	floatResult
	boolResult
	textResult
)

// result is a value during the evaluation of a constraint. Arithmetic on two
// integers is exact and goes over to floats where it would overflow.
type result struct {
	kind resultKind
	b    bool
	i    int64
	f    float64
	s    string
}

func resultOf(v Value) result {
	switch v := v.(type) {
	case int64:
		return result{kind: intResult, i: v}
	case float64:
		return result{kind: floatResult, f: v}
	case bool:
		return result{kind: boolResult, b: v}
	case string:
		return result{kind: textResult, s: v}
	}
	return result{}
}

func (r result) value() Value {
	switch r.kind {
	case intResult:
		return r.i
	case floatResult:
		return r.f
	case boolResult:
		return r.b
	case textResult:
		return r.s
	case noResult:
	}
	return nil
}

// float is a number as a float64.
func (r result) float() (float64, bool) {
	switch r.kind {
	case intResult:
		return float64(r.i), true
	case floatResult:
		return r.f, true
	case noResult, boolResult, textResult:
	}
	return 0, false
}

// compare is negative, 0 or positive for numbers, 0 or 1 for equal and
// different texts, bools and values of different types. ok is false if a side
// has no value or is NaN.
func (r result) compare(q result) (c int, ok bool) {
	switch {
	case r.kind == noResult || q.kind == noResult:
		return 0, false
	case r.kind == intResult && q.kind == intResult:
		return cmpOrdered(r.i, q.i), true
	case r.kind == floatResult && q.kind == floatResult:
		return cmpOrdered(r.f, q.f), !math.IsNaN(r.f) && !math.IsNaN(q.f)
	case r.kind == intResult && q.kind == floatResult:
		return compareIntFloat(r.i, q.f), !math.IsNaN(q.f)
	case r.kind == floatResult && q.kind == intResult:
		return -compareIntFloat(q.i, r.f), !math.IsNaN(r.f)
	case r.kind == q.kind && r.b == q.b && r.s == q.s:
		return 0, true
	}
	return 1, true
}

// comparison is the test on what compare gives; nil for other operators.
func comparison(op string) func(c int) bool {
	switch op {
	case "==":
		return func(c int) bool { return c == 0 }
	case "!=":
		return func(c int) bool { return c != 0 }
	case "<":
		return func(c int) bool { return c < 0 }
	case "<=":
		return func(c int) bool { return c <= 0 }
	case ">":
		return func(c int) bool { return c > 0 }
	case ">=":
		return func(c int) bool { return c >= 0 }
	}
	return nil
}

// difference is how far apart two numbers are, in [0,1) and relative to their
// size, so that the search for a feasible point sees where it gets closer; 1
// for what is no number.
func difference(r, q result) float64 {
	x, ok := r.float()
	y, ok2 := q.float()
	if d := math.Abs(x - y); ok && ok2 && d == 0 {
		return 0
	} else if s := d / (d + math.Abs(x) + math.Abs(y)); ok && ok2 && !math.IsNaN(s) {
		return s
	}
	return 1
}

func floatOf(f float64) result { return result{kind: floatResult, f: f} }

func negate(r result) result {
	switch {
	case r.kind == intResult && r.i != math.MinInt64:
		r.i = -r.i
		return r
	case r.kind == intResult:
		return floatOf(-float64(r.i))
	}
	r.f = -r.f
	return r
}

// arithmetic are the operators on numbers.
var arithmetic = map[string]func(x, y result) result{
	"+":  func(x, y result) result { return combine(x, y, addInt, func(a, b float64) float64 { return a + b }) },
	"-":  func(x, y result) result { return combine(x, y, subInt, func(a, b float64) float64 { return a - b }) },
	"*":  func(x, y result) result { return combine(x, y, mulInt, func(a, b float64) float64 { return a * b }) },
	"/":  func(x, y result) result { return divide(x, y, nil, func(a, b float64) float64 { return a / b }) },
	"%":  func(x, y result) result { return divide(x, y, modInt, math.Mod) },
	"**": func(x, y result) result { return combine(x, y, nil, math.Pow) },
	"^":  func(x, y result) result { return combine(x, y, nil, math.Pow) },
}

// combine applies ints to two integers, unless it is nil or overflows, else
// floats.
func combine(x, y result, ints func(a, b int64) (int64, bool), floats func(a, b float64) float64) result {
	if ints != nil && x.kind == intResult && y.kind == intResult {
		if i, ok := ints(x.i, y.i); ok {
			return result{kind: intResult, i: i}
		}
	}
	a, ok := x.float()
	b, ok2 := y.float()
	if !ok || !ok2 {
		return result{}
	}
	return floatOf(floats(a, b))
}

// divide is combine for operators that have no value for y = 0.
func divide(x, y result, ints func(a, b int64) (int64, bool), floats func(a, b float64) float64) result {
	if b, ok := y.float(); !ok || b == 0 {
		return result{}
	}
	return combine(x, y, ints, floats)
}

func addInt(a, b int64) (int64, bool) {
	c := a + b
	return c, (c > a) == (b > 0)
}

func subInt(a, b int64) (int64, bool) {
	c := a - b
	return c, (c < a) == (b > 0)
}

func mulInt(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(absInt(a), absInt(b))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, false
	}
	return a * b, true
}

// modInt is exact: the remainder of MinInt64 and -1 is 0 in Go.
func modInt(a, b int64) (int64, bool) { return a % b, true }

func absInt(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

// function is a function of constraints: first is applied to the first value,
// next joins each further one.
type function struct {
	min, max int // number of values; max 0 is any number
	usage    string
	first    func(result) result
	next     func(r, x result) result
}

var functions = map[string]function{
	"abs":   {1, 1, "write abs(x)", absolute, nil},
	"min":   {1, 0, "write min(x, y)", same, least},
	"max":   {1, 0, "write max(x, y)", same, func(r, x result) result { return negate(least(negate(r), negate(x))) }},
	"floor": {1, 1, "write floor(x)", whole(math.Floor), nil},
	"ceil":  {1, 1, "write ceil(x)", whole(math.Ceil), nil},
	"round": {1, 1, "write round(x)", whole(math.Round), nil},
	"log":   {1, 1, "write log(x), the natural logarithm", ofFloat(math.Log), nil},
	"exp":   {1, 1, "write exp(x)", ofFloat(math.Exp), nil},
	"sqrt":  {1, 1, "write sqrt(x)", ofFloat(math.Sqrt), nil},
}

func same(r result) result { return r }

func absolute(r result) result {
	if r.kind == intResult && r.i < 0 || r.kind == floatResult && math.Signbit(r.f) {
		return negate(r)
	}
	return r
}

// least is the lesser of two numbers; NaN wins, so that it is not hidden.
func least(r, x result) result {
	c, ok := r.compare(x)
	switch {
	case !ok && x.kind == floatResult && math.IsNaN(x.f), ok && c > 0:
		return x
	}
	return r
}

// whole applies a rounding, which leaves integers alone.
func whole(f func(float64) float64) func(result) result {
	return func(r result) result {
		if r.kind == floatResult {
			r.f = f(r.f)
		}
		return r
	}
}

func ofFloat(f func(float64) float64) func(result) result {
	return func(r result) result {
		x, ok := r.float()
		if !ok {
			return result{}
		}
		return floatOf(f(x))
	}
}
