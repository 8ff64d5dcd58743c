package sqlstore

import (
	"encoding/json"
	"math"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// The rows of the tables as gorm reads and writes them. A test compares them
// with the migrated schema of both dialects.

type metaRow struct {
	One       int64 `gorm:"primaryKey;autoIncrement:false"`
	MinReader int64
}

func (metaRow) TableName() string { return "schema_meta" }

type projectRow struct {
	ID      int64 `gorm:"primaryKey"`
	Name    string
	Created int64
}

func (projectRow) TableName() string { return "projects" }

type studyRow struct {
	ID           int64 `gorm:"primaryKey"`
	ProjectID    int64
	Name         string
	Epoch        int64
	NextSeq      int64
	NextNumber   int64
	SpaceVersion int64
	LeaseUntil   *int64
	Owner        string
	OwnerAddr    string
	Created      int64
	State        string
	Reason       string
	Spec         string
	CreatedBy    string
}

func (studyRow) TableName() string { return "studies" }

type spaceRow struct {
	StudyID int64 `gorm:"primaryKey;autoIncrement:false"`
	Version int64 `gorm:"primaryKey;autoIncrement:false"`
	Created int64
	JSON    string `gorm:"column:json"`
}

func (spaceRow) TableName() string { return "spaces" }

type trialRow struct {
	ID           int64 `gorm:"primaryKey"`
	StudyID      int64
	Number       int64
	State        string
	Reason       string
	SpaceVersion int64
	Priority     int64
	Attempts     int64
	Lost         int64
	Step         int64
	Created      int64
	Started      *int64
	Finished     *int64
	Parent       int64
	Budget       float64
	Origin       string
	Arm          string
	Params       string
	Basis        string
	Explain      *string
}

func (trialRow) TableName() string { return "trials" }

type attemptRow struct {
	StudyID       int64 `gorm:"primaryKey;autoIncrement:false"`
	Trial         int64 `gorm:"primaryKey;autoIncrement:false"`
	Number        int64 `gorm:"primaryKey;autoIncrement:false"`
	State         string
	Token         string
	Worker        string
	Executor      string
	Node          string
	Handle        string
	HandleVersion int64
	Dir           string
	Stopping      string
	Reason        string
	Cursor        string
	ExitCode      *int64
	ExitSignal    string
	Leased        int64
	Expires       *int64
	Ended         *int64
	RequestKey    string
}

func (attemptRow) TableName() string { return "attempts" }

type metricRow struct {
	StudyID int64  `gorm:"primaryKey;autoIncrement:false"`
	Trial   int64  `gorm:"primaryKey;autoIncrement:false"`
	Metric  string `gorm:"primaryKey"`
	Value   *float64
	Kind    int64
}

func (metricRow) TableName() string { return "trial_metrics" }

type reportRow struct {
	StudyID int64 `gorm:"primaryKey;autoIncrement:false"`
	Trial   int64 `gorm:"primaryKey;autoIncrement:false"`
	Seq     int64 `gorm:"primaryKey;autoIncrement:false"`
	Attempt int64
	Step    int64
	Created int64
	Kind    int64
	Value   *float64
	Metric  string
}

func (reportRow) TableName() string { return "reports" }

type decisionRow struct {
	StudyID int64 `gorm:"primaryKey;autoIncrement:false"`
	Trial   int64 `gorm:"primaryKey;autoIncrement:false"`
	Seq     int64 `gorm:"primaryKey;autoIncrement:false"`
	Step    int64
	Kind    string
	Reason  string
	Created int64
}

func (decisionRow) TableName() string { return "decisions" }

type eventRow struct {
	StudyID      int64 `gorm:"primaryKey;autoIncrement:false"`
	Seq          int64 `gorm:"primaryKey;autoIncrement:false"`
	Kind         string
	Trial        int64
	Created      int64
	SpaceVersion int64
	Payload      *string
}

func (eventRow) TableName() string { return "events" }

type commandRow struct {
	ID         int64 `gorm:"primaryKey"`
	StudyID    int64
	Kind       string
	RequestKey *string
	Payload    []byte
	Created    int64
	Response   []byte
	Answered   *int64
}

func (commandRow) TableName() string { return "commands" }

type outboxRow struct {
	StudyID int64  `gorm:"primaryKey;autoIncrement:false"`
	Name    string `gorm:"primaryKey"`
	Seq     int64
}

func (outboxRow) TableName() string { return "outbox_cursors" }

type attributeRow struct {
	StudyID   int64  `gorm:"primaryKey;autoIncrement:false"`
	Trial     int64  `gorm:"primaryKey;autoIncrement:false"`
	Namespace string `gorm:"primaryKey"`
	Key       string `gorm:"primaryKey"`
	Value     []byte
}

func (attributeRow) TableName() string { return "attributes" }

type stateRow struct {
	StudyID int64 `gorm:"primaryKey;autoIncrement:false"`
	Seq     int64
	Name    string
	Version int64
	State   []byte
}

func (stateRow) TableName() string { return "suggester_state" }

type digestRow struct {
	StudyID int64 `gorm:"primaryKey;autoIncrement:false"`
	FromSeq int64 `gorm:"primaryKey;autoIncrement:false"`
	ToSeq   int64
	Data    []byte
}

func (digestRow) TableName() string { return "digests" }

type columnRow struct {
	StudyID int64  `gorm:"primaryKey;autoIncrement:false"`
	Param   string `gorm:"primaryKey"`
	Block   int64  `gorm:"primaryKey;autoIncrement:false"`
	Data    []byte
}

func (columnRow) TableName() string { return "trial_columns" }

type requestKeyRow struct {
	StudyID  int64  `gorm:"primaryKey;autoIncrement:false"`
	Key      string `gorm:"primaryKey"`
	BodyHash []byte
	Response []byte
	Created  int64
}

func (requestKeyRow) TableName() string { return "request_keys" }

type tokenRow struct {
	ID        int64 `gorm:"primaryKey"`
	ProjectID int64
	Name      string
	Hash      []byte
	Scopes    string // the role; see scopeOf
	Created   int64
	Expires   *int64
	LastUsed  *int64
	Owner     string
	Projects  string // names with spaces between
}

func (tokenRow) TableName() string { return "tokens" }

type workerRow struct {
	ProjectID int64  `gorm:"primaryKey;autoIncrement:false"`
	Name      string `gorm:"primaryKey"`
	Info      string
	Created   int64
	Seen      int64
	Owner     string
}

func (workerRow) TableName() string { return "workers" }

// models are all tables, those that belong to a study first.
func models() []any {
	return append(studyModels(), &metaRow{}, &projectRow{}, &studyRow{}, &tokenRow{}, &workerRow{})
}

// studyModels are the tables whose rows go when their study goes.
func studyModels() []any {
	return []any{
		&spaceRow{}, &trialRow{}, &attemptRow{}, &metricRow{}, &reportRow{}, &decisionRow{}, &eventRow{},
		&commandRow{}, &outboxRow{}, &attributeRow{}, &stateRow{}, &digestRow{}, &columnRow{}, &requestKeyRow{},
	}
}

// damaged is the error for a row that no tuner can have written.
func damaged(what string, err error) error {
	return types.Errorf(types.Invalid, "%s in the database is damaged: %w", what, err).
		WithRemedy("restore a backup, or remove the study")
}

func (r *studyRow) study() (trial.Study, error) {
	s := trial.Study{
		ID: r.ID, SpaceVersion: int(r.SpaceVersion), State: types.StudyState(r.State), Reason: r.Reason,
		Created: timeAt(r.Created), CreatedBy: r.CreatedBy, NextSeq: r.NextSeq, NextNumber: r.NextNumber,
		Ownership: trial.Ownership{Owner: r.Owner, OwnerAddr: r.OwnerAddr, Epoch: r.Epoch, LeaseUntil: optionalTime(r.LeaseUntil)},
	}
	if err := json.Unmarshal([]byte(r.Spec), &s.Spec); err != nil {
		return trial.Study{}, damaged("the specification of study "+r.Name, err)
	}
	return s, nil
}

func (r *trialRow) trial() (trial.Trial, error) {
	t := trial.Trial{
		ID: r.ID, Study: r.StudyID, Number: r.Number, State: types.State(r.State), Reason: r.Reason,
		SpaceVersion: int(r.SpaceVersion), Origin: trial.Origin(r.Origin), Arm: r.Arm, Priority: int(r.Priority),
		Parent: r.Parent, Budget: r.Budget, Attempts: int(r.Attempts), Lost: int(r.Lost), Step: r.Step,
		Created: timeAt(r.Created), Started: optionalTime(r.Started), Finished: optionalTime(r.Finished),
	}
	if r.Explain != nil {
		t.Explain = json.RawMessage(*r.Explain)
	}
	if err := t.Params.UnmarshalJSON([]byte(r.Params)); err != nil {
		return t, damaged("the parameters of a trial", err)
	}
	if err := json.Unmarshal([]byte(r.Basis), &t.Basis); err != nil {
		return t, damaged("the basis of a trial", err)
	}
	return t, nil
}

func (r *attemptRow) attempt() trial.Attempt {
	a := trial.Attempt{
		Study: r.StudyID, Trial: r.Trial, Number: int(r.Number), State: types.AttemptState(r.State),
		Token: r.Token, Worker: r.Worker, Executor: r.Executor, Node: r.Node, Handle: r.Handle,
		HandleVersion: int(r.HandleVersion), Dir: r.Dir, Stopping: types.StopKind(r.Stopping), Reason: r.Reason,
		Cursor: r.Cursor, Signal: r.ExitSignal, Leased: timeAt(r.Leased), Expires: optionalTime(r.Expires),
		Ended: optionalTime(r.Ended), Key: r.RequestKey,
	}
	if r.ExitCode != nil {
		exit := int(*r.ExitCode)
		a.Exit = &exit
	}
	return a
}

func (r *reportRow) report() trial.Report {
	return trial.Report{
		Seq: r.Seq, Trial: r.Trial, Attempt: int(r.Attempt), Metric: r.Metric, Step: r.Step,
		Value: join(r.Value, r.Kind), Time: timeAt(r.Created),
	}
}

// join is the inverse of split.
func join(value *float64, kind int64) float64 {
	switch {
	case kind == posInfKind:
		return math.Inf(1)
	case kind == negInfKind:
		return math.Inf(-1)
	case kind == nanKind || value == nil:
		return math.NaN()
	}
	return *value
}

func timeAt(micros int64) time.Time {
	t := time.UnixMicro(micros).UTC()
	if t.IsZero() {
		return time.Time{}
	}
	return t
}

func optionalTime(micros *int64) time.Time {
	if micros == nil {
		return time.Time{}
	}
	return timeAt(*micros)
}
