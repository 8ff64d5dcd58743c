package runner

import (
	"context"

	"github.com/gotuner/tuner/suggest/space"
)

// Metric is the name of the objective that contenders are told of; it is
// minimised.
const Metric = "value"

// Searcher is a tuner under test in one study. It is used by one goroutine.
type Searcher interface {
	// Ask returns the next n trials (n >= 1) with numbers that the searcher
	// chooses. Once the space has no further point it returns fewer together
	// with an error of code types.Exhausted. A problem that the tuner cannot
	// take is an error of code types.Unsupported, here or when it is opened.
	Ask(ctx context.Context, n int) ([]Trial, error)
	// Tell ends a trial with its value; NaN means that it has none (infeasible,
	// diverged).
	Tell(ctx context.Context, number int64, value float64) error
	// Recommend is the number of the trial that the tuner itself recommends at
	// the end; if ok is false the best observed one is taken.
	Recommend(ctx context.Context) (number int64, ok bool, err error)
	Close() error
}

// Trial is a proposed point.
type Trial struct {
	Number int64
	Point  space.Point
}

// Coster is a Searcher that measures itself, without the way to it: what its
// last Ask took on the clock and of processor time, in seconds. Zero is not
// measured.
type Coster interface {
	LastAsk() (seconds, cpu float64)
}

// Preloader is a Searcher that can be given finished trials that it did not
// propose, so that its speed with a long history is measured without the hours
// that it takes to make one. Values are finite, one for each point. Calls may be
// mixed with Ask and Tell, between which no trial is pending. An error of code
// types.Unsupported says that nothing was taken and that it has to be asked for
// its history after all.
type Preloader interface {
	Preload(ctx context.Context, points []space.Point, values []float64) error
}

// Study is what a Searcher is opened for.
type Study struct {
	// Name is for logs: problem, instance and seed.
	Name  string
	Space *space.Space
	Seed  int64
	// Budget is the number of trials to come, Workers how many of them run at
	// the same time.
	Budget, Workers int
	// Deterministic says that the same point has always the same value.
	Deterministic bool
}

// Contender is a tuner with its settings.
type Contender struct {
	// Name is what users type and reports show: "tpe", "tpe:above_cap=0",
	// "optuna-tpe".
	Name string
	// Version is that of the tuner; results of another version are not reused.
	Version string
	// Settings are those that differ from other contenders of the same tuner,
	// complete, in a canonical text; may be empty.
	Settings string
	// Doc is one line for lists.
	Doc string
	// Peer says that it is not one of our own.
	Peer bool
	// Curves says that it stops trials early: its searchers are Reporters, and its
	// runs are of learning curves.
	Curves bool
	// InProcess says that allocations can be counted.
	InProcess bool
	// Check, if not nil, is asked once before the first run whether the
	// contender can run here; its error says what is missing and how to get it.
	Check func(ctx context.Context) error
	// Open starts a study. It is safe for concurrent use.
	Open func(ctx context.Context, study Study) (Searcher, error)
	// Close, if not nil, ends what runs share, after the last of them.
	Close func() error
}
