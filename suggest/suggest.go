// Package suggest is the contract of the search algorithms: how they learn what
// happened in a study and how they propose the next points.
package suggest

import (
	"context"
	"encoding/json"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// Suggester proposes points. A proposal is a function of the space version,
// the settings, the suggester's version, the seed, the trial number and the
// basis, and of nothing else: no clock, no map order, no global randomness, no
// earlier call of Suggest. Feeding the same events to a new Suggester and
// asking with the same Request gives the same points bit for bit (on the same
// GOARCH).
//
// A Suggester is used by one goroutine at a time.
type Suggester interface {
	// Observe takes the next events of the study in the order of Seq, each once.
	// Reports (trial.EventReported) may be among them or not: a proposal must not
	// depend on them, so that a study is loaded without reading them all.
	// It must not keep the slice; the events' contents are immutable and may be
	// kept.
	Observe(events []trial.Event)
	// Suggest returns one proposal for each of req.Numbers, or fewer together
	// with an error of code types.Exhausted if the space has no further point.
	// Every point is feasible in the current space (space.Space.Validate).
	Suggest(ctx context.Context, req Request) ([]Proposal, error)
}

// Request asks for points.
type Request struct {
	// Numbers are the numbers of the trials to be created, ascending.
	Numbers []int64
	// Pending are the trials created but not finished, ascending by number.
	// The Suggester must not keep or change the slice.
	Pending []Pending
}

// Pending is a trial whose result is not known yet. One whose point is not valid
// in the current space version is ignored.
type Pending struct {
	Number int64
	Point  space.Point
}

// Proposal is a point and why it was chosen.
type Proposal struct {
	Point space.Point
	// Arm names the part of the algorithm that chose it ("random", "tpe",
	// "prior", …).
	Arm string
	// Explain is a small JSON object for people; may be nil.
	Explain json.RawMessage
}

// Snapshotter is implemented by suggesters whose state is dearer to rebuild
// from events than to load. Restore(Snapshot()) followed by the later events
// equals a full replay.
type Snapshotter interface {
	Snapshot() ([]byte, error)
	Restore([]byte) error
}

// Sizer is implemented by suggesters that know beforehand how many points they
// will propose at most, such as a grid.
type Sizer interface {
	Size() (n int64, finite bool)
}

// Config is what a Suggester is built from.
type Config struct {
	// Space is the version that the points of the first observed events belong
	// to; an EventSpace brings the next one.
	Space      *space.Space
	Objectives []types.Objective
	// Settings are complete and checked: every setting of the algorithm is
	// there with its default or the user's value. New sees to that.
	Settings trial.Settings
	Seed     int64
	// Deterministic is "yes", "no" or "auto"; "" is "auto".
	Deterministic string
}

// Algorithm describes one algorithm to users and builds it.
type Algorithm struct {
	Name string
	// Doc is one sentence.
	Doc string
	// Version changes whenever the same basis would give another proposal.
	Version int
	// Settings are the settings it knows.
	Settings []trial.Setting
	// MultiObjective says that it can take several objectives.
	MultiObjective bool
	New            func(Config) (Suggester, error)
}
