// Package store is the contract of the database: what the engine writes and
// what it and the command line read. Package sqlstore implements it over
// SQLite and PostgreSQL, memstore in memory; storetest is the suite that both
// pass.
package store

import (
	"context"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// Store is a database of studies. All methods are safe for concurrent use; all
// returned values belong to the caller.
//
// Times are stored as UTC with microseconds; what is finer is cut off. Who
// wants a replay to equal the live run cuts them before use (Time does). Texts
// are UTF-8 without NUL; any other byte is stored as U+FFFD. trial.Study.Space
// is never set by a store: the caller compiles Spec.Space.
//
// Study, StudyByID, Trial, and every write of a study that does not exist fail
// with NotFound; the other readers find nothing then.
//
// Errors are *types.Error: NotFound, Conflict (a precondition failed),
// Superseded (another process owns the study now), Unavailable (busy beyond
// patience, disk full, server away), Invalid (not a tuner database, or one of a
// newer version).
type Store interface {
	Writer
	Studies
	Trials
	History
	Commands
	Access
	// Close waits for writes under way and releases everything.
	Close() error
}

// Writer is the one way to change a study.
type Writer interface {
	// Commit applies the mutations of b in order, all or none, and returns once
	// they are durable as configured. Concurrent commits may share a
	// transaction; a conflict of one never undoes another; commits are applied
	// in the order in which the calls began when one goroutine makes them
	// through Submit. Cancelling ctx stops the waiting (Unavailable, with the
	// context's cause in it), not the commit.
	Commit(ctx context.Context, b Batch) error
	// Submit queues b and returns at once; the channel yields one error (nil if
	// durable) and is buffered. Batches submitted by one goroutine are applied
	// in that order. Everything that b points to is read before Submit returns,
	// so the caller may change it afterwards.
	Submit(b Batch) <-chan error

	// CreateStudy stores a new study (its ID, NextSeq and NextNumber are
	// ignored; the epoch is 0 and nobody owns it) with its first space version,
	// and returns it with its ID. Conflict if project and name exist.
	CreateStudy(ctx context.Context, s trial.Study) (trial.Study, error)
	// Acquire makes owner the owner of the study until now+ttl if nobody owns
	// it, its lease is over at now, or owner owns it already (then the epoch
	// advances too), and returns the study with its new epoch. Conflict if
	// another owns it; the returned study then says who.
	Acquire(ctx context.Context, study int64, owner, addr string, now time.Time, ttl time.Duration) (trial.Study, error)
	// Renew extends the lease; Superseded if the epoch has passed.
	Renew(ctx context.Context, study, epoch int64, now time.Time, ttl time.Duration) error
	// Release gives the study up if epoch is still current; no error if not.
	Release(ctx context.Context, study, epoch int64) error
	// DeleteStudy removes the study and all that belongs to it. Superseded if
	// the epoch has passed.
	DeleteStudy(ctx context.Context, study, epoch int64) error
}

// Batch is a change of one study by its owner. Batch.Validate says what makes a
// batch well formed; in short, its trials take exactly the numbers FromNumber
// to ToNumber-1 and its events and reports exactly the sequence numbers FromSeq
// to ToSeq-1. The Study fields of what the mutations hold are ignored: the
// batch's counts.
type Batch struct {
	Study int64
	// Epoch fences: if the study's epoch differs the batch fails with
	// Superseded.
	Epoch int64
	// FromSeq and FromNumber must equal the study's next_seq and next_number,
	// which become ToSeq and ToNumber; else Conflict.
	FromSeq, ToSeq       int64
	FromNumber, ToNumber int64
	Mutations            []Mutation
}

// Mutation is one of the types below.
type Mutation interface{ mutation() }

// The mutations. "Put" inserts or replaces the whole row.
type (
	// PutStudy replaces spec, state and reason of the batch's study. Project
	// and name cannot change: Invalid.
	PutStudy struct {
		Spec   types.StudySpec
		State  types.StudyState
		Reason string
	}
	// AddSpace stores a new space version (canonical JSON), which must be one
	// more than the study's; else Conflict.
	AddSpace struct {
		Version int
		JSON    []byte
		Time    time.Time
	}
	// AddTrial inserts a trial (its ID is ignored).
	AddTrial struct{ Trial *trial.Trial }
	// UpdateTrial replaces the columns that change: state, reason, priority,
	// attempts, lost, started, finished, step, budget, and adds Metrics if not nil.
	// The state, finish and metrics of a finished trial do not change any more.
	UpdateTrial struct{ Trial *trial.Trial }
	// UpdatePoint replaces params, space version and arm of a trial whose point
	// grows while it runs.
	UpdatePoint struct{ Trial *trial.Trial }
	// PutAttempt inserts or replaces an attempt.
	PutAttempt struct{ Attempt *trial.Attempt }
	// PutReports inserts reports. Each is the event EventReported of its Seq,
	// whether AddEvents lists that event or not. A later report of the same
	// (trial, attempt, metric, step) replaces it for Trials.Reports, while
	// History.Events still yields both, for events never change.
	PutReports struct{ Reports []trial.Report }
	// AddDecision stores a stopper's decision to end a trial.
	AddDecision struct {
		Seq    int64
		Trial  int64
		Step   int64
		Kind   types.StopKind
		Reason string
		Time   time.Time
	}
	// AddEvents stores events. Point, Report, Finish and Space are not stored
	// with the event, but in the rows of the same batch; SpaceVersion is.
	AddEvents struct{ Events []trial.Event }
	// PutSuggesterState stores a snapshot that accounts for all events before
	// Seq, and drops older ones. One older than what is stored changes nothing.
	PutSuggesterState struct {
		Seq     int64
		Name    string
		Version int
		State   []byte
	}
	// PutDigest stores the engine's own copy of the events From … To-1, which it
	// reads in place of their rows. One with the same From replaces it. To is at
	// most the batch's ToSeq.
	PutDigest struct {
		From, To int64
		Data     []byte
	}
	// PutAttribute stores the value of a key of a trial (or of the study:
	// Trial -1) in a namespace. A nil Value removes it.
	PutAttribute struct {
		Trial          int64
		Namespace, Key string
		Value          []byte
	}
	// PutRequestKey remembers the answer to an idempotent request.
	PutRequestKey struct {
		Key      string
		BodyHash []byte
		Response []byte
		Time     time.Time
	}
	// AnswerCommand stores the answer of a command with its effect. Conflict if
	// the study has no such command or it is answered already.
	AnswerCommand struct {
		ID       int64
		Response []byte
		Time     time.Time
	}
)

func (PutStudy) mutation()          {}
func (AddSpace) mutation()          {}
func (AddTrial) mutation()          {}
func (UpdateTrial) mutation()       {}
func (UpdatePoint) mutation()       {}
func (PutAttempt) mutation()        {}
func (PutReports) mutation()        {}
func (AddDecision) mutation()       {}
func (AddEvents) mutation()         {}
func (PutSuggesterState) mutation() {}
func (PutDigest) mutation()         {}
func (PutAttribute) mutation()      {}
func (PutRequestKey) mutation()     {}
func (AnswerCommand) mutation()     {}

// Studies reads studies.
type Studies interface {
	// Study returns a study by project and name.
	Study(ctx context.Context, project, name string) (trial.Study, error)
	// StudyByID returns a study.
	StudyByID(ctx context.Context, id int64) (trial.Study, error)
	// ListStudies returns the studies of a project by name, with their counts,
	// after the given name, at most limit (0: 1000). Project "" is all, by
	// project and name; then after is "project/name".
	ListStudies(ctx context.Context, project, after string, limit int) ([]StudySummary, error)
	// Spaces returns all space versions of a study, from version 1 at index 0.
	Spaces(ctx context.Context, study int64) ([][]byte, error)
	// Counts returns the number of trials in each state.
	Counts(ctx context.Context, study int64) (types.Counts, error)
}

// StudySummary is a row of a listing.
type StudySummary struct {
	Study  trial.Study
	Counts types.Counts
}

// Trials reads trials.
type Trials interface {
	// Trial returns one trial.
	Trial(ctx context.Context, study, number int64) (trial.Trial, error)
	// ListTrials returns a page of trials and the cursor of the next page, ""
	// if there is none.
	ListTrials(ctx context.Context, study int64, f TrialFilter) ([]trial.Trial, string, error)
	// Attempts returns the attempts of a trial (number -1: of all trials), by
	// trial and attempt number.
	Attempts(ctx context.Context, study, number int64) ([]trial.Attempt, error)
	// AttemptFolders returns, in order, each folder F such that an attempt at the
	// node has the directory F/TRIAL/ATTEMPT by its numbers.
	AttemptFolders(ctx context.Context, study int64, node string) ([]string, error)
	// Reports returns the reports of a trial's last attempt that made any, by
	// metric and step; metric "" is all; more than maxPoints (0: all) a metric
	// are thinned evenly, keeping first and last (of 1, the last).
	Reports(ctx context.Context, study, number int64, metric string, maxPoints int) ([]trial.Report, error)
	// Attributes returns the attributes of a trial (-1: of the study) in a
	// namespace.
	Attributes(ctx context.Context, study, number int64, namespace string) (map[string][]byte, error)
}

// TrialFilter selects and orders trials. Paging is by key, never by offset.
type TrialFilter struct {
	States []types.State // empty: all
	Sort   TrialSort
	// Metric is the metric of SortMetric, Param the parameter of SortParam.
	Metric string
	Param  string
	Desc   bool
	// Params and Metrics all hold for the trials that are listed, and so do the
	// times, ends excluded; zero is any.
	Params                        []ParamFilter
	Metrics                       []MetricFilter
	CreatedAfter, CreatedBefore   time.Time
	FinishedAfter, FinishedBefore time.Time
	// After is the cursor that the previous page returned.
	After string
	Limit int // 0: 1000
}

// TrialSort is an order of trials; ties are broken by number. Desc turns the
// order of values and numbers round, but what has no value stays last.
type TrialSort string

// The orders. "" is SortNumber.
const (
	SortNumber TrialSort = "number"
	// SortMetric puts NaN after all values, and trials without the metric last.
	SortMetric TrialSort = "metric"
	// SortFinished puts trials that are not finished last.
	SortFinished TrialSort = "finished"
	// SortParam is by CompareValues; trials where the parameter is inactive are
	// last.
	SortParam TrialSort = "param"
)

// History reads what the engine rebuilds a study from.
type History interface {
	// Events calls yield for the events of a study from Seq from on, in order
	// and without gap, up to the last one when the call began, with Point as
	// stored in Params (Event.Point and Event.Space are nil: the caller knows
	// the spaces), Report and Finish filled in from the rows (Finish.Values and
	// Violations are nil: the caller knows the objectives; Metrics are in
	// StoredEvent). An error of yield ends the call and is returned as it is.
	// No lock is held while yield runs.
	Events(ctx context.Context, study, from int64, yield func(StoredEvent) error) error
	// Digests calls yield for what PutDigest stored, in the order of From, one
	// at a time. An error of yield ends the call and is returned as it is. No
	// lock is held while yield runs, which may keep the data.
	Digests(ctx context.Context, study int64, yield func(PutDigest) error) error
	// SuggesterState returns the latest snapshot; ok is false if there is none.
	SuggesterState(ctx context.Context, study int64) (s PutSuggesterState, ok bool, err error)
	// RequestKey returns what PutRequestKey stored.
	RequestKey(ctx context.Context, study int64, key string) (k PutRequestKey, ok bool, err error)
	// Decisions returns the decisions on a trial (-1: on all trials).
	Decisions(ctx context.Context, study, number int64) ([]AddDecision, error)
}

// StoredEvent is an event with what belongs to it in other tables.
type StoredEvent struct {
	trial.Event
	Params  types.Params       // for EventCreated
	Metrics map[string]float64 // for EventFinished
	// Trial is the trial as it is now (not as it was then), for EventCreated
	// and EventFinished.
	Trial *trial.Trial
}

// Commands is the mailbox by which other processes reach the owner of a study.
type Commands interface {
	// AddCommand queues a command and returns its ID. A key of the study that
	// exists already returns the ID of the first; the key "" never exists.
	AddCommand(ctx context.Context, study int64, kind string, payload []byte, key string, now time.Time) (int64, error)
	// PendingCommands returns the commands without an answer of the studies, in
	// the order of their IDs, at most limit (0: 1000).
	PendingCommands(ctx context.Context, studies []int64, limit int) ([]Command, error)
	// CommandAnswer returns the answer of a command; ok is false while there is
	// none. NotFound if there is no such command (any more).
	CommandAnswer(ctx context.Context, id int64) (response []byte, ok bool, err error)
	// DropCommands removes the commands that were answered before the given
	// time.
	DropCommands(ctx context.Context, before time.Time) error
	// DropRequestKeys removes what PutRequestKey stored before the given time, of
	// all studies.
	DropRequestKeys(ctx context.Context, before time.Time) error
}

// Command is a request to the owner of a study.
type Command struct {
	ID      int64
	Study   int64
	Kind    string
	Payload []byte
	Time    time.Time
}
