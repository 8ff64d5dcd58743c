package sqlstore

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// encoded is a batch as rows of SQL values. It is made by the goroutine that
// commits, so that the writer, of which there is one, has less to do.
type encoded struct {
	fence [6]any // the arguments of fenceStatement
	study int64
	epoch int64
	from  [2]int64 // FromSeq, FromNumber
	// rows of each table, one after another.
	rows [numTables][]any
	// steps are the other statements, in order.
	steps []step
}

type step struct {
	statement statement
	args      []any
	// missed makes the error for the case that no row was touched; nil if that
	// is fine.
	missed func() error
}

// The values of kind.
const (
	finiteKind = int64(iota)
	nanKind
	posInfKind
	negInfKind
)

// follows tells that e takes the study on from where o leaves it.
func (e *encoded) follows(o *encoded) bool {
	return e.study == o.study && e.epoch == o.epoch && e.from == [2]int64{o.fence[0].(int64), o.fence[1].(int64)}
}

func encode(b *store.Batch) (*encoded, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	e := &encoded{
		fence: [6]any{b.ToSeq, b.ToNumber, b.Study, b.Epoch, b.FromSeq, b.FromNumber},
		study: b.Study, epoch: b.Epoch, from: [2]int64{b.FromSeq, b.FromNumber},
	}
	for _, m := range b.Mutations {
		if err := e.add(m); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *encoded) add(m store.Mutation) error {
	switch m := m.(type) {
	case store.AddTrial:
		return e.addTrial(m.Trial)
	case store.UpdateTrial:
		e.updateTrial(m.Trial)
	case store.UpdatePoint:
		params, err := m.Trial.Params.AppendJSON(nil)
		if err != nil {
			return types.Errorf(types.Internal, "trial %d: %w", m.Trial.Number, err)
		}
		e.step(updatePointStatement, nil, store.Text(string(params)), m.Trial.SpaceVersion, store.Text(m.Trial.Arm), e.study, m.Trial.Number)
	case store.PutAttempt:
		e.putAttempt(m.Attempt)
	case store.PutReports:
		e.putReports(m.Reports)
	case store.AddEvents:
		e.addEvents(m.Events)
	case store.PutStudy:
		return e.putStudy(m)
	case store.AddSpace:
		e.step(setSpaceStatement, func() error {
			return types.Errorf(types.Conflict, "study %d is not at space version %d, so %d cannot be added",
				e.study, m.Version-1, m.Version)
		}, m.Version, e.study, m.Version-1)
		e.step(addSpaceStatement, nil, e.study, m.Version, micros(m.Time), store.Text(string(m.JSON)))
	case store.AddDecision:
		e.step(addDecisionStatement, nil, e.study, m.Seq, m.Trial, m.Step, string(m.Kind), store.Text(m.Reason), micros(m.Time))
	case store.PutSuggesterState:
		e.step(putStateStatement, nil, e.study, m.Seq, store.Text(m.Name), m.Version, blob(m.State))
	case store.PutDigest:
		e.step(putDigestStatement, nil, e.study, m.From, m.To, blob(m.Data))
	case store.PutAttribute:
		if m.Value == nil {
			e.step(dropAttributeStatement, nil, e.study, m.Trial, store.Text(m.Namespace), store.Text(m.Key))
		} else {
			e.step(putAttributeStatement, nil, e.study, m.Trial, store.Text(m.Namespace), store.Text(m.Key), blob(m.Value))
		}
	case store.PutRequestKey:
		e.step(putRequestKeyStatement, nil, e.study, store.Text(m.Key), blob(m.BodyHash), blob(m.Response), micros(m.Time))
	case store.AnswerCommand:
		e.step(answerCommandStatement, func() error {
			return types.Errorf(types.Conflict, "study %d has no open command %d", e.study, m.ID)
		}, blob(m.Response), micros(m.Time), m.ID, e.study)
	}
	return nil
}

func (e *encoded) step(s statement, missed func() error, args ...any) {
	for i, a := range args {
		if n, ok := a.(int); ok {
			args[i] = int64(n)
		}
	}
	e.steps = append(e.steps, step{s, args, missed})
}

func (e *encoded) addTrial(t *trial.Trial) error {
	params, err := t.Params.AppendJSON(nil)
	if err != nil {
		return types.Errorf(types.Internal, "trial %d: %w", t.Number, err)
	}
	var explain any
	if len(t.Explain) > 0 {
		explain = store.Text(string(t.Explain))
	}
	e.rows[trialsTable] = append(e.rows[trialsTable],
		e.study, t.Number, string(t.State), store.Text(t.Reason), int64(t.SpaceVersion), int64(t.Priority),
		int64(t.Attempts), int64(t.Lost), t.Step, micros(t.Created), optional(t.Started), optional(t.Finished),
		t.Parent, t.Budget, string(t.Origin), store.Text(t.Arm), store.Text(string(params)), basis(t.Basis), explain)
	e.putMetrics(t)
	return nil
}

func (e *encoded) updateTrial(t *trial.Trial) {
	e.steps = append(e.steps, step{statement: updateTrialStatement, args: []any{
		string(t.State), store.Text(t.Reason), int64(t.Priority), int64(t.Attempts), int64(t.Lost), t.Step, t.Budget,
		optional(t.Started), optional(t.Finished), e.study, t.Number,
	}})
	e.putMetrics(t)
}

func (e *encoded) putMetrics(t *trial.Trial) {
	for name, v := range t.Metrics {
		value, kind := split(v)
		e.rows[metricsTable] = append(e.rows[metricsTable], e.study, t.Number, store.Text(name), value, kind)
	}
}

func (e *encoded) putAttempt(a *trial.Attempt) {
	var exit any
	if a.Exit != nil {
		exit = int64(*a.Exit)
	}
	e.rows[attemptsTable] = append(e.rows[attemptsTable],
		e.study, a.Trial, int64(a.Number), string(a.State), store.Text(a.Token), store.Text(a.Worker),
		store.Text(a.Executor), store.Text(a.Node), store.Text(a.Handle), int64(a.HandleVersion), store.Text(a.Dir),
		string(a.Stopping), store.Text(a.Reason), store.Text(a.Cursor), exit, store.Text(a.Signal),
		micros(a.Leased), optional(a.Expires), optional(a.Ended), store.Text(a.Key))
}

func (e *encoded) putReports(reports []trial.Report) {
	rows := slices.Grow(e.rows[reportsTable], len(reports)*len(tableSpecs[reportsTable].columns))
	for i := range reports {
		r := &reports[i]
		value, kind := split(r.Value)
		rows = append(rows, e.study, r.Trial, r.Seq, int64(r.Attempt), r.Step, micros(r.Time), kind, value, store.Text(r.Metric))
	}
	e.rows[reportsTable] = rows
}

func (e *encoded) addEvents(events []trial.Event) {
	rows := e.rows[eventsTable]
	for i := range events {
		v := &events[i]
		var payload any
		if len(v.Detail) > 0 {
			payload = store.Text(string(v.Detail))
		} else if v.Kind == trial.EventReported {
			continue // its report is all there is to store
		}
		rows = append(rows, e.study, v.Seq, string(v.Kind), v.Trial, micros(v.Time), int64(v.SpaceVersion), payload)
	}
	e.rows[eventsTable] = rows
}

func (e *encoded) putStudy(m store.PutStudy) error {
	spec, err := specJSON(&m.Spec)
	if err != nil {
		return err
	}
	e.step(putStudyStatement, func() error {
		return types.Errorf(types.Invalid, "study %d is not %q of project %q; neither can change",
			e.study, m.Spec.Name, m.Spec.Project).WithField("name")
	}, spec, string(m.State), store.Text(m.Reason), e.study, store.Text(m.Spec.Name), store.Text(m.Spec.Project))
	return nil
}

func specJSON(spec *types.StudySpec) (string, error) {
	b, err := json.Marshal(spec)
	if err != nil {
		return "", types.Errorf(types.Internal, "the study's specification has no JSON form: %w", err).WithField("spec")
	}
	return store.Text(string(b)), nil
}

// basis is the JSON form of b; it is written by hand because every trial has
// one.
func basis(b trial.Basis) string {
	out := append(make([]byte, 0, 48), `{"seq":`...)
	out = strconv.AppendInt(out, b.Seq, 10)
	for i, n := range b.Pending {
		if i == 0 {
			out = append(out, `,"pending":[`...)
		} else {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, n, 10)
	}
	if len(b.Pending) > 0 {
		out = append(out, ']')
	}
	if b.Copy != nil {
		c, err := json.Marshal(b.Copy)
		if err != nil {
			panic(err) // it has numbers only
		}
		out = append(append(out, `,"copy":`...), c...)
	}
	return string(append(out, '}'))
}

// split gives the columns value and kind of v.
func split(v float64) (value any, kind int64) {
	switch {
	case math.IsNaN(v):
		return nil, nanKind
	case math.IsInf(v, 1):
		return v, posInfKind
	case math.IsInf(v, -1):
		return v, negInfKind
	}
	return v, finiteKind
}

func micros(t time.Time) int64 { return t.UnixMicro() }

func optional(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// blob is never nil: a nil slice would become NULL.
func blob(b []byte) []byte { return append([]byte{}, b...) }
