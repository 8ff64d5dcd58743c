package qmc

import (
	"context"
	"strconv"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// Name is the algorithm's name, and that of its streams of randomness.
const Name = "qmc"

const (
	// tries is how many scramblings a trial goes through for a point that is
	// allowed. Where a fiftieth of the space is feasible, 1 trial in 200 falls
	// back to random draws.
	tries = 256
	// randomArm marks the points of that fallback.
	randomArm = "random"
	// randomStream names its randomness.
	randomStream = Name + "/" + randomArm
)

// Algorithm describes the search by sequences, Sobol's being that of sobol.
func Algorithm(sobol Sobol) suggest.Algorithm {
	return suggest.Algorithm{
		Name:           Name,
		Doc:            "Points of a low-discrepancy sequence, spread more evenly than random ones; looks at no result.",
		Version:        1,
		MultiObjective: true,
		Settings: []trial.Setting{
			{Name: "sequence", Type: trial.StringSetting, Default: "sobol", Choices: []string{"sobol", "halton"},
				Doc: "The sequence; sobol is the better one for nearly every number of parameters and trials."},
			{Name: "scramble", Type: trial.StringSetting, Default: "owen", Choices: []string{"owen", "shift"},
				Doc: "How the seed enters: owen permutes the digits of a coordinate depending on the digits before them, " +
					"shift adds one random number to each coordinate digit by digit."},
		},
		New: func(cfg suggest.Config) (suggest.Suggester, error) { return New(cfg, sobol), nil },
	}
}

// QMC is the suggester.
type QMC struct {
	cfg    suggest.Config
	sobol  Sobol
	ledger *suggest.Ledger

	// Of the current space:
	free     []int // parameters of more than one value: the i-th has coordinate i
	sequence *sequence
	u, x     []float64 // scratch: by coordinate, by parameter
}

var _ suggest.Suggester = (*QMC)(nil)

// New returns a QMC; the settings of cfg are complete.
func New(cfg suggest.Config, sobol Sobol) *QMC {
	q := &QMC{cfg: cfg, sobol: sobol, ledger: suggest.NewLedger(cfg)}
	q.setSpace(cfg.Space)
	return q
}

func (q *QMC) setSpace(s *space.Space) {
	q.free = nil
	for i := range s.Len() {
		if n, finite := s.Param(i).Levels(); !finite || n > 1 {
			q.free = append(q.free, i)
		}
	}
	q.sequence = newSequence(q.cfg, q.sobol, len(q.free))
	q.u, q.x = make([]float64, len(q.free)), make([]float64, s.Len())
}

// Observe implements suggest.Suggester.
func (q *QMC) Observe(events []trial.Event) {
	for _, e := range events {
		q.ledger.Observe(e)
		if e.Kind == trial.EventSpace {
			q.setSpace(e.Space)
		}
	}
}

// Suggest implements suggest.Suggester.
func (q *QMC) Suggest(ctx context.Context, req suggest.Request) ([]suggest.Proposal, error) {
	ask := q.ledger.Ask(req.Pending)
	var out []suggest.Proposal
	for _, n := range req.Numbers {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		p, err := q.propose(ctx, ask, n)
		if err != nil {
			return out, err
		}
		ask.Take(n, p.Point)
		out = append(out, p)
	}
	return out, nil
}

// propose takes the point of the trial's number, of the first scrambling in
// which it is allowed.
func (q *QMC) propose(ctx context.Context, ask *suggest.Ask, number int64) (suggest.Proposal, error) {
	s := q.ledger.Space()
	for try := range tries {
		q.sequence.point(number, try, q.u)
		for i, j := range q.free {
			q.x[j] = position(s.Param(j), q.u[i])
		}
		p := s.Decode(q.x)
		if s.Feasible(p) && !ask.Taken(p) {
			return suggest.Proposal{Point: p, Arm: Name, Explain: explain(number, try)}, nil
		}
	}
	p, err := ask.Fresh(ctx, suggest.Stream(q.cfg.Seed, randomStream, number))
	return suggest.Proposal{Point: p, Arm: randomArm}, err
}

// explain is {"index":17,"scrambling":0}.
func explain(number int64, try int) []byte {
	b := append(make([]byte, 0, 48), `{"index":`...)
	b = strconv.AppendInt(b, number, 10)
	b = append(b, `,"scrambling":`...)
	b = strconv.AppendInt(b, int64(try), 10)
	return append(b, '}')
}
