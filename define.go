package tuner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/gotuner/tuner/api/types"
)

// Open lets programs add parameters while they run (Trial.Float and so on), to
// those that are declared. A Config without a Space has an open one.
func (s *Space) Open() { s.open = true }

// Float draws a parameter between low and high, both included, in the trial of a
// study whose space is open: the search space is then what the program asks for.
//
// The value is stored before it is returned; the same name again gives the same
// value, also in a later attempt of the trial. The same name with another kind
// or other bounds is an error, in this trial and in any other. Options are those
// of Range; a Default is the value in the trial that names the parameter first.
//
// A draw that fails ends the trial's Context; it returns low, and Err says what
// was wrong. Run fails the trial then, and Tell refuses to complete it. Of a
// study whose space is not open, and in a process (Current), Float returns the
// parameter of that name, which must fit.
func (t *Trial) Float(name string, low, high float64, opts ...Option) float64 {
	return draw(t, &parameter{name: name, kind: "float", low: low, high: high}, opts, low)
}

// Int is Float for whole numbers.
func (t *Trial) Int(name string, low, high int, opts ...Option) int {
	return draw(t, &parameter{name: name, kind: "int", low: int64(low), high: int64(high)}, opts, low)
}

// Bool is Float for true or false.
func (t *Trial) Bool(name string, opts ...Option) bool {
	return draw(t, &parameter{name: name, kind: "bool"}, opts, false)
}

// Choice is Float for one of several unordered texts; see OneOf for other types.
func (t *Trial) Choice(name string, choices ...string) string {
	return OneOf(t, name, choices)
}

// OneOf draws one of several unordered values, as Trial.Float does.
func OneOf[T Value](t *Trial, name string, choices []T, opts ...Option) T {
	p := &parameter{name: name, kind: "categorical"}
	for _, c := range choices {
		p.choices = append(p.choices, wire(c))
	}
	var first T
	if len(choices) > 0 {
		first = choices[0]
	}
	return draw(t, p, opts, first)
}

// Err is what was wrong with the first draw that failed, nil if none did.
func (t *Trial) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fault
}

// draw returns the value of p in the trial; instead after a failure.
func draw[T Value](t *Trial, p *parameter, opts []Option, instead T) T {
	for _, o := range opts {
		o(p)
	}
	v, err := t.draw(p)
	if err == nil {
		if i, isInt := v.(int64); isInt {
			if _, wantInt := any(instead).(int); wantInt {
				v = int(i)
			}
		}
		out, ok := v.(T)
		if ok {
			return out
		}
		err = types.Errorf(types.Internal, "the value %v is no %T", v, instead).WithField("params." + p.name)
	}
	t.fail(err)
	return instead
}

// fail keeps the first error of a draw and ends the trial's context with it.
func (t *Trial) fail(err error) {
	t.mu.Lock()
	if t.fault == nil {
		t.fault = err
	}
	t.mu.Unlock()
	if c := types.CodeOf(err); c == types.Superseded || c == types.NotFound {
		t.halt(types.Decision{Stop: true, Kind: types.StopSuperseded, Reason: err.Error()})
	}
	t.cancel(err)
}

// drawn is a parameter as the trial asked for it.
type drawn struct {
	definition json.RawMessage
	value      any
}

func (t *Trial) draw(p *parameter) (any, error) {
	def, err := p.append(nil)
	if err != nil {
		return nil, types.Errorf(types.Invalid, "%w", err).WithField("space." + p.name)
	}
	t.drawing.Lock() // one at a time: the order of the draws is that of the calls
	defer t.drawing.Unlock()
	if d, ok := t.draws[p.name]; ok && bytes.Equal(d.definition, def) {
		return d.value, nil
	}
	t.mu.Lock()
	phase, fault := t.phase, t.fault
	t.mu.Unlock()
	switch {
	case phase != open:
		return nil, t.errOver()
	case fault != nil:
		return nil, fault
	}
	var reply types.ExtendReply
	err = persist(t.ctx, func() (err error) {
		reply, err = t.host.extend(t.ctx, types.ExtendRequest{Ref: t.lease.Ref, Parameters: []json.RawMessage{def}})
		return err
	})
	if err != nil {
		if t.ctx.Err() != nil {
			err = context.Cause(t.ctx)
		}
		return nil, err
	}
	if len(reply.Params) != 1 || reply.Params[0].Name != p.name {
		return nil, types.Errorf(types.Internal, "the answer to %s has no value of it", p.name)
	}
	v := reply.Params[0].Value
	if i, isInt := v.(int64); isInt && p.kind == "float" { // a choice such as 0 of a sweep
		v = float64(i)
	}
	if err := p.fits(v); err != nil {
		return nil, err
	}
	if t.draws == nil {
		t.draws = map[string]drawn{}
	}
	t.draws[p.name] = drawn{def, v}
	t.mu.Lock()
	if _, there := t.params.Get(p.name); !there {
		t.params = append(slices.Clip(t.params), types.Param{Name: p.name, Value: v})
	}
	t.mu.Unlock()
	return v, nil
}

// fits reports what is wrong with v as a value of p, which was chosen elsewhere.
func (p *parameter) fits(v any) error {
	bad := func() error {
		return types.Errorf(types.Conflict, "%s is %v, which the program does not allow: %s", p.name, v, p.words()).
			WithField("params." + p.name).WithRemedy("make the program and the study agree")
	}
	switch p.kind {
	case "float":
		if f, ok := v.(float64); !ok || !(f >= p.low.(float64) && f <= p.high.(float64)) {
			return bad()
		}
	case "int":
		if i, ok := v.(int64); !ok || i < p.low.(int64) || i > p.high.(int64) {
			return bad()
		}
	case "bool":
		if _, ok := v.(bool); !ok {
			return bad()
		}
	default:
		if !slices.Contains(p.choices, v) {
			return bad()
		}
	}
	return nil
}

func (p *parameter) words() string {
	if p.choices != nil {
		return fmt.Sprintf("%s of %v", p.kind, p.choices)
	}
	if p.low == nil {
		return p.kind
	}
	return fmt.Sprintf("%s from %v to %v", p.kind, p.low, p.high)
}
