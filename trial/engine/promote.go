package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// budgetOf is how far a trial should train in its next attempt; what it has if
// the stopper does not say.
func (s *study) budgetOf(lt *liveTrial) float64 {
	if b, ok := s.stopper.(earlystop.Budgeter); ok {
		if step, _ := b.Budget(lt.Number); step > 0 {
			return float64(step)
		}
	}
	return lt.Budget
}

// summed are the measured metrics that a trial's attempts add up to.
var summed = []string{"trial.elapsed", "trial.cpu"}

// rested is what the event of a pause tells, in its Detail.
type rested struct {
	Values []types.Float          `json:"values"`
	Step   int64                  `json:"step"`
	Spent  map[string]types.Float `json:"spent,omitempty"` // of summed
}

// pause lets a trial wait whose attempt has ended well, and reports whether it
// has to: it is at its budget, but not at its end.
func (s *study) pause(tx *txn, lt *liveTrial, given map[string]types.Float) bool {
	p, ok := s.stopper.(earlystop.Promoter)
	if !ok {
		return false
	}
	budget, whole := p.Budget(lt.Number)
	if whole || lt.Step < budget {
		return false
	}
	d := rested{Step: lt.Step, Spent: map[string]types.Float{}}
	for _, name := range summed {
		if v, ok := given[name]; ok {
			d.Spent[name] = v
		}
	}
	lt.rest(d)
	values := s.objectives(lt.finals(s.st.Spec.Strategy, nil))
	for _, v := range values {
		d.Values = append(d.Values, types.Float(v))
	}
	s.payAhead(lt)
	s.mustStep(lt, trial.Pause)
	lt.stop, lt.Reason = types.Decision{}, fmt.Sprintf("it waits at step %d", lt.Step)
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // its fields always encode
	}
	s.saveTrial(lt)
	s.emit(trial.Event{Kind: trial.EventPaused, Trial: lt.Number, Time: tx.now, Detail: b, Finish: d.finish()})
	if s.st.State == types.StudyFinished || s.st.State == types.StudyStopped {
		s.prunePaused(tx, s.st.Reason)
	}
	return true
}

// early says of a trial that completes that it did not get to the end of its budget,
// and so is never compared with those that did; "" if it did. Mostly its program
// counts its steps from 0, or not at all.
func (s *study) early(lt *liveTrial) string {
	p, ok := s.stopper.(earlystop.Promoter)
	if !ok {
		return ""
	}
	budget, whole := p.Budget(lt.Number)
	switch {
	case whole || lt.Step >= budget:
		return ""
	case lt.Step < 0:
		return fmt.Sprintf("it ended without a step, and so counts as whole: its budget was step %d", budget)
	}
	return fmt.Sprintf("it ended at step %d of its budget of %d, and so counts as whole: "+
		"the last step of a budget is reported as that number", lt.Step, budget)
}

func restedOf(ev trial.Event) (d rested, err error) {
	if err := json.Unmarshal(ev.Detail, &d); err != nil {
		return d, types.Errorf(types.Internal, "stored event %d: %w", ev.Seq, err)
	}
	return d, nil
}

// primary is the metric of the first objective.
func (s *study) primary() string { return s.st.Spec.Objectives[0].Metric }

// finish is the form in which algorithms are told.
func (d *rested) finish() *trial.Finish {
	f := &trial.Finish{State: types.Pruned, Step: d.Step}
	for _, v := range d.Values {
		f.Values = append(f.Values, float64(v))
	}
	return f
}

// rest makes what the trial has reported the beginning of its next attempt.
func (lt *liveTrial) rest(d rested) {
	lt.base = copySeries(lt.series)
	spent := maps.Clone(lt.spent)
	for name, v := range d.Spent {
		if spent == nil {
			spent = map[string]float64{}
		}
		spent[name] += float64(v)
	}
	lt.spent = spent
}

// rewind forgets what was reported since the last pause.
func (lt *liveTrial) rewind() {
	lt.series, lt.Step = copySeries(lt.base), -1
	if m := lt.series[lt.primary]; m != nil {
		lt.Step = m.lastStep
	}
}

func copySeries(m map[string]*series) map[string]*series {
	if m == nil {
		return nil
	}
	out := make(map[string]*series, len(m))
	for name, sr := range m {
		out[name] = new(*sr)
	}
	return out
}

// promote makes the paused trial that should go on the next of the queue, and
// returns it; nil if there is none.
func (s *study) promote(last bool) *liveTrial {
	p, ok := s.stopper.(earlystop.Promoter)
	if !ok || s.counts.Paused == 0 {
		return nil
	}
	return s.release(p.Promote(last))
}

// release lets a paused trial go on; nil if number is none.
func (s *study) release(number int64) *liveTrial {
	lt := s.live[number]
	if lt == nil || lt.State != types.Paused {
		return nil
	}
	s.mustStep(lt, trial.Promote)
	lt.Reason = ""
	s.enqueue(lt)
	s.saveTrial(lt)
	return lt
}

// lastly is for when no new trial can be created: the best of the paused trials
// go on once nothing else runs, then the study is over.
func (s *study) lastly(tx *txn, reason string) (*liveTrial, types.LeaseStatus, string, error) {
	if s.counts.Running == 0 && s.overspent() == "" {
		if lt := s.promote(true); lt != nil {
			return lt, types.LeaseGranted, "", nil
		}
	}
	return s.idle(tx, reason)
}

// prunePaused ends the paused trials of a study that is over.
func (s *study) prunePaused(tx *txn, why string) {
	if s.counts.Paused == 0 {
		return
	}
	paused := slices.Collect(maps.Values(s.live))
	paused = slices.DeleteFunc(paused, func(lt *liveTrial) bool { return lt.State != types.Paused })
	slices.SortFunc(paused, func(a, b *liveTrial) int { return cmp.Compare(a.Number, b.Number) })
	for _, lt := range paused {
		reason := fmt.Sprintf("paused at step %d, and not among the best when the study ended", lt.Step)
		if why != "" {
			reason += ": " + why
		}
		s.closeTrial(tx, lt, trial.Prune, reason, nil)
	}
}

// rests remembers the points of unfinished trials and which of them are paused.
// To an algorithm a pause is an end as pruned, and going on is another trial of
// that number: so it learns from what a paused trial reached.
type rests struct {
	created map[int64]trial.Event
	paused  map[int64]bool
}

// told is what an algorithm is told of ev.
func (r *rests) told(ev trial.Event) []trial.Event {
	switch ev.Kind {
	case trial.EventCreated:
		if r.created == nil {
			r.created, r.paused = map[int64]trial.Event{}, map[int64]bool{}
		}
		r.created[ev.Trial] = ev
	case trial.EventDrawn:
		if c, ok := r.created[ev.Trial]; ok && ev.Point != nil {
			c.Point = ev.Point
			r.created[ev.Trial] = c
		}
	case trial.EventPaused:
		r.paused[ev.Trial] = true
		ev.Kind, ev.Detail = trial.EventFinished, nil
	case trial.EventStarted:
		if r.paused[ev.Trial] {
			delete(r.paused, ev.Trial)
			again := r.created[ev.Trial]
			again.Seq, again.Time = ev.Seq, ev.Time
			return []trial.Event{again, ev}
		}
	case trial.EventFinished:
		known := r.paused[ev.Trial]
		delete(r.paused, ev.Trial)
		delete(r.created, ev.Trial)
		if known {
			return nil
		}
	case trial.EventReported, trial.EventRequeued, trial.EventSpace, trial.EventStudy:
	}
	return []trial.Event{ev}
}

// shadows follow, while a study is loaded, what its unfinished trials had at
// their last pause. A nil map follows nothing.
type shadows map[int64]*liveTrial

func (h shadows) follow(ev trial.Event, primary string) error {
	if h == nil {
		return nil
	}
	lt := h[ev.Trial]
	switch ev.Kind {
	case trial.EventCreated:
		h[ev.Trial] = &liveTrial{primary: primary}
	case trial.EventReported:
		if lt != nil {
			lt.add(ev.Report.Metric, ev.Report.Step, ev.Report.Value)
		}
	case trial.EventPaused:
		d, err := restedOf(ev)
		if err != nil {
			return err
		}
		if lt != nil {
			lt.rest(d)
		}
	case trial.EventRequeued, trial.EventStarted:
		if lt != nil {
			lt.rewind()
		}
	case trial.EventFinished:
		delete(h, ev.Trial)
	case trial.EventDrawn, trial.EventSpace, trial.EventStudy:
	}
	return nil
}
