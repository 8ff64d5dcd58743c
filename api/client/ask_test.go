package client_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/local"
)

// loop asks for the trials of the bowl and tells their losses.
func (b *bowl) loop(ctx context.Context, s *tuner.Study, mu *sync.Mutex, seen map[int64]float64, each func(*tuner.Trial)) error {
	for t, err := range s.Trials(ctx) {
		if err != nil {
			return err
		}
		if each != nil {
			each(t)
		}
		v := b.loss(t)
		for step := range reports {
			if err := t.Report(ctx, int64(step), v+float64(reports-step)); err != nil {
				return err
			}
		}
		if err := t.Tell(ctx, v); err != nil {
			return err
		}
		mu.Lock()
		seen[t.Number()] = v
		mu.Unlock()
	}
	return nil
}

// TestAskAndTell: the same loop as on a database, in three goroutines, while the
// server goes away and comes back.
func TestAskAndTell(t *testing.T) {
	h := newHome(t)
	c, err := client.Connect(t.Context(), h.config())
	if err != nil {
		t.Fatal(err)
	}
	b := newBowl()
	s, err := c.Study(t.Context(), b.config(30))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var once sync.Once
	var workers sync.WaitGroup
	seen, restarted := map[int64]float64{}, make(chan struct{})
	for range 3 {
		workers.Go(func() {
			err := b.loop(t.Context(), s, &mu, seen, func(tr *tuner.Trial) {
				if tr.Number() == 8 {
					once.Do(func() {
						h.stop()
						go func() { defer close(restarted); h.start() }()
					})
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
	<-restarted
	if _, err := s.Ask(t.Context()); !errors.Is(err, tuner.ErrDone) {
		t.Errorf("asking after the end: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	h.whole(30, seen)
}

func TestAskOverALossyNetwork(t *testing.T) {
	h := newHome(t)
	cfg := h.config()
	cfg.HTTP = &http.Client{Transport: &lossy{rng: rand.New(rand.NewPCG(3, 4))}}
	c := tuner.NewClient(h.client(cfg), "lossy")
	b := newBowl()
	s, err := c.Study(t.Context(), b.config(25))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[int64]float64{}
	if err := b.loop(t.Context(), s, &mu, seen, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	h.whole(25, seen)
}

func TestStoppedFromElsewhere(t *testing.T) {
	h := newHome(t)
	c, err := client.Connect(t.Context(), h.config())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.Study(t.Context(), newBowl().config(5))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := s.Ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := h.client(h.config())
	st, err := other.StudyByName(t.Context(), "default", "bowl")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Control(t.Context(), types.ControlRequest{Study: st.ID, Kind: types.StopTrial, Numbers: []int64{0}, Reason: "enough"}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-tr.Context().Done():
	case <-time.After(2 * time.Minute):
		t.Fatal("the trial was not stopped")
	}
	var why *tuner.StopError
	if !errors.As(context.Cause(tr.Context()), &why) || why.Kind != types.StopCancelled || why.Reason != "enough" {
		t.Errorf("the trial ended because of %v", context.Cause(tr.Context()))
	}
}

// search is a program that names its parameters while it runs.
func search(t *tuner.Trial) float64 {
	v := t.Float("x", -5, 5) * t.Float("y", 1e-3, 10, tuner.Log())
	if t.Choice("kind", "flat", "steep") == "steep" {
		v += float64(t.Int("n", 1, 16))
	}
	return v
}

// TestDefineByRun over a network that loses and repeats, with eight workers and
// a restart of the server in the middle: what the functions were given is what
// is stored.
func TestDefineByRun(t *testing.T) {
	h := newHome(t)
	cfg := h.config()
	cfg.HTTP = &http.Client{Transport: &lossy{rng: rand.New(rand.NewPCG(5, 6))}}
	c := tuner.NewClient(h.client(cfg), "open")
	s, err := c.Study(t.Context(), tuner.Config{Name: "open", Trials: 60, Seed: 1, Objectives: []tuner.Objective{tuner.Minimize("loss")}})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var once sync.Once
	seen, restarted := map[int64]tuner.Params{}, make(chan struct{})
	err = s.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) {
		if tr.Number() == 25 {
			once.Do(func() {
				h.stop()
				go func() { defer close(restarted); h.start() }()
			})
		}
		v := search(tr)
		mu.Lock()
		defer mu.Unlock()
		seen[tr.Number()] = tr.Params()
		return v, nil
	}, tuner.RunOptions{Workers: 8})
	if err != nil {
		t.Fatal(err)
	}
	<-restarted
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	other := h.client(h.config())
	st, err := other.StudyByName(t.Context(), "default", "open")
	if err != nil {
		t.Fatal(err)
	}
	page, err := other.ListTrials(t.Context(), st.ID, client.TrialQuery{Limit: 1000})
	if err != nil || len(page.Trials) != 60 || st.SpaceVersion != 5 {
		t.Fatalf("%d trials, space version %d, %v", len(page.Trials), st.SpaceVersion, err)
	}
	for _, tr := range page.Trials {
		given := seen[tr.Number]
		if tr.State != types.Completed || len(tr.Params) != len(given) || len(given) < 3 {
			t.Errorf("trial %d is %s at %v, its function was given %v", tr.Number, tr.State, tr.Params, given)
		}
		for _, p := range given {
			if v, _ := tr.Params.Get(p.Name); v != p.Value {
				t.Errorf("trial %d has %s=%v, its function was given %v", tr.Number, p.Name, v, p.Value)
			}
		}
	}
	// A clash is told over the network as it is here.
	clash := tuner.NewClient(other, "clash")
	s, err = clash.Study(t.Context(), tuner.Config{Name: "open", Trials: 70})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := s.Ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tr.Int("x", -5, 5)
	if err := tr.Err(); types.CodeOf(err) != types.Conflict || !strings.Contains(err.Error(), "type float → int") {
		t.Errorf("another kind: %v", err)
	}
}

// TestGuestsDraw: a process that is not the owner of the study draws through the
// mailbox.
func TestGuestsDraw(t *testing.T) {
	h := newHome(t)
	owner := h.client(h.config())
	cfg := tuner.Config{Name: "open", Trials: 10, Objectives: []tuner.Objective{tuner.Minimize("loss")}}
	c := tuner.NewClient(owner, "remote")
	if _, err := c.Study(t.Context(), cfg); err != nil { // the server owns it
		t.Fatal(err)
	}
	guest, err := local.Client(t.Context(), filepath.Join(h.dir, "t.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close()
	s, err := guest.Study(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := s.Ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v := search(tr)
	if err := errors.Join(tr.Err(), tr.Tell(t.Context(), v)); err != nil {
		t.Fatal(err)
	}
	got, err := owner.StudyByName(t.Context(), "default", "open")
	if err != nil || got.SpaceVersion < 4 || got.Counts.Completed != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}
