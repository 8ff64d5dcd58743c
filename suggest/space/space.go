// Package space is the search space: parameters, conditions, constraints, and
// the operations that every algorithm shares, so that none invents its own.
//
// It is a leaf: it imports api/types and the expression library only.
package space

// Kind is the kind of a parameter.
type Kind string

// The kinds.
const (
	Float       Kind = "float"
	Int         Kind = "int"
	Bool        Kind = "bool"
	Categorical Kind = "categorical" // unordered choices
	Ordinal     Kind = "ordinal"     // ordered choices
	Constant    Kind = "constant"    // one value
)

// Scale is how a numeric range is laid on [0,1].
type Scale string

// The scales. ReverseLog is fine near the high end: x = high + low - exp(u).
const (
	Linear     Scale = "linear"
	Log        Scale = "log"
	ReverseLog Scale = "reverse-log"
)

// Value is an int64 (kind Int), float64 (kind Float), bool (kind Bool), or,
// for choices and constants, any of these or a string. nil means inactive.
type Value = any

// Point is one assignment: a value for each parameter of one Space, in the
// order of the space, nil where the parameter is inactive.
type Point []Value

// Choice is one value of a categorical, ordinal, bool or constant parameter.
type Choice struct {
	Value Value
	// Text is what a command sees; it is what the user typed ("1.10", "001",
	// "True"), else the canonical text of Value.
	Text string
}

// Prior is a normal distribution truncated to the range, in the parameter's
// own unit (in the logarithm for the logarithmic scales).
type Prior struct {
	Mean float64 `json:"mean"`
	SD   float64 `json:"sd"`
}

// Parameter is one dimension. Both ends of a range are included.
type Parameter struct {
	Name string
	Kind Kind
	// Low, High and Step are float64 for Float and int64 for Int, else nil.
	// A nil Step is continuous for Float and 1 for Int.
	Low, High, Step Value
	Scale           Scale // "" is Linear; numeric kinds only
	Choices         []Choice
	Default         Value // nil: none
	Prior           *Prior
	// Grid is the number of grid points of a continuous parameter; 0 is the
	// grid's default.
	Grid int
	// When is the condition under which the parameter is active; nil always.
	When Condition
}
