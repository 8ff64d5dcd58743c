//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/pgtest"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/engine"
)

var postgres pgtest.Server

// fleet is two servers on one database with clients that use both, and a log of
// what the clients were told is stored.
type fleet struct {
	*lab

	servers [2]*service

	mu       sync.Mutex
	clients  map[string]*client.Client // by URL
	holders  map[[3]int64]string       // worker by study, trial, attempt
	reports  map[[3]int64]map[int64]float64
	finished map[[2]int64]float64 // by study and trial
	lost     int                  // attempts that were superseded
	fault    error
}

// reportsEach is how many reports a trial of the fleet makes.
const reportsEach = 5

func newFleet(t *testing.T, dsn string) *fleet {
	l := newLab(t)
	if dsn != "" {
		l.db = dsn
	}
	return l.fleet()
}

func (l *lab) fleet(flags ...string) *fleet {
	l.t.Helper()
	f := &fleet{lab: l, clients: map[string]*client.Client{}, holders: map[[3]int64]string{},
		reports: map[[3]int64]map[int64]float64{}, finished: map[[2]int64]float64{}}
	for i := range f.servers {
		f.servers[i] = l.serve("127.0.0.1:0", flags...)
	}
	return f
}

// at returns a client of a server; it does not wait for one that is away.
func (f *fleet) at(i int) *client.Client {
	f.t.Helper()
	c, err := f.dial(i)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fleet) dial(i int) (*client.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.servers[i]
	if c := f.clients[s.url]; c != nil {
		return c, nil
	}
	path := s.token
	if f.disk != nil {
		path = f.disk.reach(path)
	}
	token, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{URL: s.url, Token: strings.TrimSpace(string(token)), Patience: -1})
	f.clients[s.url] = c
	return c, err
}

// again starts a server that was killed at its address.
func (f *fleet) again(i int) {
	f.t.Helper()
	s := f.serve(strings.TrimPrefix(f.servers[i].url, "http://"))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.servers[i] = s
}

func (f *fleet) open(i int, name string, trials int64) types.Study {
	f.t.Helper()
	st, err := f.at(i).OpenStudy(f.t.Context(), types.StudySpec{Name: name, Space: []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`),
		Objectives: []types.Objective{{Metric: "v", Goal: types.Minimize}}, Algorithm: types.Component{Name: "random"},
		Budget: types.Budget{Trials: trials}, Retries: 1000})
	if err != nil {
		f.t.Fatal(err)
	}
	return st
}

// worker runs trials of a study until it ends, at the server of its number as
// long as that answers.
type worker struct {
	*fleet

	name  string
	study types.Study
	first int
	// loyal: it never asks the other server.
	loyal bool
}

// ask calls one server after the other until one answers with anything but
// Unavailable.
func (w *worker) ask(ctx context.Context, do func(c *client.Client) error) error {
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for i := w.first; ; i++ {
		if w.loyal {
			i = w.first
		}
		c, err := w.dial(i % 2)
		if err == nil {
			if err = do(c); types.CodeOf(err) == types.NotFound { // it has not seen the study
				if _, e := c.StudyByName(ctx, "default", w.study.Spec.Name); types.CodeOf(e) != types.Unavailable {
					err = errors.Join(do(c), e)
				}
			}
		}
		if types.CodeOf(err) != types.Unavailable {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause.C:
		}
	}
}

func (w *worker) run(ctx context.Context) {
	for {
		var reply types.LeaseReply
		key := client.NewKey()
		err := w.ask(ctx, func(c *client.Client) (err error) {
			reply, err = c.Lease(ctx, types.LeaseRequest{Study: w.study.ID, Worker: w.name, Key: key, Wait: types.Duration(2 * time.Second), Max: 1})
			return err
		})
		if err == nil && reply.Status == types.LeaseDone {
			return
		}
		for _, l := range reply.Leases {
			if err == nil {
				err = w.trial(ctx, l)
			}
		}
		if err != nil {
			w.mu.Lock()
			w.fault = errors.Join(w.fault, fmt.Errorf("%s: %w", w.name, err))
			w.mu.Unlock()
			return
		}
	}
}

// trial runs one trial, and notes what is acknowledged.
func (w *worker) trial(ctx context.Context, l types.Lease) error {
	id := [3]int64{l.Ref.Study, l.Ref.Trial, int64(l.Ref.Attempt)}
	w.mu.Lock()
	if other := w.holders[id]; other != "" {
		w.fault = errors.Join(w.fault, fmt.Errorf("attempt %v was given to %s and %s", id, other, w.name))
	}
	w.holders[id] = w.name
	w.reports[id] = map[int64]float64{}
	w.mu.Unlock()
	value := float64(l.Ref.Trial)
	for step := range int64(reportsEach) {
		err := w.ask(ctx, func(c *client.Client) error {
			_, err := c.Report(ctx, types.ReportRequest{Ref: l.Ref, Cursor: strconv.FormatInt(step+1, 10),
				Reports: []types.Report{{Metric: "v", Step: step, Value: types.Float(value + float64(step))}}})
			return err
		})
		if w.gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		w.mu.Lock()
		w.reports[id][step] = value + float64(step)
		w.mu.Unlock()
	}
	err := w.ask(ctx, func(c *client.Client) error {
		_, err := c.Finish(ctx, types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeCompleted, Metrics: map[string]types.Float{"v": types.Float(value)}})
		return err
	})
	if w.gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, twice := w.finished[[2]int64{id[0], id[1]}]; twice {
		w.fault = errors.Join(w.fault, fmt.Errorf("trial %v was finished twice", id))
	}
	w.finished[[2]int64{id[0], id[1]}] = value
	return nil
}

// gone reports whether the attempt is somebody else's now.
func (w *worker) gone(err error) bool {
	if c := types.CodeOf(err); c != types.Superseded && c != types.NotFound {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost++
	return true
}

// done is how many trials the clients know to be finished.
func (f *fleet) done() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != nil {
		f.t.Fatal(f.fault)
	}
	return len(f.finished)
}

// check compares what the clients were told with what is stored.
func (f *fleet) check(trials int, studies ...types.Study) {
	f.t.Helper()
	if f.fault != nil {
		f.t.Fatal(f.fault)
	}
	for _, st := range studies {
		f.study = st.Spec.Name
		n := 0
		f.look(func(db store.Store, study int64, tr trial.Trial) { // which fails where a number is missing
			n++
			value, known := f.finished[[2]int64{study, tr.Number}]
			if tr.State != types.Completed || !known || tr.Metrics["v"] != value {
				f.t.Errorf("trial %d is %s with %v; its client was told %v (%t)", tr.Number, tr.State, tr.Metrics, value, known)
			}
			f.checkReports(db, study, tr)
		})
		if n != trials {
			f.t.Errorf("%s has %d trials, want %d", st.Spec.Name, n, trials)
		}
	}
}

func (f *fleet) checkReports(db store.Store, study int64, tr trial.Trial) {
	f.t.Helper()
	rs, err := db.Reports(f.t.Context(), study, tr.Number, "v", 0)
	if err != nil {
		f.t.Fatal(err)
	}
	if len(rs) != reportsEach {
		f.t.Errorf("trial %d has %d reports, want %d", tr.Number, len(rs), reportsEach)
	}
	for _, r := range rs {
		if v, ok := f.reports[[3]int64{study, tr.Number, int64(r.Attempt)}][r.Step]; !ok || v != r.Value {
			f.t.Errorf("trial %d, step %d: %v is stored, and %v was acknowledged (%t)", tr.Number, r.Step, r.Value, v, ok)
		}
	}
}

// crowd runs workers of each study until the studies end, half of them at each
// server first.
func (f *fleet) crowd(ctx context.Context, each int, loyal bool, studies ...types.Study) *sync.WaitGroup {
	var all sync.WaitGroup
	for s, st := range studies {
		for i := range each {
			w := &worker{fleet: f, name: fmt.Sprintf("w%d-%d", s, i), study: st, first: i % 2, loyal: loyal}
			all.Go(func() { w.run(ctx) })
		}
	}
	return &all
}

func eachDatabase(t *testing.T, do func(t *testing.T, dsn string)) {
	for _, name := range []string{"SQLite", "PostgreSQL"} {
		t.Run(name, func(t *testing.T) {
			dsn := ""
			if name == "PostgreSQL" {
				dsn = postgres.DSN(t)
			}
			do(t, dsn)
		})
	}
}

// TestTwoServersShareADatabase: clients use both; each server is killed while it
// owns a study; nothing that was acknowledged is missing, and no attempt was
// given to two.
func TestTwoServersShareADatabase(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	eachDatabase(t, func(t *testing.T, dsn string) {
		f := newFleet(t, dsn)
		const trials = 700
		a, b := f.open(0, "a", trials), f.open(1, "b", trials)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		crowd := f.crowd(ctx, 4, false, a, b)
		for i, after := range []int{100, 400, 700} {
			waitUntil(t, fmt.Sprintf("trial %d", after), func() bool { return f.done() >= after })
			f.servers[i%2].signal(syscall.SIGKILL)
			<-f.servers[i%2].ended
			goal := min(f.done()+10, 2*trials)
			waitUntil(t, "work without that server", func() bool { return f.done() >= goal })
			f.again(i % 2)
		}
		crowd.Wait()
		for _, s := range f.servers {
			s.ends()
		}
		f.check(trials, a, b)
		t.Logf("%d attempts were superseded", f.lost)
	})
}

// TestAnOwnerThatHangs: a server that stands still is the owner until its time
// is over; then the other one takes its studies, and what it wakes up with is
// refused.
func TestAnOwnerThatHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()
	f := newFleet(t, postgres.DSN(t))
	const trials = 1000 // the listing of which is one page
	a := f.open(0, "a", trials)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	crowd := f.crowd(ctx, 4, true, a)
	waitUntil(t, "some trials", func() bool { return f.done() >= 20 })
	f.servers[0].signal(syscall.SIGSTOP)
	stopped, goal := time.Now(), f.done()+10
	waitUntil(t, "work at the other server", func() bool { return f.done() >= goal })
	if took := time.Since(stopped); took > 2*engine.DefaultOwnerTTL {
		t.Errorf("the other server took the study over after %v, want less than two leases of %v", took, engine.DefaultOwnerTTL)
	} else {
		t.Logf("taken over after %v", took.Round(time.Millisecond))
	}
	f.servers[0].signal(syscall.SIGCONT)
	crowd.Wait()
	for _, s := range f.servers {
		s.ends()
	}
	f.check(trials, a)
}

// TestAnOwnerSaysWhereItIs: the database has the address of a study's owner.
func TestAnOwnerSaysWhereItIs(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "")
	st := f.open(0, "a", 10)
	db, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: f.db})
	if err != nil {
		t.Fatal(err)
	}
	row, err := db.StudyByID(t.Context(), st.ID)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if row.OwnerAddr != f.servers[0].url || !strings.HasPrefix(row.Owner, host+"|"+filepath.Join(f.dir, "")) {
		t.Errorf("the owner is %q at %q", row.Owner, row.OwnerAddr)
	}
	if math.Abs(time.Until(row.LeaseUntil).Seconds()) > engine.DefaultOwnerTTL.Seconds() {
		t.Errorf("its time ends at %v", row.LeaseUntil)
	}
}
