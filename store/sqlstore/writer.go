package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"gorm.io/gorm"

	"github.com/gotuner/tuner/api/types"
)

const (
	// maxGroup bounds how many batches share a transaction.
	maxGroup = 512
	// busyPatience is how long the writer tries to get the write lock of a
	// SQLite database that other processes hold.
	busyPatience = 30 * time.Second
	// busyPause is the longest pause between two tries. It is short because a
	// busy process leaves the lock free for moments only.
	busyPause = 4 * time.Millisecond
	// maxOldPlans is how many statements of a transaction may turn out to be
	// prepared for an earlier schema, one at a try.
	maxOldPlans = 16
	// tidyEvery is how often a database that is written to is looked after.
	tidyEvery = 5 * time.Minute
)

// writer is the one goroutine that writes. Batches that wait when it becomes
// free share its next transaction: the busier the store, the larger the
// groups, without any timer.
type writer struct {
	db      *sql.DB
	dialect dialect
	log     *slog.Logger
	// setUp prepares a new connection.
	setUp func(ctx context.Context, c *sql.Conn) error
	// openGorm makes gorm speak through the connection.
	openGorm func(c gorm.ConnPool) (*gorm.DB, error)
	now      func() time.Time
	wrote    func(batches int, took time.Duration) // may be nil
	// tidy looks after the database; final is true for the last time.
	tidy func(ctx context.Context, c *sql.Conn, final bool) error
	// room keeps a log from filling the disk; nil without a log.
	room *room

	conn  *sql.Conn
	gorm  *gorm.DB
	sink  sink
	dirty bool

	mu     sync.Mutex
	queue  []task
	closed bool
	wake   chan struct{}
	done   chan struct{}
}

// task is a batch to store, or work to do in a transaction of its own.
type task struct {
	batch *encoded
	work  func(tx *gorm.DB) error
	// read tells that work only reads and needs no transaction.
	read bool
	err  chan error // buffered
}

// start takes the connection and starts the goroutine.
func (w *writer) start(ctx context.Context) error {
	w.wake = make(chan struct{}, 1)
	w.done = make(chan struct{})
	if err := w.connect(ctx); err != nil {
		return err
	}
	go w.run()
	return nil
}

// stop lets the writer finish what is queued and waits for it.
func (w *writer) stop() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.signal()
	<-w.done
}

// submit queues t; its answer comes through t.err.
func (w *writer) submit(t task) {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		t.err <- errClosed()
		return
	}
	w.queue = append(w.queue, t)
	w.mu.Unlock()
	w.signal()
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// do queues work and waits for it. work may run several times, each time in a
// new transaction. Cancelling ctx ends the waiting, not the work.
func (w *writer) do(ctx context.Context, work func(tx *gorm.DB) error) error {
	return w.wait(ctx, task{work: work})
}

func (w *writer) wait(ctx context.Context, t task) error {
	t.err = make(chan error, 1)
	w.submit(t)
	return waitFor(ctx, t.err)
}

func waitFor(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return types.Errorf(types.Unavailable, "gave up waiting for the database, which may still store it: %w", context.Cause(ctx))
	}
}

func errClosed() error { return types.Errorf(types.Unavailable, "the database is closed") }

func (w *writer) run() {
	defer close(w.done)
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	ctx := context.Background()
	for {
		tasks, closed := w.next()
		if len(tasks) > 0 {
			w.perform(ctx, tasks)
			w.spareRoom(ctx)
			// Those who got their answers can now queue what they do next, so
			// that it shares a transaction with what is waiting already.
			runtime.Gosched()
			continue
		}
		if closed {
			w.lookAfter(ctx, true)
			w.disconnect()
			return
		}
		select {
		case <-w.wake:
		case <-ticker.C:
			w.lookAfter(ctx, false)
		}
	}
}

// next takes what may share a transaction: batches, or one piece of work.
func (w *writer) next() (tasks []task, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for n < len(w.queue) && n < maxGroup && w.queue[n].batch != nil {
		n++
	}
	if n == 0 && len(w.queue) > 0 {
		n = 1
	}
	tasks = append(tasks, w.queue[:n]...)
	clear(w.queue[:n])
	if w.queue = w.queue[n:]; len(w.queue) == 0 {
		w.queue = nil
	}
	return tasks, w.closed
}

func (w *writer) perform(ctx context.Context, tasks []task) {
	if work := tasks[0].work; work != nil {
		tasks[0].err <- w.attempt(ctx, func() error { return w.transact(ctx, tasks[0]) })
		return
	}
	errs := make([]error, len(tasks))
	if err := w.group(ctx, tasks, errs); err != nil {
		switch {
		case len(tasks) > 1 && !isOutage(err):
			// One of them cannot be stored: that must not touch the others.
			for i := range tasks {
				one := []error{nil}
				if err := w.group(ctx, tasks[i:i+1], one); err != nil {
					one[0] = err
				}
				errs[i] = one[0]
			}
		default:
			for i := range errs {
				errs[i] = err
			}
		}
	}
	for i, t := range tasks {
		t.err <- errs[i]
	}
}

// group stores the batches of tasks in one transaction; errs gets the errors
// of those that the fence stopped.
func (w *writer) group(ctx context.Context, tasks []task, errs []error) error {
	group := make([]*encoded, len(tasks))
	for i, t := range tasks {
		group[i] = t.batch
	}
	var passed []bool
	began := w.now()
	err := w.attempt(ctx, func() (err error) {
		passed, err = w.sink.write(ctx, group)
		return err
	})
	if w.wrote != nil {
		w.wrote(len(group), w.now().Sub(began))
	}
	if err != nil {
		return err
	}
	for i, ok := range passed {
		if !ok {
			errs[i] = w.refusal(ctx, group[i])
		}
	}
	return nil
}

// attempt runs f again while the database is busy, and connects anew if the
// connection was lost. On a full disk it runs f once more if the write-ahead log
// could be emptied: what f did was rolled back.
func (w *writer) attempt(ctx context.Context, f func() error) error {
	var patience <-chan time.Time // begins when the database is busy
	oldPlans, emptied := 0, false
	for again := false; ; again = true {
		if err := w.connect(ctx); err != nil {
			return classify(err)
		}
		err := f()
		if err == nil {
			w.dirty = true
			return nil
		}
		if isBroken(err) {
			w.disconnect()
			// A server that was restarted since the last commit is nobody's fault.
			if _, ok := errors.AsType[unsent](err); ok && !again {
				continue
			}
		}
		if isOldPlan(err) && oldPlans < maxOldPlans {
			oldPlans++
			continue
		}
		if w.room != nil && isFull(err) && !emptied {
			if emptied = w.room.makeRoom(ctx, w.conn); emptied {
				continue
			}
		}
		if !isBusy(err) {
			return classify(err)
		}
		if patience == nil {
			patience = time.After(busyPatience)
		}
		select {
		case <-patience:
			return classify(err)
		case <-time.After(time.Duration(rand.Int64N(int64(busyPause)))): //nolint:forbidigo // it must differ between processes
		}
	}
}

func (w *writer) transact(ctx context.Context, t task) error {
	if t.read {
		return t.work(w.gorm)
	}
	return w.gorm.WithContext(ctx).Transaction(t.work)
}

// refusal finds out why the fence stopped a batch.
func (w *writer) refusal(ctx context.Context, e *encoded) error {
	var row studyRow
	err := w.gorm.WithContext(ctx).Omit("spec").Take(&row, e.study).Error
	switch {
	case errors.Is(err, gorm.ErrRecordNotFound):
		return noStudy(e.study)
	case err != nil:
		return classify(err)
	case row.Epoch != e.epoch:
		return superseded(&row, e.epoch)
	}
	return types.Errorf(types.Conflict, "study %q is at seq %d and number %d, not %d and %d",
		row.Name, row.NextSeq, row.NextNumber, e.from[0], e.from[1])
}

// connect makes sure that there is a connection.
func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	err = w.setUp(ctx, conn)
	if err == nil {
		w.gorm, err = w.openGorm(conn)
	}
	if err != nil {
		return also(err, conn.Close())
	}
	w.conn, w.sink = conn, newSink(w.dialect, conn)
	return nil
}

func (w *writer) disconnect() {
	if w.conn == nil {
		return
	}
	w.sink.close()
	if err := w.conn.Close(); err != nil && !errors.Is(err, sql.ErrConnDone) {
		w.log.Warn("closing the database connection", "error", err)
	}
	w.conn, w.gorm, w.sink = nil, nil, nil
}

// lookAfter runs tidy if something was written since.
func (w *writer) lookAfter(ctx context.Context, final bool) {
	if !w.dirty || w.conn == nil {
		return
	}
	w.dirty = false
	if err := w.tidy(ctx, w.conn, final); err != nil {
		w.log.Warn("looking after the database", "error", err)
	}
}

// spareRoom keeps room for what is in the write-ahead log.
func (w *writer) spareRoom(ctx context.Context) {
	if w.room == nil || w.conn == nil {
		return
	}
	if err := w.room.watch(ctx, w.conn); err != nil {
		w.log.Warn("the write-ahead log could not be emptied, and the disk is nearly full", "error", err)
	}
}
