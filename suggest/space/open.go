package space

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// Open reports whether programs may add parameters while they run.
func (s *Space) Open() bool { return s.open }

// Dynamic reports whether any parameter is dynamic.
func (s *Space) Dynamic() bool { return s.dynamic }

// Extend is an open space with the parameter p added to it, which becomes
// dynamic. The error is like that of New.
func (s *Space) Extend(p Parameter) (*Space, error) {
	p.Dynamic = true
	return build(append(slices.Clone(s.params), p), s.Constraints(), true)
}

// WithDynamicOf is s with the dynamic parameters of old that it does not name,
// if s is open: whoever declares a space declares no others.
func (s *Space) WithDynamicOf(old *Space) (*Space, error) {
	if !s.open || !old.dynamic {
		return s, nil
	}
	params := slices.Clone(s.params)
	for i := range old.params {
		if old.params[i].Dynamic && s.Index(old.params[i].Name) < 0 {
			params = append(params, old.params[i])
		}
	}
	return build(params, s.Constraints(), true)
}

// Declared is p without what is dynamic: what a trial has before it asks.
func (s *Space) Declared(p Point) Point {
	if !s.dynamic {
		return p
	}
	q := slices.Clone(p)
	for i := range q {
		if s.params[i].Dynamic {
			q[i] = nil
		}
	}
	return q
}

// ParseNamed reads the canonical JSON form of one parameter with its name; New
// checks it.
func ParseNamed(b []byte) (Parameter, error) {
	name := peekName(b)
	if name == "" {
		return Parameter{}, fault("space.parameters", "%s has no name", short(b)).WithRemedy(`write {"name": "lr", "type": "float", …}`)
	}
	return ParseParameter(b, name)
}

// Agrees reports whether want, as a program asks for it, is parameter i; if not,
// the error is of code types.Conflict and says what differs. A program cannot
// say all that a declaration can: whether a declared parameter has a condition,
// a prior, an order or other texts of its choices does not matter, nor does the
// default of any.
func (s *Space) Agrees(i int, want Parameter) error {
	var f faults
	is := s.params[i]
	want = normalize(want, "space."+want.Name, &f)
	if err := f.err("space"); err != nil {
		return err
	}
	if is.Kind == Constant && want.Kind != Constant {
		return want.Check(is.Choices[0].Value)
	}
	is.dim, is.Default = nil, want.Default
	if !is.Dynamic {
		is.When, is.Grid = want.When, want.Grid
		if want.Prior == nil {
			is.Prior = nil
		}
		if is.Kind == Ordinal && want.Kind == Categorical {
			is.Kind = Categorical
		}
		is.Choices = slices.Clone(is.Choices)
		for k := range is.Choices {
			is.Choices[k].Text = canonicalText(is.Choices[k].Value)
		}
	}
	is.Dynamic = want.Dynamic
	if d := is.diff(&want); len(d) > 0 {
		return types.Errorf(types.Conflict, "the study has another parameter of this name: %s", strings.Join(d, ", ")).
			WithField("space." + want.Name).WithRemedy("use another name, or the same range everywhere")
	}
	return nil
}

// checkDynamic finds what dynamic parameters cannot be.
func (s *Space) checkDynamic(f *faults) {
	for i := range s.params {
		p := &s.params[i]
		if !p.Dynamic {
			continue
		}
		s.dynamic = true
		field := fieldOf(i, p.Name)
		if !s.open {
			f.add(fault(field+".dynamic", "only an open space has dynamic parameters").WithRemedy(`write "open": true in the space`))
		}
		if p.When != nil {
			f.add(fault(field+".when", "the program decides when a dynamic parameter is active").WithRemedy("leave the condition out"))
		}
		if len(s.children[i]) > 0 {
			child := s.children[i][0]
			f.add(fault(fieldOf(child, s.params[child].Name)+".when", "the condition names %s, which is dynamic", p.Name).
				WithRemedy("decide it in the program"))
		}
		for k, c := range s.constraints {
			if slices.Contains(c.refs, i) {
				f.add(fault(fmt.Sprintf("space.constraints[%d]", k), "the constraint names %s, which is dynamic", p.Name).
					WithRemedy("check it in the program, which can declare a trial infeasible"))
			}
		}
	}
}

// Summary is the parameter in one line.
func (p *Parameter) Summary() string { return p.summary() }
