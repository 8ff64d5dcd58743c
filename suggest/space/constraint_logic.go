package space

import (
	"math"

	"github.com/expr-lang/expr/ast"

	"github.com/gotuner/tuner/api/types"
)

func logic(n *ast.BinaryNode, x, y expression) (expression, *types.Error) {
	for _, side := range []expression{x, y} {
		if side.typ != boolType {
			return x, mistake(n, "the operator %s needs conditions; one side is %s", n.Operator, side.typ)
		}
	}
	conj := n.Operator == "and" || n.Operator == "&&"
	return expression{
		typ: boolType,
		eval: func(p Point) result {
			if r := x.eval(p); r.kind != boolResult || r.b != conj {
				return r
			}
			return y.eval(p)
		},
		gap: func(p Point) float64 {
			if conj {
				return (x.distance(p) + y.distance(p)) / 2
			}
			return math.Min(x.distance(p), y.distance(p))
		},
	}, nil
}

// compare compiles a comparison. Comparing what can never be equal (a number
// with a text, a parameter with what is none of its choices) is a mistake of
// the user, and said to be one.
func compare(n ast.Node, op string, x, y expression) (expression, *types.Error) {
	equality := op == "==" || op == "!="
	switch {
	case x.typ != y.typ && x.typ != mixedType && y.typ != mixedType:
		return x, mistake(n, "%s compares %s with %s", op, x.typ, y.typ).WithRemedy("compare numbers with numbers and texts with texts")
	case !equality && (x.typ != numberType || y.typ != numberType):
		return x, mistake(n, "%s needs numbers on both sides", op).WithRemedy("texts and bools are compared by ==, != and in")
	}
	for _, side := range [2][2]expression{{x, y}, {y, x}} {
		if p, v := side[0].param, side[1].value; equality && p != nil && v != nil && !p.Numeric() {
			if _, ok := newDim(p).take(v); !ok {
				return x, mistake(n, "%s is no choice of %s", literal(v), p.Name).WithRemedy("its choices are %s", choiceList(p))
			}
		}
	}
	test := comparison(op)
	return expression{
		typ: boolType,
		eval: func(p Point) result {
			c, ok := x.eval(p).compare(y.eval(p))
			if !ok {
				return result{}
			}
			return result{kind: boolResult, b: test(c)}
		},
		gap: func(p Point) float64 { return difference(x.eval(p), y.eval(p)) },
	}, nil
}

func (k *constraintCompiler) in(n *ast.BinaryNode) (expression, *types.Error) {
	array, ok := n.Right.(*ast.ArrayNode)
	if !ok {
		return expression{}, mistake(n, "in needs a list").WithRemedy("write it as in x in [1, 2]")
	}
	x, err := k.compile(n.Left)
	if err != nil {
		return x, err
	}
	if len(array.Nodes) == 0 {
		return x, mistake(n, "the list of in is empty")
	}
	tests := make([]expression, len(array.Nodes))
	for i, m := range array.Nodes {
		y, err := k.compile(m)
		if err != nil {
			return y, err
		}
		if tests[i], err = compare(m, "==", x, y); err != nil {
			return y, err
		}
	}
	return expression{
		typ: boolType,
		eval: func(p Point) (r result) {
			for _, t := range tests {
				if r = t.eval(p); r.kind != boolResult || r.b {
					break
				}
			}
			return r
		},
		gap: func(p Point) float64 {
			d := 1.0
			for _, t := range tests {
				d = math.Min(d, t.distance(p))
			}
			return d
		},
	}, nil
}
