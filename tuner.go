// Package tuner is the Go SDK: declare a search space with typed handles, run a
// function on the points that tuner proposes, and read the best result.
//
//	var space tuner.Space
//	lr := tuner.Range(&space, "lr", 1e-5, 1e-1, tuner.Log())
//	layers := tuner.Range(&space, "layers", 1, 8)
//
//	c, err := local.Client(ctx, "tuner.db")
//	…
//	study, err := c.Study(ctx, tuner.Config{Name: "mnist", Space: &space,
//		Objectives: []tuner.Objective{tuner.Minimize("loss")}, Trials: 100})
//	…
//	err = study.Run(ctx, func(ctx context.Context, t *tuner.Trial) (float64, error) {
//		return train(lr.Of(t), layers.Of(t))
//	}, tuner.RunOptions{Workers: 4})
//	best, err := study.Best(ctx)
//
// The package itself needs the standard library only; trial/local adds the
// engine and a database for use without a server.
package tuner

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/agent"
)

// Backend is where studies live: an engine in this process or a server.
type Backend interface {
	agent.Backend
	OpenStudy(ctx context.Context, spec types.StudySpec) (types.Study, error)
	Study(ctx context.Context, id int64) (types.Study, error)
	Trial(ctx context.Context, study, number int64) (types.Trial, error)
	// Extend draws parameters for a running trial of a study whose space is open,
	// and adds those to the space that are new. A draw is stored before it is
	// returned; asked again, the same trial gets the same value.
	Extend(ctx context.Context, req types.ExtendRequest) (types.ExtendReply, error)
	Control(ctx context.Context, req types.ControlRequest) (types.ControlReply, error)
	Close() error
}

// ErrClosed is what Run and Ask return if the client is closed meanwhile, and the
// cause of the contexts of its trials then.
var ErrClosed = errors.New("tuner: the client is closed")

// closeGrace is how long Close waits for functions to return.
const closeGrace = 10 * time.Second

// Client gives access to studies. It is safe for concurrent use.
type Client struct {
	backend Backend
	worker  string

	life context.Context //nolint:containedctx // it lasts until Close
	end  context.CancelCauseFunc

	mu     sync.Mutex
	closed bool
	runs   map[string]*agent.Agent // by worker
	askers map[int64]*asker        // by study
	ran    sync.WaitGroup
}

// NewClient returns a client of a backend; worker names this process among all
// that run trials and should be the same after a restart. Most programs call
// local.Client instead.
func NewClient(b Backend, worker string) *Client {
	c := &Client{backend: b, worker: worker, runs: map[string]*agent.Agent{}, askers: map[int64]*asker{}}
	c.life, c.end = context.WithCancelCause(context.Background())
	return c
}

// Close gives everything up that the client holds. The contexts of running
// trials end, and the trials are handed out again; each Run and Ask returns
// ErrClosed.
// Functions that do not return within 10 s are left behind.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	for _, a := range c.runs {
		a.Interrupt()
	}
	c.end(ErrClosed)
	for _, a := range c.askers {
		for _, t := range a.opened() {
			c.ran.Go(func() { t.giveUp(context.Background()) })
		}
	}
	c.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.ran.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(closeGrace):
	}
	return c.backend.Close()
}

// agent makes an agent under a name that no other Run of this client has: an
// agent takes over what runs under its name. leave is called when it has ended.
func (c *Client) agent(cfg agent.Config) (a *agent.Agent, leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, ErrClosed
	}
	cfg.Worker = c.worker
	for i := 2; c.runs[cfg.Worker] != nil; i++ {
		cfg.Worker = c.worker + "#" + strconv.Itoa(i)
	}
	a = agent.New(cfg)
	c.runs[cfg.Worker] = a
	c.ran.Add(1)
	return a, func() {
		c.mu.Lock()
		delete(c.runs, cfg.Worker)
		c.mu.Unlock()
		c.ran.Done()
	}, nil
}

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Objective is a metric with a goal.
type Objective = types.Objective

// Minimize is the objective to make a metric small.
func Minimize(metric string) Objective { return Objective{Metric: metric, Goal: types.Minimize} }

// Maximize is the objective to make a metric large.
func Maximize(metric string) Objective { return Objective{Metric: metric, Goal: types.Maximize} }

// Config describes a study.
type Config struct {
	// Name is unique within the project.
	Name    string
	Project string // "" is "default"
	// Space is what is searched; nil for a new study is an open one, which the
	// trials themselves fill (Trial.Float and so on), and for one that exists its
	// own.
	Space *Space
	// Objectives are what is optimised; the first is the one that a function
	// given to Run returns.
	Objectives []Objective
	// Algorithm proposes the points, such as "tpe" or "random"; "" is the
	// default. AlgorithmSettings has its settings.
	Algorithm         string
	AlgorithmSettings map[string]any
	// Stopper ends hopeless trials by their reports, such as "median"; "" is
	// none.
	Stopper         string
	StopperSettings map[string]any
	// Trials is the number of trials of the study, over all its continuations;
	// 0 is no limit.
	Trials int64
	// Time bounds the study; no trial starts later. 0 is no limit.
	Time time.Duration
	// Target ends the study once the objective is at least as good.
	Target *float64
	// MaxFailures stops the study after so many failed trials since it became
	// active; 0 stops it only if its first three all fail, -1 never.
	MaxFailures int64
	// Seed makes a run repeatable; 0 draws one.
	Seed int64
	// Try lists points to evaluate first.
	Try []Params
	// Extend accepts a changed space of a study that exists as a new version.
	Extend bool
}

// Params are named values: int64, float64, string or bool.
type Params = types.Params

// Study creates the study of cfg, or continues the one of that name; a space or
// objectives that differ from the stored ones are an error that lists the
// differences.
func (c *Client) Study(ctx context.Context, cfg Config) (*Study, error) {
	spec := types.StudySpec{
		Project: cfg.Project, Name: cfg.Name, Objectives: cfg.Objectives, Seed: cfg.Seed, Try: cfg.Try,
		Algorithm: types.Component{Name: cfg.Algorithm, Settings: cfg.AlgorithmSettings},
		Stopper:   types.Component{Name: cfg.Stopper, Settings: cfg.StopperSettings},
		Budget:    types.Budget{Trials: cfg.Trials, Time: types.Duration(cfg.Time), Target: cfg.Target, MaxFailures: cfg.MaxFailures},
		Extend:    cfg.Extend,
	}
	if cfg.Space == nil && len(cfg.Objectives) > 0 {
		cfg.Space = &Space{open: true} // what there is, if the study exists
	}
	if cfg.Space != nil {
		b, err := json.Marshal(cfg.Space)
		if err != nil {
			if e, ok := errors.AsType[*types.Error](err); ok {
				return nil, e
			}
			return nil, err
		}
		spec.Space = b
	}
	st, err := c.backend.OpenStudy(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &Study{client: c, id: st.ID, name: st.Spec.Name, objectives: st.Spec.Objectives}, nil
}
