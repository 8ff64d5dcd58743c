package space

import (
	"fmt"

	"github.com/expr-lang/expr/ast"

	"github.com/gotuner/tuner/api/types"
)

// exprType is the static type of a part of a constraint.
type exprType string

const (
	numberType exprType = "a number"
	boolType   exprType = "true or false"
	textType   exprType = "a text"
	// mixedType is that of a parameter whose choices are of several types.
	mixedType exprType = "of no single type"
)

// expression is a compiled part of a constraint.
type expression struct {
	typ  exprType
	eval func(Point) result
	// gap says how far a false part of boolType is from true, in (0,1]; nil
	// is 1.
	gap   func(Point) float64
	param *Parameter // if it is nothing but a parameter
	value Value      // if it is a literal
}

func (e expression) distance(p Point) float64 {
	switch r := e.eval(p); {
	case r.kind == boolResult && r.b:
		return 0
	case r.kind != boolResult || e.gap == nil:
		return 1
	}
	return e.gap(p)
}

type constraintCompiler struct {
	space  *Space
	ok     []bool       // which parameters have no faults
	refs   map[int]bool // the parameters that were named
	faulty bool         // one of them has faults: its types mean nothing
}

// refuse says what at n is no part of constraints.
func refuse(n ast.Node, what string) *types.Error {
	return mistake(n, "%s is no part of constraints", what).WithRemedy("%s", constraintHelp)
}

func mistake(n ast.Node, format string, args ...any) *types.Error {
	return types.Errorf(types.Invalid, "%s at column %d", fmt.Sprintf(format, args...), n.Location().From+1)
}

func (k *constraintCompiler) compile(n ast.Node) (expression, *types.Error) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return literalOf(int64(n.Value)), nil
	case *ast.FloatNode:
		return literalOf(n.Value), nil
	case *ast.BoolNode:
		return literalOf(n.Value), nil
	case *ast.StringNode:
		return literalOf(n.Value), nil
	case *ast.IdentifierNode:
		return k.reference(n, n.Value)
	case *ast.MemberNode:
		return k.member(n)
	case *ast.UnaryNode:
		return k.unary(n)
	case *ast.BinaryNode:
		return k.binary(n)
	case *ast.ConditionalNode:
		return k.conditional(n)
	case *ast.BuiltinNode:
		return k.call(n, n.Name, n.Arguments)
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			return k.call(n, id.Value, n.Arguments)
		}
		return expression{}, refuse(n, "a method call")
	case nil:
		return expression{}, types.Errorf(types.Invalid, "a part is missing")
	}
	return expression{}, refuse(n, nodeName(n))
}

// nodeName names what constraints do not have.
func nodeName(n ast.Node) string {
	switch n := n.(type) {
	case *ast.NilNode:
		return "nil"
	case *ast.BytesNode:
		return "a text of bytes"
	case *ast.ChainNode:
		return "the operator ?."
	case *ast.SliceNode:
		return "a slice [a:b]"
	case *ast.PredicateNode, *ast.PointerNode:
		return "a closure"
	case *ast.VariableDeclaratorNode:
		return "let " + n.Name
	case *ast.SequenceNode:
		return "the operator ;"
	case *ast.ArrayNode:
		return "a list outside of in"
	case *ast.MapNode, *ast.PairNode:
		return "a map {...}"
	}
	return n.String()
}

func literalOf(v Value) expression {
	r := resultOf(v)
	return expression{typ: typeOf(v), eval: func(Point) result { return r }, value: v}
}

func typeOf(v Value) exprType {
	switch v.(type) {
	case bool:
		return boolType
	case string:
		return textType
	}
	return numberType
}

func (k *constraintCompiler) member(n *ast.MemberNode) (expression, *types.Error) {
	prop, ok := n.Property.(*ast.StringNode)
	if !ok || n.Optional {
		return expression{}, refuse(n, "an index [...] after a value")
	}
	if id, ok := n.Node.(*ast.IdentifierNode); ok && id.Value == "$env" {
		return k.reference(n, prop.Value)
	}
	// A name with points, such as model.lr, is read as members of members.
	if name, ok := dotted(n); ok {
		return k.reference(n, name)
	}
	return expression{}, refuse(n, "a member ."+prop.Value)
}

func dotted(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value, true
	case *ast.MemberNode:
		left, ok := dotted(n.Node)
		prop, isText := n.Property.(*ast.StringNode)
		if ok && isText && !n.Optional {
			return left + "." + prop.Value, true
		}
	}
	return "", false
}

func (k *constraintCompiler) reference(n ast.Node, name string) (expression, *types.Error) {
	i := k.space.Index(name)
	if i < 0 {
		e := mistake(n, "the name %s is unknown", name)
		return expression{}, e.WithRemedy(`known are %s; names that are no identifiers are written $env["weight-decay"]`,
			list(k.space.references()))
	}
	k.refs[i] = true
	p := &k.space.params[i]
	if !k.ok[i] {
		k.faulty = true
		return expression{}, mistake(n, "%s has faults", name)
	}
	e := expression{typ: numberType, param: p}
	if !p.Numeric() {
		e.typ = typeOf(p.Choices[0].Value)
		for _, c := range p.Choices {
			if typeOf(c.Value) != e.typ {
				e.typ = mixedType
			}
		}
	}
	e.eval = func(pt Point) result { return resultOf(pt[i]) }
	return e, nil
}

func (k *constraintCompiler) unary(n *ast.UnaryNode) (expression, *types.Error) {
	x, err := k.compile(n.Node)
	if err != nil {
		return x, err
	}
	switch n.Operator {
	case "not", "!":
		if x.typ != boolType {
			return x, mistake(n, "not is applied to something that is %s", x.typ).
				WithRemedy("put what it shall negate in brackets, as in not (x > 1)")
		}
		return expression{typ: boolType, eval: func(p Point) result {
			r := x.eval(p)
			r.b = !r.b
			return r
		}}, nil
	case "-", "+":
		if x.typ != numberType {
			return x, mistake(n, "the sign %s stands before something that is %s", n.Operator, x.typ)
		}
		if n.Operator == "+" {
			return x, nil
		}
		e := expression{typ: numberType, eval: func(p Point) result { return negate(x.eval(p)) }}
		if x.value != nil {
			e.value = e.eval(nil).value()
		}
		return e, nil
	}
	return x, refuse(n, "the operator "+n.Operator)
}

func (k *constraintCompiler) binary(n *ast.BinaryNode) (expression, *types.Error) {
	if n.Operator == "in" {
		return k.in(n)
	}
	_, isArith := arithmetic[n.Operator]
	isComparison := comparison(n.Operator) != nil
	isLogic := n.Operator == "and" || n.Operator == "or" || n.Operator == "&&" || n.Operator == "||"
	if !isArith && !isComparison && !isLogic {
		return expression{}, refuse(n, "the operator "+n.Operator)
	}
	x, err := k.compile(n.Left)
	if err != nil {
		return x, err
	}
	y, err := k.compile(n.Right)
	if err != nil {
		return y, err
	}
	switch {
	case isLogic:
		return logic(n, x, y)
	case isComparison:
		return compare(n, n.Operator, x, y)
	}
	if x.typ != numberType || y.typ != numberType {
		other := x
		if x.typ == numberType {
			other = y
		}
		return x, mistake(n, "the operator %s needs numbers; one side is %s", n.Operator, other.typ)
	}
	op := arithmetic[n.Operator]
	return expression{typ: numberType, eval: func(p Point) result { return op(x.eval(p), y.eval(p)) }}, nil
}

func (k *constraintCompiler) conditional(n *ast.ConditionalNode) (expression, *types.Error) {
	var parts [3]expression
	for i, m := range []ast.Node{n.Cond, n.Exp1, n.Exp2} {
		var err *types.Error
		if parts[i], err = k.compile(m); err != nil {
			return parts[i], err
		}
	}
	test, x, y := parts[0], parts[1], parts[2]
	if test.typ != boolType {
		return test, mistake(n, "what stands before ? is %s", test.typ).WithRemedy("write a comparison there")
	}
	if x.typ != y.typ {
		return test, mistake(n, "the branches of ? : are %s and %s", x.typ, y.typ).WithRemedy("give both one type")
	}
	pick := func(p Point) (expression, bool) {
		switch r := test.eval(p); {
		case r.kind != boolResult:
			return expression{}, false
		case r.b:
			return x, true
		}
		return y, true
	}
	return expression{
		typ: x.typ,
		eval: func(p Point) result {
			if e, ok := pick(p); ok {
				return e.eval(p)
			}
			return result{}
		},
		gap: func(p Point) float64 {
			if e, ok := pick(p); ok {
				return e.distance(p)
			}
			return 1
		},
	}, nil
}

func (k *constraintCompiler) call(n ast.Node, name string, args []ast.Node) (expression, *types.Error) {
	f, ok := functions[name]
	if !ok {
		return expression{}, refuse(n, "the function "+name)
	}
	if len(args) < f.min || f.max > 0 && len(args) > f.max {
		return expression{}, mistake(n, "the function %s is given %d values", name, len(args)).WithRemedy("%s", f.usage)
	}
	xs := make([]expression, len(args))
	for i, a := range args {
		var err *types.Error
		if xs[i], err = k.compile(a); err != nil {
			return xs[i], err
		}
		if xs[i].typ != numberType {
			return xs[i], mistake(n, "the function %s needs numbers; one is %s", name, xs[i].typ)
		}
	}
	return expression{typ: numberType, eval: func(p Point) result {
		r := f.first(xs[0].eval(p))
		for _, x := range xs[1:] {
			r = f.next(r, x.eval(p))
		}
		return r
	}}, nil
}
