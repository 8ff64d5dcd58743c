package api

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// holder is a token as limits see it: that of somebody, or of an attempt.
type holder struct {
	token   int64
	attempt types.AttemptRef
}

func (c *call) holder() holder {
	if c.attempt != nil {
		return holder{attempt: *c.attempt}
	}
	return holder{token: c.token.ID}
}

// limits bound what the holder of one token may ask of the server: requests a
// second, and requests at once. They keep a program that has gone wrong from the
// others, not an attacker out.
type limits struct {
	rate   float64 // 0 is no limit
	atOnce int     // 0 is no limit

	mu    sync.Mutex
	usage map[holder]*usage
}

// usage is a bucket of tokens, in the other sense, and the requests under way.
type usage struct {
	left float64
	at   time.Time
	open int
}

// burst is how many seconds' worth of requests may come at once.
const burst = 2

// usages is when those who have not called for long are forgotten.
const usages = 10_000

// take counts a request of a holder. If it may be answered, leave is to be called
// when it is over; else leave is nil, and retry says when it may be repeated.
// rated is false for those whose rate has no limit.
func (l *limits) take(who holder, rated bool, now time.Time) (leave func(), retry time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.usage[who]
	if u == nil {
		l.forget(now)
		u = &usage{left: burst * l.rate, at: now}
		l.usage[who] = u
	}
	if l.atOnce > 0 && u.open >= l.atOnce {
		return nil, time.Second
	}
	if rated && l.rate > 0 {
		u.refill(l.rate, now)
		if u.left < 1 {
			return nil, time.Duration((1 - u.left) / l.rate * float64(time.Second))
		}
		u.left--
	}
	u.open++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		u.open--
	}, 0
}

// hold counts a request that goes on when its handler is done, until left.
func (l *limits) hold(who holder) (left func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.usage[who] // its request is under way
	u.open++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		u.open--
	}
}

// refill adds what has come since the last time. A clock that goes back adds
// nothing.
func (u *usage) refill(rate float64, now time.Time) {
	if d := now.Sub(u.at); d > 0 {
		u.left = min(u.left+rate*d.Seconds(), burst*rate)
	}
	u.at = now
}

// forget drops what says nothing any more: no request under way, and a full
// bucket.
func (l *limits) forget(now time.Time) {
	if l.usage == nil {
		l.usage = map[holder]*usage{}
	}
	if len(l.usage) < usages {
		return
	}
	for who, u := range l.usage {
		if u.refill(l.rate, now); u.open == 0 && u.left >= burst*l.rate {
			delete(l.usage, who)
		}
	}
}

// limit counts a request, or answers that there are too many; leave is nil then.
func (s *Server) limit(c echo.Context, this *call) (leave func()) {
	leave, retry := s.limits.take(this.holder(), this.token.Role != store.RoleAdmin, s.cfg.Now())
	if leave == nil {
		c.Response().Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(retry.Seconds())))))
		newProblem(this.id, http.StatusTooManyRequests, types.Errorf(types.Unavailable, "too many requests with the token %s", this.caller()).
			WithRemedy("wait a moment, send several reports in one request, or ask the operator for more (serve --rate, --at-once)")).write(c.Response())
	}
	return leave
}
