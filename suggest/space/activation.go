package space

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// maxDepth bounds the nesting of conditions, in Go and in JSON.
const maxDepth = 50

// condCompiler checks one condition and puts it into canonical form: the
// values in the parent's type, no And or Or of one or directly within itself.
type condCompiler struct {
	params []Parameter // normalized; valid where ok
	ok     []bool
	index  map[string]int
	self   int
	field  string
	faults *faults

	parents map[int]bool
	atoms   []atom
}

// compile returns nils after a fault.
func (c *condCompiler) compile(cond Condition) (Condition, *activation) {
	before := len(*c.faults)
	canon, f := c.walk(cond, 0)
	if len(*c.faults) > before {
		return nil, nil
	}
	parents := make([]int, 0, len(c.parents))
	for i := range c.parents {
		parents = append(parents, i)
	}
	slices.Sort(parents)
	return canon, &activation{parents: parents, formula: f, atoms: c.atoms}
}

func (c *condCompiler) walk(cond Condition, depth int) (Condition, formula) {
	if depth > maxDepth {
		c.faults.add(fault(c.field, "the condition is nested more than %d deep", maxDepth))
		return nil, nil
	}
	switch cond := cond.(type) {
	case In:
		values, parent := c.values(cond.Param, cond.Values)
		return In{cond.Param, values}, c.atom(parent, memberOf(values), values)
	case NotIn:
		values, parent := c.values(cond.Param, cond.Values)
		member := memberOf(values)
		return NotIn{cond.Param, values}, c.atom(parent, func(v Value) bool { return !member(v) }, values)
	case Range:
		return c.rangeAtom(cond)
	case And:
		conds, forms := c.list(cond, depth, func(k Condition) []Condition { a, _ := k.(And); return a })
		if len(conds) == 1 {
			return conds[0], forms[0]
		}
		return And(conds), conjunction(forms)
	case Or:
		conds, forms := c.list(cond, depth, func(k Condition) []Condition { o, _ := k.(Or); return o })
		if len(conds) == 1 {
			return conds[0], forms[0]
		}
		return Or(conds), disjunction(forms)
	case Not:
		k, f := c.walk(cond.Of, depth+1)
		return Not{k}, negation{f}
	case nil:
		c.faults.add(fault(c.field, "a condition is empty"))
	default:
		c.faults.add(fault(c.field, "%T is no condition", cond).WithRemedy("use In, NotIn, Range, And, Or, Not as values, not pointers"))
	}
	return nil, nil
}

// list compiles the operands of an And or Or. same gives the operands of one
// of the same kind, which are taken up into the list.
func (c *condCompiler) list(of []Condition, depth int, same func(Condition) []Condition) ([]Condition, []formula) {
	if len(of) == 0 {
		c.faults.add(fault(c.field, "a list of conditions is empty").WithRemedy("give at least one condition"))
	}
	var conds []Condition
	var forms []formula
	for _, k := range of {
		canon, f := c.walk(k, depth+1)
		if inner := same(canon); inner != nil {
			conds = append(conds, inner...)
		} else {
			conds = append(conds, canon)
		}
		forms = append(forms, f)
	}
	return conds, forms
}

// parent resolves a name; -1 after a fault, or if the parent has faults of its
// own, which are reported there.
func (c *condCompiler) parent(name string) int {
	i, found := c.index[name]
	switch {
	case !found:
		names := make([]string, 0, len(c.params))
		for _, p := range c.params {
			names = append(names, p.Name)
		}
		c.faults.add(fault(c.field, "the condition names the unknown parameter %q", name).WithRemedy("known are %s", list(names)))
		return -1
	case i == c.self:
		c.faults.add(fault(c.field, "the condition of %s names %s itself", name, name).WithRemedy("name another parameter, or leave the condition out"))
		return -1
	}
	c.parents[i] = true
	if !c.ok[i] {
		return -1
	}
	return i
}

func (c *condCompiler) atom(param int, test func(Value) bool, cuts []Value) formula {
	a := atom{param, test, cuts}
	c.atoms = append(c.atoms, a)
	return a
}

func (c *condCompiler) values(name string, values []Value) ([]Value, int) {
	i := c.parent(name)
	if i < 0 {
		return nil, i
	}
	p := &c.params[i]
	if len(values) == 0 {
		c.faults.add(fault(c.field, "the condition on %s has no values", name).WithRemedy("give at least one"))
	}
	out := make([]Value, 0, len(values))
	for _, v := range values {
		w, ok := newDim(p).take(v)
		switch {
		case !ok:
			c.faults.add(fault(c.field, "the condition on %s can never be met by %s: %s", name, literal(v), p.refuse(normal(v))).WithRemedy("%s", p.wanted()))
		case !slices.Contains(out, w):
			out = append(out, w)
		}
	}
	return out, i
}

func (c *condCompiler) rangeAtom(r Range) (Condition, formula) {
	i := c.parent(r.Param)
	if i < 0 {
		return nil, nil
	}
	p := &c.params[i]
	r.Lo, r.Hi = normal(r.Lo), normal(r.Hi)
	if r.Lo == nil && r.Hi == nil {
		c.faults.add(fault(c.field, "the range of the condition on %s has no end", r.Param).WithRemedy("give the low or the high end"))
		return nil, nil
	}
	for _, end := range []*Value{&r.Lo, &r.Hi} {
		if !c.rangeEnd(p, end) {
			return nil, nil
		}
	}
	if cmp, both := compareNumbers(r.Lo, r.Hi); both && cmp > 0 {
		c.faults.add(fault(c.field, "the range of the condition on %s begins at %s, above its end %s", r.Param, literal(r.Lo), literal(r.Hi)).
			WithRemedy("swap them"))
		return nil, nil
	}
	test := within(r.Lo, r.Hi)
	cuts := slices.DeleteFunc([]Value{r.Lo, r.Hi}, func(v Value) bool { return v == nil })
	if !reachable(p, r, test, cuts) {
		c.faults.add(fault(c.field, "the condition on %s can never be met: no value of %s lies in it", r.Param, r.Param).
			WithRemedy("%s has %s", r.Param, describe(p)))
	}
	return r, c.atom(i, test, cuts)
}

// rangeEnd checks one end and gives it the parent's type where that is exact.
func (c *condCompiler) rangeEnd(p *Parameter, end *Value) bool {
	if *end == nil {
		return true
	}
	if !isNumber(*end) {
		c.faults.add(fault(c.field, "the range of the condition on %s has the end %s, which is no number", p.Name, literal(*end)))
		return false
	}
	if p.Kind == Float {
		if f, ok := asFloat(*end); ok {
			*end = f
		}
		return true
	}
	for _, ch := range p.Choices {
		if !isNumber(ch.Value) {
			c.faults.add(fault(c.field, "the condition on %s is a range, but its choice %s is no number", p.Name, literal(ch.Value)).
				WithRemedy("list the values instead"))
			return false
		}
	}
	return true
}

func isNumber(v Value) bool {
	switch v.(type) {
	case int64, float64:
		return isValue(v)
	}
	return false
}

// reachable reports whether the range holds for some value of p.
func reachable(p *Parameter, r Range, test func(Value) bool, cuts []Value) bool {
	d := newDim(p)
	if !d.discrete {
		above, ok := compareNumbers(r.Lo, p.High)
		below, ok2 := compareNumbers(r.Hi, p.Low)
		return (!ok || above <= 0) && (!ok2 || below >= 0)
	}
	l := levels{dim: d, span: d.span}
	return slices.ContainsFunc(l.segments(cuts), func(s segment) bool { return test(s.value) })
}

// describe is the range or the choices of p in words.
func describe(p *Parameter) string {
	if p.Numeric() {
		return fmt.Sprintf("the range %s to %s", literal(p.Low), literal(p.High))
	}
	return "the choices " + choiceList(p)
}

// order sorts the parameters so that parents come before their children and
// otherwise in the order of the space. If that cannot be done it returns a
// cycle of names.
func order(params []Parameter, acts []*activation) (ord []int, cycle []string) {
	placed := make([]bool, len(params))
	ready := func(i int) bool {
		return acts[i] == nil || !slices.ContainsFunc(acts[i].parents, func(j int) bool { return !placed[j] })
	}
	for len(ord) < len(params) {
		i := 0
		for i < len(params) && (placed[i] || !ready(i)) {
			i++
		}
		if i == len(params) {
			return nil, findCycle(params, acts, placed)
		}
		placed[i] = true
		ord = append(ord, i)
	}
	return ord, nil
}

// findCycle walks up from an unplaced parameter along unplaced parents until
// it meets one again; each unplaced parameter has such a parent.
func findCycle(params []Parameter, acts []*activation, placed []bool) []string {
	i := slices.Index(placed, false)
	var path []int
	for !slices.Contains(path, i) {
		path = append(path, i)
		k := slices.IndexFunc(acts[i].parents, func(j int) bool { return !placed[j] })
		i = acts[i].parents[k]
	}
	path = append(path[slices.Index(path, i):], i)
	names := make([]string, len(path))
	for k, j := range path {
		names[k] = params[j].Name
	}
	return names
}

func cycleFault(cycle []string) *types.Error {
	return fault("space."+cycle[0]+".when", "the conditions form a cycle: %s", strings.Join(cycle, " needs ")).
		WithRemedy("remove one of these conditions")
}
