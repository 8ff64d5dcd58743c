package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
)

const (
	// streamSilence is how long a stream may be without any sign of life; the
	// server gives one every 15 s.
	streamSilence = 45 * time.Second
	longestEvent  = 4 << 20
)

// EventsFromStart is the event after which all events come.
const EventsFromStart = -1

// Events yields the events of a study after that of the given number
// (EventsFromStart: all), those that are stored and then those that come, each
// once and in order. It connects again when the connection is lost, as long as
// Config.Patience each time. An error is the last that it yields: that of ctx,
// Unavailable if the server stays away, NotFound once the study is removed. kinds
// are those to yield; none means all.
func (c *Client) Events(ctx context.Context, study, after int64, kinds ...types.EventKind) iter.Seq2[types.Event, error] {
	return func(yield func(types.Event, error) bool) {
		pause := firstPause
		var lost time.Time // since when there is no connection
		for {
			before := after
			more, err := c.streamOnce(ctx, study, &after, kinds, yield)
			if !more {
				return
			}
			if before != after || err == nil {
				pause, lost = firstPause, time.Time{}
			}
			now := time.Now() //nolint:forbidigo // patience with a network is in real time
			if lost.IsZero() {
				lost = now
			}
			if err != nil && (types.CodeOf(err) != types.Unavailable || now.Sub(lost) >= c.cfg.Patience) {
				yield(types.Event{}, err)
				return
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				yield(types.Event{}, context.Cause(ctx))
				return
			}
			pause = min(2*pause, longestPause)
		}
	}
}

// streamOnce yields the events of one connection and moves after on. more is
// false if yield wants no more; err is nil if there was a connection.
func (c *Client) streamOnce(parent context.Context, study int64, after *int64, kinds []types.EventKind, yield func(types.Event, error) bool) (more bool, err error) {
	path, err := c.path(study, "events")
	if err != nil {
		return true, err
	}
	q := url.Values{"after": {strconv.FormatInt(*after, 10)}, "study": {strconv.FormatInt(study, 10)}}
	if len(kinds) > 0 {
		var texts []string
		for _, k := range kinds {
			texts = append(texts, string(k))
		}
		q.Set("kind", strings.Join(texts, ","))
	}
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	watchdog := time.AfterFunc(streamSilence, cancel)
	defer watchdog.Stop()
	u := c.base.JoinPath(path...)
	u.RawQuery = q.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return true, types.Errorf(types.Invalid, "%w", err)
	}
	r.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	r.Header.Set("Accept", "text/event-stream")
	resp, err := c.cfg.HTTP.Do(r)
	if err != nil {
		return true, c.unreachable(parent, err)
	}
	defer func() { _ = resp.Body.Close() }() // it is not wanted any more
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(resp.Body, longestEvent))
		if err != nil {
			return true, c.unreachable(parent, err)
		}
		return true, c.refusal(resp, text)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, longestEvent)
	for lines.Scan() {
		watchdog.Reset(streamSilence)
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || data == "{}" { // of the event "gone": the next connection says why
			continue
		}
		var e types.Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return true, types.Errorf(types.Internal, "an event of %s is unreadable: %w", c.base.Host, err).
				WithRemedy("see whether it is a tuner server of this version: GET %s/v1/info", c.base)
		}
		if e.Seq <= *after {
			continue // a proxy sent it twice
		}
		*after = e.Seq
		if !yield(e, nil) {
			return false, nil
		}
	}
	if parent.Err() != nil {
		return true, context.Cause(parent)
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return true, types.Errorf(types.Internal, "an event of %s is too long", c.base.Host)
	}
	return true, nil
}

// EventPage returns the events of a study after that of the given number, at
// most limit (1 to 5000), waiting for the first up to wait.
func (c *Client) EventPage(ctx context.Context, study, after int64, limit int, wait types.Duration) (types.EventPage, error) {
	path, err := c.path(study, "events")
	if err != nil {
		return types.EventPage{}, err
	}
	q := page(url.Values{"study": {strconv.FormatInt(study, 10)}}, strconv.FormatInt(after, 10), limit)
	if wait > 0 {
		q.Set("wait", time.Duration(wait).String())
	}
	var out types.EventPage
	err = c.patient(ctx, request{method: http.MethodGet, path: path, query: q, wait: wait}, &out)
	return out, err
}
