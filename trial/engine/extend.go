package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// Extend draws parameters for a running trial; see types.ExtendRequest. It is
// idempotent: what was drawn stays.
func (e *Engine) Extend(ctx context.Context, req types.ExtendRequest) (types.ExtendReply, error) {
	return call(ctx, e, req.Ref.Study, kindExtend, req, func(s *study, tx *txn) (types.ExtendReply, error) {
		return s.extend(tx, req)
	})
}

// mostDraws bounds the parameters of one request.
const mostDraws = 1000

// extend answers an ExtendRequest. Everything that can fail comes before the
// first change.
func (s *study) extend(tx *txn, req types.ExtendRequest) (types.ExtendReply, error) {
	var none types.ExtendReply
	lt, err := s.holder(req.Ref)
	if err != nil {
		return none, err
	}
	if n := len(req.Parameters); n == 0 || n > mostDraws {
		return none, types.Errorf(types.Invalid, "%d parameters are asked for", n).WithField("parameters").
			WithRemedy("ask for 1 to %d at once", mostDraws)
	}
	next, asked, err := s.extended(req.Parameters)
	if err != nil {
		return none, err
	}
	point, ok := next.Translate(s.spaces[lt.SpaceVersion-1], lt.point)
	if !ok {
		return none, types.Errorf(types.Conflict, "the space was changed, and the point of trial %d is not valid in it any more", lt.Number).
			WithRemedy("end the trial and ask for another")
	}
	for _, p := range asked {
		if i := next.Index(p.Name); !next.Param(i).Dynamic && point[i] == nil {
			return none, types.Errorf(types.Conflict, "the parameter is inactive in trial %d", lt.Number).WithField("params."+p.Name).
				WithRemedy("ask for it only where its condition holds: %s", next.Param(i).Summary())
		}
	}
	known := s.st.Space
	if next != known {
		s.grow(tx, next)
	}
	s.renew(lt, tx.now)
	reply := types.ExtendReply{SpaceVersion: s.st.SpaceVersion}
	for _, p := range asked {
		i := next.Index(p.Name)
		if _, had := lt.Params.Get(p.Name); !had {
			s.draw(tx, lt, point, i, known.Index(p.Name) < 0)
		}
		v, _ := lt.Params.Get(p.Name)
		reply.Params = append(reply.Params, types.Param{Name: p.Name, Value: v})
	}
	return reply, nil
}

// extended is the current space with those of the parameters that it lacks.
func (s *study) extended(raw []json.RawMessage) (*space.Space, []space.Parameter, error) {
	next := s.st.Space
	asked := make([]space.Parameter, len(raw))
	for k, b := range raw {
		p, err := space.ParseNamed(b)
		if err != nil {
			return nil, nil, err
		}
		asked[k] = p
		if p.When != nil {
			return nil, nil, types.Errorf(types.Invalid, "a program decides itself when it asks for a parameter").
				WithField("space." + p.Name + ".when").WithRemedy("leave the condition out")
		}
		if i := next.Index(p.Name); i >= 0 {
			if err := next.Agrees(i, p); err != nil {
				return nil, nil, err
			}
			continue
		}
		if !next.Open() {
			return nil, nil, types.Errorf(types.Conflict, "the study has no parameter %q, and its space is not open", p.Name).
				WithField("space." + p.Name).WithRemedy(`use one of its own, declare it, or make a study whose space has "open": true`)
		}
		if next, err = next.Extend(p); err != nil {
			return nil, nil, err
		}
	}
	return next, asked, nil
}

// grow makes next the study's space.
func (s *study) grow(tx *txn, next *space.Space) {
	s.st.Spec.Space = next.AppendJSON(nil)
	s.put(store.PutStudy{Spec: s.st.Spec, State: s.st.State, Reason: s.st.Reason})
	s.newSpace(tx, next)
	s.exhausted = false
	// An algorithm that was not made for spaces that grow begins anew, as it does
	// when the study is loaded: what it proposes must not depend on which it was.
	if _, ok := s.suggest.(suggest.Extender); !ok {
		tx.retire = true
	}
}

// draw gives parameter i of the current space a value in the trial, whose
// expected point is p: that of its plan, else the default where the parameter is
// new, else one that the algorithm chooses.
func (s *study) draw(tx *txn, lt *liveTrial, p space.Point, i int, isNew bool) {
	par := s.st.Space.Param(i)
	x := suggest.Extension{Value: p[i], Arm: "plan"}
	if x.Value == nil {
		x = s.choose(lt, p, i, isNew)
		lt.Arm = addArm(lt.Arm, x.Arm)
	}
	changed := p[i] == nil
	p[i] = x.Value
	known := append(slices.Clone(lt.Params), types.Param{Name: par.Name, Value: x.Value})
	q, err := s.st.Space.FromParams(known)
	if err != nil {
		panic(err) // its values are of this space
	}
	lt.point, lt.SpaceVersion, lt.Params = p, s.st.SpaceVersion, s.st.Space.Params(q)
	s.exhausted = false
	s.put(store.UpdatePoint{Trial: &lt.Trial})
	ev := trial.Event{Kind: trial.EventDrawn, Trial: lt.Number, Time: tx.now, SpaceVersion: lt.SpaceVersion}
	d := drawDetail{Param: par.Name, Value: types.Params{{Name: par.Name, Value: x.Value}}, Arm: x.Arm}
	if changed {
		ev.Point = slices.Clone(p)
		d.Point = new(s.st.Space.Params(p))
	}
	ev.Detail = encodeDraw(d)
	s.emit(ev)
}

func (s *study) choose(lt *liveTrial, p space.Point, i int, isNew bool) suggest.Extension {
	par := s.st.Space.Param(i)
	if isNew && par.Default != nil {
		return suggest.Extension{Value: par.Default, Arm: string(trial.FromDefault)}
	}
	if ext, ok := s.suggest.(suggest.Extender); ok {
		x, err := ext.Extend(context.Background(), suggest.ExtendRequest{Number: lt.Number, Param: i, Point: p})
		if err == nil && par.Check(x.Value) == nil {
			return x
		}
		s.e.cfg.Logger.Warn("the algorithm did not choose a value; it is drawn at random", "study", s.id, "param", par.Name, "error", err)
	}
	return suggest.Draw(s.st.Space, s.st.Spec.Seed, lt.Number, i)
}

// addArm names all that had a part in a point, each once.
func addArm(arms, arm string) string {
	if arms == "" {
		return arm
	}
	if slices.Contains(strings.Split(arms, ","), arm) {
		return arms
	}
	return arms + "," + arm
}

// settled is the trial's point without what its program has not asked for.
func (lt *liveTrial) settled(sp *space.Space) space.Point {
	if !sp.Dynamic() {
		return lt.point
	}
	p := slices.Clone(lt.point)
	for i := range p {
		if _, had := lt.Params.Get(sp.Param(i).Name); !had {
			p[i] = nil
		}
	}
	return p
}

// conclude tells the algorithm, at the end of a trial, what it was.
func (s *study) conclude(tx *txn, lt *liveTrial) {
	sp := s.spaces[lt.SpaceVersion-1]
	p := lt.settled(sp)
	if slices.Equal(p, lt.point) {
		return
	}
	lt.point = p
	now, ok := s.st.Space.Translate(sp, p)
	if !ok { // it is unknown to the algorithm
		return
	}
	s.exhausted = false
	s.emit(trial.Event{Kind: trial.EventDrawn, Trial: lt.Number, Time: tx.now, Point: now, SpaceVersion: s.st.SpaceVersion,
		Detail: encodeDraw(drawDetail{Settled: true, Point: new(s.st.Space.Params(now))})})
}

// drawDetail is the stored form of EventDrawn, and of what EventCreated plans.
type drawDetail struct {
	Param string       `json:"param,omitempty"`
	Value types.Params `json:"value,omitempty"`
	Arm   string       `json:"arm,omitempty"`
	// Settled: what was planned and not drawn is void.
	Settled bool `json:"settled,omitempty"`
	// Point is what the trial is expected to be now, if that has changed.
	Point *types.Params `json:"point,omitempty"`
	// Plan are the values of dynamic parameters of a new trial.
	Plan types.Params `json:"plan,omitempty"`
}

func encodeDraw(d drawDetail) json.RawMessage {
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // values of a space always encode
	}
	return b
}

// planOf is the detail of a new trial's event, nil if it has no plan.
func (s *study) planOf(lt *liveTrial) json.RawMessage {
	if !s.st.Space.Dynamic() {
		return nil
	}
	var plan types.Params
	for i, v := range lt.point {
		if par := s.st.Space.Param(i); v != nil && par.Dynamic {
			plan = append(plan, types.Param{Name: par.Name, Value: v})
		}
	}
	if plan == nil {
		return nil
	}
	return encodeDraw(drawDetail{Plan: plan})
}

// planned is the point of a stored trial as it was created: of what is dynamic
// its row has what was drawn since.
func planned(sp *space.Space, se store.StoredEvent) (space.Point, error) {
	p, err := sp.FromParams(se.Params)
	if err != nil || !sp.Dynamic() || se.Trial.Origin == trial.FromImport {
		return p, err
	}
	var d drawDetail
	if len(se.Detail) > 0 {
		if err := json.Unmarshal(se.Detail, &d); err != nil {
			return nil, err
		}
	}
	return sp.FromParams(append(sp.Params(sp.Declared(p)), d.Plan...))
}

// expected is the point of a stored EventDrawn, nil if it did not change.
func expected(sp *space.Space, detail json.RawMessage) (space.Point, error) {
	var d drawDetail
	if err := json.Unmarshal(detail, &d); err != nil || d.Point == nil {
		return nil, err
	}
	return sp.FromParams(*d.Point)
}

// expect notes, while events are replayed, what an unfinished trial of an open
// space will be; ev.Point is in the current space, if the trial has a place
// there.
func (r *replayer) expect(ev trial.Event) {
	if r.st.Space.Open() && ev.Point != nil && !r.hidden[ev.Trial] {
		r.plans[ev.Trial] = slices.Clone(ev.Point)
	}
}

// replan gives a loaded trial the plan that it had.
func (s *study) replan(lt *liveTrial) {
	if p, ok := s.plans[lt.Number]; ok {
		lt.point, lt.SpaceVersion = p, s.st.SpaceVersion
	}
}

// continued is the space that a continuation wants, with what the trials have
// added meanwhile. An open space without parameters wants what there is.
func continued(old *space.Space, raw json.RawMessage) (*space.Space, error) {
	wanted, err := space.Parse(raw)
	if err != nil {
		return nil, err
	}
	if wanted.Open() && wanted.Len() == 0 {
		return old, nil
	}
	return wanted.WithDynamicOf(old)
}
