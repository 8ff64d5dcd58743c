//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
)

const (
	reportsEach = 5
	leaseTTL    = 2 * time.Second
	think       = 100 * time.Millisecond // the mean pause between two calls of a worker
)

// entry is a line of a worker's log. Each call has one before it is sent, and
// one with the same ID when it was answered.
type entry struct {
	ID      int64   `json:"id"`
	Call    string  `json:"call"`
	Trial   int64   `json:"trial"`
	Attempt int     `json:"attempt"`
	Step    int64   `json:"step,omitempty"`
	Value   float64 `json:"value,omitempty"`
	// Answered is when the answer came, At when this line was written, both in
	// nanoseconds of the machine's clock.
	At       int64 `json:"at"`
	Answered bool  `json:"answered,omitempty"`
	// Refused: the attempt is somebody else's now.
	Refused bool `json:"refused,omitempty"`
}

// crew is a process of workers, which share a client and a log.
type crew struct {
	client *client.Client
	study  types.Study
	name   string

	mu   sync.Mutex
	log  *os.File
	last int64
}

// workerMain is a process of workers until the study is done. Its arguments are
// in the environment; the log is appended to, and read after any death.
func workerMain() int {
	c, size, seed, err := newCrew()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crew:", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if c.study, err = c.client.StudyByName(ctx, "default", "chaos"); err != nil {
		fmt.Fprintln(os.Stderr, "crew:", err)
		return 1
	}
	var all sync.WaitGroup
	errs := make([]error, size)
	for i := range size {
		w := &worker{crew: c, name: c.name + "-" + strconv.Itoa(i), r: rand.New(rand.NewPCG(seed, uint64(i)))}
		all.Go(func() { errs[i] = w.run(ctx) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "crew:", err)
		return 1
	}
	return 0
}

func newCrew() (c *crew, size int, seed uint64, err error) {
	c = &crew{name: os.Getenv("CHAOS_NAME")}
	if size, err = strconv.Atoi(os.Getenv("CHAOS_SIZE")); err != nil {
		return nil, 0, 0, err
	}
	if seed, err = strconv.ParseUint(os.Getenv("CHAOS_SEED"), 10, 64); err != nil {
		return nil, 0, 0, err
	}
	if c.log, err = os.OpenFile(os.Getenv("CHAOS_LOG"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nil, 0, 0, err
	}
	if _, err := c.log.WriteString("\n"); err != nil { // a kill may have cut the last line
		return nil, 0, 0, err
	}
	c.client, err = client.New(client.Config{URL: os.Getenv("CHAOS_URL"), Token: os.Getenv("CHAOS_TOKEN"), Patience: time.Minute,
		HTTP: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}})
	c.last = time.Now().UnixNano() // IDs are new after a restart
	return c, size, seed, err
}

// note appends a line to the log: one write, of which the kernel keeps what it
// has taken when the process is killed.
func (c *crew) note(e entry) {
	e.At = time.Now().UnixNano()
	line, err := json.Marshal(e)
	if err == nil {
		_, err = c.log.Write(append(line, '\n'))
	}
	if err != nil {
		panic(err) // without a log there is nothing to check
	}
}

// begin notes a call that is about to be sent.
func (c *crew) begin(e entry) entry {
	c.mu.Lock()
	c.last++
	e.ID = c.last
	c.mu.Unlock()
	c.note(e)
	return e
}

// worker runs trials, one at a time.
type worker struct {
	*crew

	name string
	r    *rand.Rand
}

// pause waits about as long as a training step takes.
func (w *worker) pause(ctx context.Context) error {
	select {
	case <-time.After(time.Duration(w.r.Int64N(int64(2 * think)))):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// persist repeats a call until it is answered: with a good answer, or with one
// that says that the attempt is somebody else's.
func (w *worker) persist(ctx context.Context, e entry, call func() error) (refused bool, err error) {
	e = w.begin(e)
	for {
		err := call()
		switch types.CodeOf(err) {
		case types.Unavailable:
		case types.Superseded, types.NotFound:
			e.Answered, e.Refused = true, true
			w.note(e)
			return true, nil
		default:
			if err == nil {
				e.Answered = true
				w.note(e)
			}
			return false, err
		}
		if err := w.pause(ctx); err != nil {
			return false, err
		}
	}
}

func (w *worker) run(ctx context.Context) error {
	if w.r.IntN(2) == 0 { // what it had when it was killed; else it forgets that
		var mine []types.Adopted
		_, err := w.persist(ctx, entry{Call: "adopt"}, func() (err error) {
			mine, err = w.client.Adopt(ctx, types.AdoptRequest{Study: w.study.ID, Worker: w.name})
			return err
		})
		if err != nil {
			return err
		}
		for _, a := range mine {
			if err := w.trial(ctx, a.Lease); err != nil {
				return err
			}
		}
	}
	for {
		var reply types.LeaseReply
		key := client.NewKey()
		_, err := w.persist(ctx, entry{Call: "lease"}, func() (err error) {
			reply, err = w.client.Lease(ctx, types.LeaseRequest{Study: w.study.ID, Worker: w.name, Key: key,
				TTL: types.Duration(leaseTTL), Wait: types.Duration(time.Second)})
			return err
		})
		if err != nil {
			return err
		}
		switch reply.Status {
		case types.LeaseDone:
			return nil
		case types.LeaseWait:
			continue
		case types.LeaseGranted:
		}
		if err := w.trial(ctx, reply.Leases[0]); err != nil {
			return err
		}
	}
}

// valueOf is what an attempt reports at a step: no two report the same.
func valueOf(trial int64, attempt int, step int64) float64 {
	return float64(trial)*1000 + float64(attempt)*10 + float64(step)
}

// trial runs a trial to its end, or forgets it now and then.
func (w *worker) trial(ctx context.Context, l types.Lease) error {
	w.note(entry{ID: -1, Call: "granted", Trial: l.Ref.Trial, Attempt: l.Ref.Attempt})
	forgets := -1
	if w.r.IntN(50) == 0 {
		forgets = w.r.IntN(reportsEach + 1)
	}
	e := entry{Trial: l.Ref.Trial, Attempt: l.Ref.Attempt}
	for step := range int64(reportsEach) {
		if err := w.pause(ctx); err != nil || forgets == int(step) {
			return err
		}
		e.Call, e.Step, e.Value = "report", step, valueOf(l.Ref.Trial, l.Ref.Attempt, step)
		refused, err := w.persist(ctx, e, func() error {
			_, err := w.client.Report(ctx, types.ReportRequest{Ref: l.Ref, Reports: []types.Report{{Metric: "v", Step: step, Value: types.Float(e.Value)}}})
			return err
		})
		if refused || err != nil {
			return err
		}
	}
	if err := w.pause(ctx); err != nil || forgets == reportsEach {
		return err
	}
	e.Call, e.Step, e.Value = "finish", 0, valueOf(l.Ref.Trial, l.Ref.Attempt, reportsEach)
	_, err := w.persist(ctx, e, func() error {
		_, err := w.client.Finish(ctx, types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeCompleted, Metrics: map[string]types.Float{"v": types.Float(e.Value)}})
		return err
	})
	return err
}
