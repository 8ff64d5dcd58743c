package space

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"github.com/gotuner/tuner/api/types"
)

const (
	maxConstraints      = 1000
	maxConstraintLength = 1000 // bytes
	maxConstraintNodes  = 300
)

// constraint is a compiled constraint. The expression library reads the text;
// the tree is compiled to closures over a Point here, because constraints are
// a small part of that language, run for each drawn point, and must neither
// allocate nor call anything else.
type constraint struct {
	text string
	refs []int // parameters it names, ascending, each once
	expr expression
}

// holds reports whether the constraint is satisfied or names an inactive
// parameter. Where a part that is evaluated has no value (a division by zero,
// NaN compared), it is not satisfied.
func (c *constraint) holds(p Point) bool {
	for _, i := range c.refs {
		if p[i] == nil {
			return true
		}
	}
	r := c.expr.eval(p)
	return r.kind == boolResult && r.b
}

// gap is 0 if the constraint holds, else in (0,1] how far p is from it.
func (c *constraint) gap(p Point) float64 {
	if c.holds(p) {
		return 0
	}
	return math.Max(c.expr.distance(p), math.SmallestNonzeroFloat64)
}

// compileConstraints leaves out those that name a parameter with faults, which
// are reported there.
func (s *Space) compileConstraints(texts []string, ok []bool, f *faults) {
	if len(texts) > maxConstraints {
		f.add(fault("space.constraints", "there are %d constraints; %d is the most", len(texts), maxConstraints))
		return
	}
	for i, text := range texts {
		k := &constraintCompiler{space: s, ok: ok, refs: map[int]bool{}}
		c, err := k.constraint(strings.TrimSpace(text), fmt.Sprintf("space.constraints[%d]", i))
		switch {
		case k.faulty:
		case err != nil:
			f.add(err)
		default:
			s.constraints = append(s.constraints, c)
		}
	}
}

func (k *constraintCompiler) constraint(text, field string) (*constraint, *types.Error) {
	switch {
	case text == "":
		return nil, fault(field, "the constraint is empty").WithRemedy("write one such as lr * layers <= 0.5, or leave it out")
	case len(text) > maxConstraintLength:
		return nil, fault(field, "the constraint has %d bytes; %d is the most", len(text), maxConstraintLength)
	case !utf8.ValidString(text):
		return nil, fault(field, "the constraint %q is no valid UTF-8", text)
	}
	if op, at := hiddenOperator(text); op != "" {
		return nil, fault(field, "in %s: %s is no part of constraints at column %d", text, op, at).
			WithRemedy("write floor(x / y) for a whole division, abs(x) for a call; %s", constraintHelp)
	}
	config := conf.CreateNew()
	config.MaxNodes = maxConstraintNodes
	tree, err := parser.ParseWithConfig(text, config)
	if err != nil {
		return nil, syntaxFault(text, field, err)
	}
	e, refused := k.compile(tree.Node)
	switch {
	case refused != nil:
		refused.Message = "in " + text + ": " + refused.Message
		return nil, refused.WithField(field)
	case e.typ != boolType:
		return nil, fault(field, "%s is %s, neither true nor false", text, e.typ).
			WithRemedy("compare it with something, as in x <= 1")
	case len(k.refs) == 0:
		return nil, fault(field, "%s names no parameter", text).WithRemedy("known are %s", list(k.space.references()))
	}
	c := &constraint{text: text, expr: e}
	for i := range k.refs {
		c.refs = append(c.refs, i)
	}
	slices.Sort(c.refs)
	return c, nil
}

func syntaxFault(text, field string, err error) *types.Error {
	msg, at := err.Error(), ""
	if fe, ok := errors.AsType[*file.Error](err); ok {
		msg, at = fe.Message, fmt.Sprintf(" at column %d", fe.Column+1)
	}
	if strings.Contains(msg, "maximum allowed nodes") {
		return fault(field, "the constraint is too long: it has more than %d operators, names and numbers", maxConstraintNodes)
	}
	switch {
	case strings.Contains(msg, "token EOF"):
		return fault(field, "in %s: something is missing at its end", text).WithRemedy("%s", constraintHelp)
	case strings.Contains(msg, `Operator("=")`):
		return fault(field, "in %s: one = does not compare%s", text, at).WithRemedy("write == for equal, <= or >= for at most and at least")
	}
	return fault(field, "in %s: %s%s", text, msg, at).WithRemedy("%s", constraintHelp)
}

const constraintHelp = "a constraint knows + - * / % **, == != < <= > >=, in [...], and or not, ? :, " +
	"and the functions abs ceil exp floor log max min round sqrt"

// hiddenOperator finds what the parser takes without a trace in its tree:
// comments, as which a whole division // would cut off the rest of the
// constraint in silence, and the pipe. It returns the column from 1.
func hiddenOperator(text string) (op string, column int) {
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		rest := text[i:]
		switch {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case strings.HasPrefix(rest, "||"):
			i++
		case strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "/*"):
			return rest[:2], utf8.RuneCountInString(text[:i]) + 1
		case c == '|':
			return "|", utf8.RuneCountInString(text[:i]) + 1
		}
	}
	return "", 0
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// words are read by the expression language as something else than names.
var words = []string{"true", "false", "nil", "in", "not", "and", "or", "let", "if", "else", "matches", "contains", "startsWith", "endsWith"}

// references are the names of the parameters as constraints write them.
func (s *Space) references() []string {
	names := s.names()
	for i, n := range names {
		if !identifier.MatchString(n) || slices.Contains(words, n) {
			names[i] = fmt.Sprintf("$env[%q]", n)
		}
	}
	return names
}
