package api

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A study moves to where it is used: sending a request on costs as much as
// answering it. handoverAfter is how many requests in a row, all from other
// servers, make its owner give it up; a large study, which takes time to load,
// needs one more for each eventsARequest events.
const (
	handoverAfter  = 50
	eventsARequest = 20
	// handoverPause is how long the study is not taken back for another server.
	handoverPause = 2 * time.Second
)

// callers counts requests for the studies that this server owns.
type callers struct {
	mu   sync.Mutex
	runs map[int64]*streak
}

// streak is how many requests in a row came from other servers.
type streak struct {
	n     int64
	given time.Time // when the study was given up
}

func (c *callers) of(id int64) *streak {
	if c.runs == nil || len(c.runs) >= manyStudies {
		c.runs = map[int64]*streak{}
	}
	r := c.runs[id]
	if r == nil {
		r = &streak{}
		c.runs[id] = r
	}
	return r
}

// own notes a request of this server's own callers.
func (c *callers) own(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.runs[id]; r != nil {
		r.n = 0
	}
}

// sent notes a request that another server sent, and reports whether it is time
// to think of giving the study up: not at each, for that takes a look at it.
func (c *callers) sent(id int64) (n int64, enough bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.of(id)
	r.n++
	return r.n, r.n >= handoverAfter && r.n%handoverAfter == 0
}

func (c *callers) gave(id int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.of(id) = streak{given: now}
}

// givenUp reports whether the study was just given up.
func (c *callers) givenUp(id int64, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.runs[id]
	if r == nil {
		return false
	}
	since := now.Sub(r.given)
	return since >= 0 && since < handoverPause // a clock that goes back ends it
}

// stays reports whether a study that another server sends a request for stays
// here; else that server becomes its owner.
func (s *Server) stays(ctx context.Context, id int64) bool {
	if !s.cfg.Engine.Owns(id) {
		return !s.callers.givenUp(id, s.cfg.Now())
	}
	n, enough := s.callers.sent(id)
	if !enough || s.cfg.Peers.Keep != nil && s.cfg.Peers.Keep(id) {
		return true
	}
	given, err := s.cfg.Engine.Yield(context.WithoutCancel(ctx), id, n*eventsARequest)
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "a study could not be given up", slog.Int64("study", id), slog.Any("error", err))
	}
	if given {
		s.callers.gave(id, s.cfg.Now())
		s.cfg.Logger.InfoContext(ctx, "a study moves to the server that uses it", slog.Int64("study", id))
	}
	return !given
}
