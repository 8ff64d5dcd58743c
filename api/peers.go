package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/gotuner/tuner/api/types"
)

// Peers says how the other servers of the database are reached. A study has one
// owner; a request for a study that another server owns is sent there as it
// came, with the caller's token, which the owner checks as if the caller had
// come to it. What cannot be sent goes through the database instead.
type Peers struct {
	// Name is the name of this server's engine among the owners of studies.
	Name string
	// Reach returns the base URL of a server and how to send requests to it, by
	// the owner's name and address; ok is false if it cannot be reached, or not
	// without showing the token to others.
	Reach func(owner, addr string) (base *url.URL, send http.RoundTripper, ok bool)
	// Keep tells of a study that is used in this process, too, so that it is not
	// given to the server that most requests come from; nil: none is.
	Keep func(study int64) bool
}

// ownerHeader names the owner that a server sends a request to. A request that
// has it is never sent on, so that none goes in circles, and a server of another
// name refuses it with 421: an address may lead elsewhere than it did.
const ownerHeader = "Tuner-Owner"

const (
	// whereFresh is how long it is believed who owns a study.
	whereFresh = time.Second
	// peerPause is how long a server that refused a connection is left alone; at
	// most whereFresh.
	peerPause = time.Second
	// manyStudies is when the memory of owners is emptied.
	manyStudies = 10_000
)

// elsewhere remembers which server owns a study.
type elsewhere struct {
	mu     sync.Mutex
	places map[int64]place
}

// place is where a study was; owner "" is here, or can be.
type place struct {
	owner, addr string
	until       time.Time
}

// toOwner sends requests for a study that another server owns to that server.
// It comes after routing: what gets here has shown a token that may do it.
func (s *Server) toOwner(next echo.HandlerFunc) echo.HandlerFunc {
	if s.cfg.Peers == nil {
		return next
	}
	return func(c echo.Context) error {
		r := c.Request()
		if meant := r.Header.Get(ownerHeader); meant != "" {
			if meant != s.cfg.Peers.Name || !s.mine(c) {
				newProblem(callOf(r.Context()).id, http.StatusMisdirectedRequest, types.Errorf(types.Unavailable, "this is not the owner of the study").
					WithField(ownerHeader)).write(c.Response())
				return nil
			}
			return next(c)
		}
		name, body, err := s.subject(c)
		if err != nil || name.Study == "" {
			return joinNext(err, next, c)
		}
		id, at, err := s.where(r.Context(), name)
		if err != nil || at.owner == "" { // whatever is wrong, the handler says so in its words
			if err == nil {
				s.callers.own(id)
			}
			return next(c)
		}
		if body == nil {
			if body, err = s.body(c); err != nil {
				return err
			}
		}
		if done, err := s.forward(c, id, at, body); done {
			return err
		}
		c.Request().Body = io.NopCloser(bytes.NewReader(body))
		return next(c)
	}
}

// mine reports whether the study of a request is this server's, or can be.
func (s *Server) mine(c echo.Context) bool {
	name, _, err := s.subject(c)
	if err != nil || name.Study == "" {
		return true // the handler says what is wrong
	}
	ctx := c.Request().Context()
	id, at, err := s.where(ctx, name)
	return err != nil || at.owner == "" && s.stays(ctx, id)
}

func joinNext(err error, next echo.HandlerFunc, c echo.Context) error {
	if err != nil {
		return err
	}
	return next(c)
}

// liveReads end the paths of requests that only read, and that the owner answers
// from its memory. Others are answered here, from the database, which has all
// that was acknowledged.
var liveReads = []string{"signal"}

// waitingCalls end the paths of requests that wait for something.
var waitingCalls = []string{"leases", "heartbeat", "ask", "signal"}

// subject finds the study that a request changes; none is "". The
// body is returned if it had to be read for that.
func (s *Server) subject(c echo.Context) (name StudyName, body []byte, err error) {
	r, path := c.Request(), c.Path()
	name.Project = c.Param("project")
	switch opens := r.Method == http.MethodPost && path == echoPath(studiesPath); {
	case opens: // a study is opened by the name in the body
		if body, err = s.body(c); err != nil {
			return name, nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var spec struct {
			Name string `json:"name"`
		}
		if json.Unmarshal(body, &spec) == nil { // else the handler refuses it
			name.Study = spec.Name
		}
	case r.URL.RawPath != "", !strings.HasPrefix(path, echoPath(studyPath)):
	case path == echoPath(studyPath+"/import"): // a stream, which is not sent on
	case r.Method != http.MethodGet && r.Method != http.MethodHead || lastOf(path, liveReads):
		name.Study = c.Param("study")
	}
	return name, body, nil
}

// lastOf reports whether the last part of a path is one of those.
func lastOf(path string, those []string) bool {
	return slices.Contains(those, path[strings.LastIndexByte(path, '/')+1:])
}

// body reads the body of a request whole; one that is too large is left to the
// handler's refusal.
func (s *Server) body(c echo.Context) ([]byte, error) {
	r := c.Request()
	if r.Body == nil || r.ContentLength == 0 {
		return nil, nil
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, s.cfg.MaxBody+1)) // within the time that hurry has set
	if err != nil {
		return nil, types.Errorf(types.Invalid, "the body could not be read: %w", err)
	}
	if int64(len(b)) > s.cfg.MaxBody {
		newProblem(callOf(r.Context()).id, http.StatusRequestEntityTooLarge,
			types.Errorf(types.Invalid, "the body is too large").WithRemedy("send it in parts")).write(c.Response())
		return nil, errAnswered
	}
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Time{})
	return b, nil
}

// errAnswered ends a request that has its answer.
var errAnswered = errors.New("answered")

// where tells who owns the study of a name.
func (s *Server) where(ctx context.Context, name StudyName) (int64, place, error) {
	for again := false; ; again = true {
		id, ok := s.knownID(name)
		if !ok {
			st, err := s.cfg.Store.Study(ctx, name.Project, name.Study)
			if err != nil {
				return 0, place{}, err
			}
			id = st.ID
			s.names.Store(name, id)
		}
		at, err := s.whereID(ctx, id)
		if types.CodeOf(err) == types.NotFound && ok && !again {
			s.names.Delete(name) // another study may have the name by now
			continue
		}
		return id, at, err
	}
}

func (s *Server) knownID(name StudyName) (int64, bool) {
	v, ok := s.names.Load(name)
	if !ok {
		return 0, false
	}
	id, ok := v.(int64)
	return id, ok
}

func (s *Server) whereID(ctx context.Context, id int64) (place, error) {
	if s.cfg.Engine.Owns(id) {
		return place{}, nil
	}
	now := s.cfg.Now()
	s.elsewhere.mu.Lock()
	at, ok := s.elsewhere.places[id]
	s.elsewhere.mu.Unlock()
	if ok && stillFresh(now, at.until, whereFresh) {
		return at, nil
	}
	owner, addr, err := s.cfg.Engine.Elsewhere(ctx, id)
	if err != nil || owner == "" {
		return place{}, err
	}
	at = place{owner, addr, now.Add(whereFresh)}
	if _, _, ok := s.cfg.Peers.Reach(owner, addr); !ok {
		at.owner = ""
	}
	s.remember(id, at)
	return at, nil
}

// stillFresh reports whether what was found out is to be believed until a moment
// to come, for so long at most: with a clock that goes back, that would be hours.
func stillFresh(now, until time.Time, most time.Duration) bool {
	left := until.Sub(now)
	return left > 0 && left <= most
}

func (s *Server) remember(id int64, at place) {
	s.elsewhere.mu.Lock()
	defer s.elsewhere.mu.Unlock()
	if s.elsewhere.places == nil || len(s.elsewhere.places) >= manyStudies {
		s.elsewhere.places = map[int64]place{}
	}
	s.elsewhere.places[id] = at
}

// forward sends a request to the server that owns its study, and passes the
// answer on. done is false if that server did not take it: then it is as if it
// had not been sent.
func (s *Server) forward(c echo.Context, id int64, at place, body []byte) (done bool, err error) {
	base, send, ok := s.cfg.Peers.Reach(at.owner, at.addr)
	if !ok {
		return false, nil
	}
	ctx, end := s.forwarding(c.Request(), id, at)
	defer end()
	resp, err := send.RoundTrip(s.outgoing(ctx, c.Request(), base, at.owner, body))
	if err != nil {
		return s.unsent(ctx, id, at, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was passed on as far as it goes
	if resp.StatusCode == http.StatusMisdirectedRequest {
		s.remember(id, place{until: s.cfg.Now().Add(peerPause)})
		return false, nil
	}
	s.cfg.Metrics.forwarded.Inc()
	s.pass(c, resp)
	return true, nil
}

// outgoing is the request as it is sent on: the caller's, with the name of the
// owner and without what belongs to the caller's connection.
func (s *Server) outgoing(ctx context.Context, r *http.Request, base *url.URL, owner string, body []byte) *http.Request {
	u := *base
	u.Path, u.RawQuery = r.URL.Path, r.URL.RawQuery
	headers := make(http.Header, len(passedOn)+2)
	for _, h := range passedOn {
		if v := r.Header[h]; len(v) > 0 {
			headers[h] = v
		}
	}
	headers[requestIDHeader] = []string{callOf(r.Context()).id}
	headers[ownerHeader] = []string{owner}
	req := &http.Request{Method: r.Method, URL: &u, Host: u.Host, Header: headers, ContentLength: int64(len(body)), Body: http.NoBody}
	if len(body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return req.WithContext(ctx)
}

// passedOn are the headers of a caller that the owner sees.
var passedOn = []string{"Authorization", "Content-Type", "Accept", "Idempotency-Key", "User-Agent"}

// requestIDHeader in the form that net/http keeps headers in.
const requestIDHeader = "X-Request-Id"

// forwarding is the context of a request that another server answers: it ends
// with the caller, when this server stops and the request only waits, and when
// that server is the owner no more, for then it may hang for ever.
func (s *Server) forwarding(r *http.Request, id int64, at place) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := func() bool { return true }
	if lastOf(r.URL.Path, waitingCalls) {
		stop = context.AfterFunc(s.draining, func() { cancel(errDraining()) })
	}
	// Most requests are answered before it is time to look: no goroutine until then.
	look := time.AfterFunc(2*whereFresh, func() { s.whileOwner(ctx, cancel, id, at) })
	return ctx, func() { look.Stop(); stop(); cancel(nil) }
}

// whileOwner cancels what is sent to the owner of a study when that is the owner
// no more; it returns then, and with ctx.
func (s *Server) whileOwner(ctx context.Context, cancel context.CancelCauseFunc, id int64, at place) {
	again := time.NewTicker(2 * whereFresh)
	defer again.Stop()
	for {
		if now, err := s.whereID(ctx, id); err == nil && now.owner != at.owner {
			cancel(types.Errorf(types.Unavailable, "the server that had the study is gone").WithRemedy("repeat the request"))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// unsent is what an error of sending means. One of connecting means that the
// owner has seen nothing; after any other it may have done what was asked.
func (s *Server) unsent(ctx context.Context, id int64, at place, err error) (done bool, _ error) {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" && ctx.Err() == nil {
		s.remember(id, place{until: s.cfg.Now().Add(peerPause)})
		s.cfg.Logger.Warn("another server cannot be reached; asking through the database", "addr", at.addr, "error", err)
		return false, nil
	}
	s.elsewhere.mu.Lock()
	delete(s.elsewhere.places, id)
	s.elsewhere.mu.Unlock()
	if cause := context.Cause(ctx); cause != nil {
		return true, cause
	}
	s.cfg.Logger.Warn("another server did not answer", slog.String("addr", at.addr), slog.Any("error", err))
	return true, types.Errorf(types.Unavailable, "the server that has the study did not answer, and may or may not have done it").
		WithRemedy("repeat the request; with a key it is done once")
}

// copyBuffer is how much of another server's answer is passed on at once.
const copyBuffer = 16 << 10

// pass writes the answer of another server as this one's.
func (s *Server) pass(c echo.Context, resp *http.Response) {
	w := c.Response()
	for _, h := range []string{"Content-Type", "Retry-After", "WWW-Authenticate", "Location", "Content-Disposition", "Cache-Control"} {
		if v := resp.Header.Values(h); len(v) > 0 {
			w.Header()[h] = v
		}
	}
	w.WriteHeader(resp.StatusCode)
	b := s.copyBuffers.Get().(*[copyBuffer]byte)
	defer s.copyBuffers.Put(b)
	if _, err := io.CopyBuffer(w, resp.Body, b[:]); err != nil {
		// The caller must not take what it has for the whole.
		panic(http.ErrAbortHandler)
	}
}
