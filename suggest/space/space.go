package space

import (
	"fmt"
	"sync"

	"github.com/gotuner/tuner/api/types"
)

// maxParameters is the number of parameters of one space.
const maxParameters = 10_000

// Space is a compiled, immutable search space, safe for concurrent use.
type Space struct {
	params      []Parameter
	index       map[string]int
	constraints []*constraint

	acts     []*activation // of each parameter; nil is always active
	order    []int         // parents before children, else as declared
	rank     []int         // position of a parameter in order
	children [][]int       // parameters whose condition names this one
	cuts     [][]Value     // where those conditions may change
	branched bool          // there are conditions
	open     bool
	dynamic  bool // there are dynamic parameters

	sizeOnce sync.Once
	size     int64
	finite   bool
}

// New compiles a space. The error is a *types.Error of code Invalid: the fault
// itself with its Field ("space.lr.low"), or, if there are several, one whose
// message has a line for each and which wraps them all.
func New(params []Parameter, constraints []string) (*Space, error) {
	return build(params, constraints, false)
}

func build(params []Parameter, constraints []string, open bool) (*Space, error) {
	var f faults
	s := &Space{
		params: make([]Parameter, len(params)), index: make(map[string]int, len(params)),
		acts: make([]*activation, len(params)), open: open,
	}
	if len(params) > maxParameters {
		return nil, fault("space.parameters", "there are %d parameters; %d is the most", len(params), maxParameters)
	}
	ok := make([]bool, len(params))
	for i, p := range params {
		before := len(f)
		s.params[i] = normalize(p, fieldOf(i, p.Name), &f)
		ok[i] = len(f) == before
		if _, twice := s.index[p.Name]; twice && p.Name != "" {
			f.add(fault(fieldOf(i, p.Name)+".name", "the name %q is given to two parameters", p.Name).WithRemedy("rename one"))
			continue
		}
		s.index[p.Name] = i
	}
	s.compileConditions(ok, &f)
	s.compileConstraints(constraints, ok, &f)
	s.checkDynamic(&f)
	if err := f.err("space"); err != nil {
		return nil, err
	}
	for i := range s.params {
		s.params[i].dim = newDim(&s.params[i])
	}
	return s, nil
}

func fieldOf(i int, name string) string {
	if name == "" {
		return fmt.Sprintf("space.parameters[%d]", i)
	}
	return "space." + name
}

func (s *Space) compileConditions(ok []bool, f *faults) {
	n := len(s.params)
	s.children, s.cuts, s.rank = make([][]int, n), make([][]Value, n), make([]int, n)
	for i := range s.params {
		p := &s.params[i]
		if p.When == nil {
			continue
		}
		c := &condCompiler{
			params: s.params, ok: ok, index: s.index, self: i,
			field: fieldOf(i, p.Name) + ".when", faults: f, parents: map[int]bool{},
		}
		p.When, s.acts[i] = c.compile(p.When)
		if s.acts[i] == nil {
			continue
		}
		s.branched = true
		for _, j := range s.acts[i].parents {
			s.children[j] = append(s.children[j], i)
		}
		for _, a := range s.acts[i].atoms {
			if a.param >= 0 {
				s.cuts[a.param] = append(s.cuts[a.param], a.cuts...)
			}
		}
	}
	ord, cycle := order(s.params, s.acts)
	if cycle != nil {
		f.add(cycleFault(cycle))
		return
	}
	s.order = ord
	for r, i := range ord {
		s.rank[i] = r
	}
}

// Len is the number of parameters.
func (s *Space) Len() int { return len(s.params) }

// Param is the i-th parameter. It must not be changed.
func (s *Space) Param(i int) *Parameter { return &s.params[i] }

// Index is the position of a parameter, or -1.
func (s *Space) Index(name string) int {
	if i, ok := s.index[name]; ok {
		return i
	}
	return -1
}

// Conditional reports whether any parameter has a condition.
func (s *Space) Conditional() bool { return s.branched }

// Parents are the positions of the parameters that the condition of parameter
// i names, ascending. The slice must not be changed.
func (s *Space) Parents(i int) []int {
	if s.acts[i] == nil {
		return nil
	}
	return s.acts[i].parents
}

// Constraints are the constraints as they were written.
func (s *Space) Constraints() []string {
	out := make([]string, len(s.constraints))
	for i, c := range s.constraints {
		out[i] = c.text
	}
	return out
}

// Text is what a command sees of the value v of parameter i; "" for nil.
func (s *Space) Text(i int, v Value) string {
	if v == nil {
		return ""
	}
	return s.params[i].dim.text(v)
}

// Key is a canonical text of p: within one space, equal points have equal keys
// and different points different ones.
func (s *Space) Key(p Point) string {
	b := make([]byte, 0, 16*len(p))
	for i, v := range p {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.params[i].dim.appendKey(b, v)
	}
	return string(b)
}

// active reports whether parameter i is active in p, whose parents are right.
func (s *Space) active(i int, p Point) bool {
	return s.acts[i] == nil || s.acts[i].eval(p, nil) == yes
}

// Repair sets inactive parameters to nil and, where an active one is nil, its
// default or the middle of its range (Parameter.Middle); it changes p.
func (s *Space) Repair(p Point) {
	for _, i := range s.order {
		switch {
		case !s.active(i, p):
			p[i] = nil
		case p[i] == nil:
			p[i] = s.params[i].start()
		}
	}
}

// start is the default, or else the middle.
func (p *Parameter) start() Value {
	if p.Default != nil {
		return p.Default
	}
	return p.Middle()
}

// Default is the point of all defaults; ok is false unless at least one
// parameter has a default (the others take Parameter.Middle). The point may
// violate the constraints.
func (s *Space) Default() (p Point, ok bool) {
	p = make(Point, len(s.params))
	for i := range s.params {
		ok = ok || s.params[i].Default != nil
	}
	s.Repair(p)
	return p, ok
}

// Validate checks types, bounds, steps, activity and constraints. The error is
// made like that of New; its fields are "params.lr".
func (s *Space) Validate(p Point) error {
	if len(p) != len(s.params) {
		return fault("params", "the point has %d values, the space %d parameters", len(p), len(s.params))
	}
	var f faults
	for _, i := range s.order {
		par := &s.params[i]
		switch active := s.active(i, p); {
		case active && p[i] == nil && par.Dynamic:
		case active && p[i] == nil:
			f.add(fault("params."+par.Name, "the parameter is active and has no value").WithRemedy("give one: %s", describe(par)))
		case !active && p[i] != nil:
			f.add(fault("params."+par.Name, "its condition does not hold, but it has the value %s", literal(p[i])).
				WithRemedy("leave it out"))
		case p[i] != nil:
			if e := par.check(p[i]); e != nil {
				f.add(e)
			}
		}
	}
	if len(f) == 0 {
		for _, c := range s.constraints {
			if !c.holds(p) {
				f.add(fault("params", "the constraint %s does not hold", c.text).WithRemedy("choose values that satisfy it"))
			}
		}
	}
	return f.err("params")
}

// Feasible reports whether the constraints hold for p, whose activity is
// right. A constraint that names an inactive parameter holds; one that divides
// by zero or compares NaN does not.
func (s *Space) Feasible(p Point) bool {
	for _, c := range s.constraints {
		if !c.holds(p) {
			return false
		}
	}
	return true
}

// Params is the wire form of p: the active parameters in the order of the
// space.
func (s *Space) Params(p Point) types.Params {
	out := make(types.Params, 0, len(p))
	for i, v := range p {
		if v != nil {
			out = append(out, types.Param{Name: s.params[i].Name, Value: v})
		}
	}
	return out
}

// FromParams reads the wire form: it checks names and values and fills no
// defaults; Validate checks activity and constraints. A number is taken in the
// parameter's type where that is exact (1 for a float, 1.0 for a choice 1),
// and a float within a billionth of a step of a level as that level.
func (s *Space) FromParams(q types.Params) (Point, error) {
	var f faults
	p := make(Point, len(s.params))
	for _, par := range q {
		i := s.Index(par.Name)
		switch {
		case i < 0:
			f.add(fault("params."+par.Name, "the space has no parameter %q", par.Name).WithRemedy("%s", s.Has()))
			continue
		case p[i] != nil:
			f.add(fault("params."+par.Name, "it is given twice").WithRemedy("leave one of the two out"))
			continue
		}
		v, ok := s.params[i].dim.take(par.Value)
		if !ok {
			f.add(s.params[i].refused("params."+par.Name, normal(par.Value)))
			continue
		}
		p[i] = v
	}
	if err := f.err("params"); err != nil {
		return nil, err
	}
	return p, nil
}

// Has says in words which parameters there are, and how there can be others.
func (s *Space) Has() string {
	text := "it has " + list(s.names())
	if len(s.params) == 0 {
		text = "it has none yet"
	}
	if s.open {
		text += "; programs add others by asking for them, nobody else can: for trials from elsewhere, make the study with the space that they come from"
	}
	return text
}

func (s *Space) names() []string {
	names := make([]string, len(s.params))
	for i := range s.params {
		names[i] = s.params[i].Name
	}
	return names
}
