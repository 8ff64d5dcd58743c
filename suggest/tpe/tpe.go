package tpe

import (
	"context"
	"math"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/random"
	"github.com/gotuner/tuner/trial"
)

// Name is the algorithm's name, and that of its streams of randomness.
const Name = "tpe"

const (
	// rulesTuner are Optuna 5's with the additions of the package's
	// documentation, rulesOptuna without them.
	rulesTuner  = "tuner"
	rulesOptuna = "optuna5"
)

// Algorithm describes TPE.
func Algorithm() suggest.Algorithm {
	return suggest.Algorithm{
		Name: Name,
		Doc: "Tree-structured Parzen estimator: proposes where good trials are dense and bad ones are not; " +
			"any space, cheap.",
		Version: 4,
		Settings: []trial.Setting{
			{Name: "rules", Type: trial.StringSetting, Default: rulesTuner, Choices: []string{rulesTuner, rulesOptuna},
				Doc: "optuna5 follows Optuna 5 exactly, tuner adds what finds better points: evenly spread start-up trials, " +
					"good trials weighted by how good they are, a bad density that is blurred in every second trial, " +
					"and a local search for the best candidate."},
			{Name: "startup", Type: trial.IntSetting, Default: int64(10), Min: new(float64(1)),
				Doc: "Random trials that must have completed or been pruned before the model is used."},
			{Name: "candidates", Type: trial.IntSetting, Default: int64(24), Min: new(float64(1)), Max: new(float64(100_000)),
				Doc: "Points drawn from the density of the good trials, of which the best is proposed."},
			{Name: "gamma", Type: trial.FloatSetting, Default: 0.1, Min: new(0.001), Max: new(float64(1)),
				Doc: "Share of the trials that count as good, rounded up."},
			{Name: "gamma_max", Type: trial.IntSetting, Default: int64(25), Min: new(float64(1)),
				Doc: "Greatest number of good trials."},
			{Name: "above_cap", Type: trial.IntSetting, Default: int64(128), Min: new(float64(0)),
				Doc: "Greatest number of bad trials in the model, of more a part stands for all; 0 takes all, " +
					"at a cost that grows with their number."},
			{Name: "prior_weight", Type: trial.FloatSetting, Default: 1.0, Min: new(0.001), Max: new(1e6),
				Doc: "Weight of the prior kernel; a recent trial has 1."},
			{Name: "multivariate", Type: trial.BoolSetting, Default: true,
				Doc: "Models parameters jointly (those that are active in the same trials); false models each alone."},
			{Name: "liar", Type: trial.BoolSetting, Default: true,
				Doc: "Counts running trials as bad, so that parallel proposals keep apart."},
		},
		New: func(cfg suggest.Config) (suggest.Suggester, error) { return New(cfg), nil },
	}
}

type settings struct {
	startup, candidates, gammaMax int
	aboveCap                      int // 0 none
	gamma, priorWeight            float64
	multivariate, liar            bool
	additions
}

// additions are what goes beyond Optuna 5; its rules are their zero value.
type additions struct {
	latin  bool    // start-up trials are a Latin hypercube
	byGain bool    // good trials weigh by their improvement
	blur   float64 // least bandwidth of the bad trials in every second trial
	polish int     // steps of the local search
}

// TPE is the suggester.
type TPE struct {
	settings
	seed   int64
	goal   types.Goal
	ledger *suggest.Ledger
	// repeats says that points may be proposed again.
	repeats bool
	// results are the finished trials that tell something, kept for a new
	// version of the space; obs are the same in the current one.
	results []result
	obs     *observations
	// early are the positions in results of trials that ended as pruned. Such a
	// trial may have waited only: what it has later takes the place of that, and
	// stale says that obs does not know it yet.
	early map[int64]int
	stale bool
}

type result struct {
	number int64
	known  suggest.Known
	rank   suggest.Rank
	over   bool // a later result of the trial has taken its place
}

var _ suggest.Suggester = (*TPE)(nil)

// New returns a TPE for the first objective of cfg, whose settings are complete.
func New(cfg suggest.Config) *TPE {
	s := cfg.Settings
	t := &TPE{
		settings: settings{
			startup:      clampInt(s.Int("startup")),
			candidates:   clampInt(s.Int("candidates")),
			gammaMax:     clampInt(s.Int("gamma_max")),
			aboveCap:     clampInt(s.Int("above_cap")),
			gamma:        s.Float("gamma"),
			priorWeight:  s.Float("prior_weight"),
			multivariate: s.Bool("multivariate"),
			liar:         s.Bool("liar"),
		},
		seed: cfg.Seed, goal: cfg.Objectives[0].Goal,
		ledger: suggest.NewLedger(cfg), repeats: cfg.Repeats(), early: map[int64]int{},
	}
	// The additions take results at their word, which costs where they are noisy.
	if s.String("rules") == rulesTuner && !t.repeats {
		t.additions = additions{latin: true, byGain: true, blur: 0.15, polish: 20}
	}
	t.obs = newObservations(cfg.Space, &t.settings)
	return t
}

func clampInt(i int64) int { return int(min(i, math.MaxInt32)) }

// Observe implements suggest.Suggester.
func (t *TPE) Observe(events []trial.Event) {
	for _, e := range events {
		if e.Kind == trial.EventFinished {
			t.finish(e)
		}
		t.ledger.Observe(e)
		if e.Kind == trial.EventSpace {
			t.relearn()
		}
	}
}

// relearn makes the observations anew from the results.
func (t *TPE) relearn() {
	t.stale = false
	t.obs = newObservations(t.ledger.Space(), &t.settings)
	for _, r := range t.results {
		t.learn(r)
	}
}

func (t *TPE) finish(e trial.Event) {
	known, ok := t.ledger.Open(e.Trial)
	if !ok {
		return // created in a version of the space that is not known here
	}
	if r, ok := suggest.RankOf(e.Finish, t.goal); ok && r.Class != suggest.RankFailed {
		if i, went := t.early[e.Trial]; went {
			t.results[i].over, t.stale = true, true
			delete(t.early, e.Trial)
		}
		if r.Class == suggest.RankPruned {
			t.early[e.Trial] = len(t.results)
		}
		t.results = append(t.results, result{number: e.Trial, known: known, rank: r})
		t.learn(t.results[len(t.results)-1])
	}
}

func (t *TPE) learn(r result) {
	if p, ok := r.known.In(t.ledger.Space()); ok && !r.over && !t.stale {
		t.obs.add(r.number, p, r.rank)
	}
}

// Suggest implements suggest.Suggester.
func (t *TPE) Suggest(ctx context.Context, req suggest.Request) ([]suggest.Proposal, error) {
	if t.stale {
		t.relearn()
	}
	ask := t.ledger.Ask(req.Pending)
	var out []suggest.Proposal
	for _, n := range req.Numbers {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		p, err := t.propose(ctx, ask, n)
		if err != nil {
			return out, err
		}
		ask.Take(n, p.Point)
		out = append(out, p)
	}
	return out, nil
}

// fallback proposes as random search would.
func (t *TPE) fallback(ctx context.Context, ask *suggest.Ask, number int64) (suggest.Proposal, error) {
	p, err := ask.Fresh(ctx, suggest.Stream(t.seed, random.Name, number))
	return suggest.Proposal{Point: p, Arm: random.Name}, err
}
