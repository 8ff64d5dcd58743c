package space

import (
	"iter"
	"math/rand/v2"

	"github.com/gotuner/tuner/api/types"
)

// Condition is the AST of a condition (see condition.go).
type Condition interface{ condition() }

// Space is a compiled, immutable search space, safe for concurrent use.
type Space struct{}

// New compiles a space. The error lists every fault (a *types.Error with Field).
func New(params []Parameter, constraints []string) (*Space, error) { panic("stub") }

// Parse reads the canonical JSON form.
func Parse(b []byte) (*Space, error) { panic("stub") }

// AppendJSON appends the canonical JSON form; Parse reads it back, and equal
// spaces have equal forms.
func (s *Space) AppendJSON(b []byte) []byte { panic("stub") }

// Len is the number of parameters, Param the i-th, Index its position or -1.
func (s *Space) Len() int               { panic("stub") }
func (s *Space) Param(i int) *Parameter { panic("stub") }
func (s *Space) Index(name string) int  { panic("stub") }
func (s *Space) Constraints() []string  { panic("stub") }

// Params and FromParams convert between a point and its wire form. FromParams
// checks names and types and fills no defaults.
func (s *Space) Params(p Point) types.Params              { panic("stub") }
func (s *Space) FromParams(q types.Params) (Point, error) { panic("stub") }

// Validate checks bounds, steps, types, activity and constraints.
func (s *Space) Validate(p Point) error { panic("stub") }

// Feasible reports whether the constraints hold for p, whose activity is right.
func (s *Space) Feasible(p Point) bool { panic("stub") }

// Repair sets inactive parameters to nil and, where an active one is nil, its
// default or the middle of its range; it changes p.
func (s *Space) Repair(p Point) { panic("stub") }

// Encode writes p's position in the unit cube to x and its activity to active
// (both of length Len). Decode makes the point at x: values are rounded to
// step cells (of equal width in the cube) and inactive ones are nil.
func (s *Space) Encode(p Point, x []float64, active []bool) { panic("stub") }
func (s *Space) Decode(x []float64) Point                   { panic("stub") }

// Key is a canonical text of p: equal points have equal keys.
func (s *Space) Key(p Point) string { panic("stub") }

// Size is the number of different points without regard to constraints; finite
// is false if a continuous parameter exists or it exceeds 1<<62.
func (s *Space) Size() (n int64, finite bool) { panic("stub") }

// Enumerate yields all points of a finite space that satisfy the constraints,
// in a fixed order; of an infinite one with its continuous parameters at grid
// points (Parameter.Grid, else gridDefault).
func (s *Space) Enumerate(gridDefault int) iter.Seq[Point] { panic("stub") }

// GridSize is the exact number of points of Enumerate before constraints.
func (s *Space) GridSize(gridDefault int) (n int64, ok bool) { panic("stub") }

// Neighbours yields the points that differ from p in one parameter by one step
// (numeric: the cell beside; continuous: ±1 % of the cube; choices: each other
// choice, ordinals the adjacent), feasible or not.
func (s *Space) Neighbours(p Point) iter.Seq[Point] { panic("stub") }

// Sample draws a point from the priors without regard to constraints.
func (s *Space) Sample(r *rand.Rand) Point { panic("stub") }

// SampleFeasible draws a feasible point: bounded tries, then local repair, then
// an error of code types.Invalid that names the constraints.
func (s *Space) SampleFeasible(r *rand.Rand) (Point, error) { panic("stub") }

// Default is the point of all defaults; ok is false unless at least one
// parameter has a default (the others take the middle of their range).
func (s *Space) Default() (p Point, ok bool) { panic("stub") }

// Text is what a command sees of the value of parameter i.
func (s *Space) Text(i int, v Value) string { panic("stub") }

// Translate carries a point of another version over, by name; ok is false if
// it is not valid here (out of range, another kind, an active parameter that
// it does not have).
func (s *Space) Translate(from *Space, p Point) (q Point, ok bool) { panic("stub") }

// Diff describes in lines how to differs from s; empty if equal.
func (s *Space) Diff(to *Space) []string { panic("stub") }
