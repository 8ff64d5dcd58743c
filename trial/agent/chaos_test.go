package agent_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/executor/inproc"
)

// TestAgentsThatComeAndGo lets agents of two processes share a study: they are
// asked to end in any way at any moment, and the owner of the study closes in
// the middle. Whoever is left does the rest; no trial is lost, none runs twice
// at once, and none is left without anybody who runs it.
func TestAgentsThatComeAndGo(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inWorld(t, 40, func(w *world) {
				c := &chaos{world: w, rng: rand.New(rand.NewPCG(seed, 1)), busy: map[int64]map[*byte]time.Time{}}
				w.db.Store = &busyDisk{Store: w.db.Store, c: c}
				guest := w.newEngine("guest")
				defer func() {
					if err := guest.Close(context.Background()); err != nil {
						t.Error(err)
					}
				}()
				var owners, guests sync.WaitGroup
				for i := range 3 {
					owners.Go(func() { c.agent(fmt.Sprint("owner's ", i), w.engine, 20) })
					guests.Go(func() { c.agent(fmt.Sprint("guest's ", i), guest, 40) })
				}
				owners.Wait()
				if err := w.engine.Close(context.Background()); err != nil {
					t.Error(err)
				}
				guests.Wait()
				c.check(false)
				c.agent("the last", guest, 0)
				c.check(true)
			})
		})
	}
}

// chaos is what the agents of a test share.
type chaos struct {
	*world
	mu   sync.Mutex
	rng  *rand.Rand
	busy map[int64]map[*byte]time.Time // the calls that run of each trial, and since when
}

// busyDisk is a store of which every tenth commit fails.
type busyDisk struct {
	store.Store
	c *chaos
}

func (d *busyDisk) Submit(b store.Batch) <-chan error {
	if d.c.seconds(10) > 0 {
		return d.Store.Submit(b)
	}
	done := make(chan error, 1)
	done <- types.Errorf(types.Unavailable, "the disk is full")
	return done
}

// seconds is a whole number of them below n, so that much happens at once.
func (c *chaos) seconds(n int64) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.rng.Int64N(n)) * time.Second
}

// agent runs one until it has no more to do, or is asked to end within so many
// seconds.
func (c *chaos) agent(name string, b agent.Backend, within int64) {
	exec := inproc.New(c.trial, inproc.Config{})
	cfg := c.cfg
	cfg.Backend, cfg.Executor, cfg.Worker, cfg.Slots = b, exec, name, 2
	cfg.Ahead = c.seconds(2) == 0
	a := agent.New(cfg)
	if within > 0 {
		how := []func(*agent.Agent){(*agent.Agent).Drain, (*agent.Agent).Interrupt, (*agent.Agent).Kill, (*agent.Agent).Detach}[c.seconds(4)/time.Second]
		timer := time.AfterFunc(c.seconds(within), func() { how(a) })
		defer timer.Stop()
	}
	if _, err := a.Run(context.Background()); err != nil {
		c.Errorf("%s: %v", name, err)
	}
	if err := exec.Close(); err != nil {
		c.Error(err)
	}
}

// trial runs for less than 10 s. Where a lease was handed out ahead and could
// not be stored, its trial may be handed out to another; but the call that is
// void ends at once.
func (c *chaos) trial(ctx context.Context, l types.Lease) error {
	me, begin := new(byte), time.Now()
	c.mu.Lock()
	if c.busy[l.Ref.Trial] == nil {
		c.busy[l.Ref.Trial] = map[*byte]time.Time{}
	}
	calls := c.busy[l.Ref.Trial]
	calls[me] = begin
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(calls, me)
		for _, other := range calls {
			if now := time.Now(); now.After(begin) && now.After(other) {
				c.Errorf("trial %d runs twice at once", l.Ref.Trial)
			}
		}
	}()
	select {
	case <-time.After(c.seconds(10)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// check looks at what is stored when no agent runs.
func (c *chaos) check(done bool) {
	c.Helper()
	trials, _, err := c.db.ListTrials(context.Background(), c.study, store.TrialFilter{})
	if err != nil {
		c.Fatal(err)
	}
	for i, tr := range trials {
		switch {
		case tr.Number != int64(i):
			c.Fatalf("trial %d of the listing has the number %d", i, tr.Number)
		case tr.Lost == 0 && (tr.State == types.Completed || tr.State == types.Queued && !done):
		default:
			c.Errorf("trial %d is %s after %d attempts, of which %d were lost: %s", i, tr.State, tr.Attempts, tr.Lost, tr.Reason)
		}
	}
	if done && len(trials) != 40 {
		c.Errorf("%d trials, want 40", len(trials))
	}
}
