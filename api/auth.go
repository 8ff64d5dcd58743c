package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// tokenPrefix makes a token recognisable where it should not be.
const tokenPrefix = "tnr_"

// NewToken draws a token of 32 random bytes.
func NewToken() string {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // crypto/rand.Read never fails
	}
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// HashToken is what is stored of a token. A token is too long to be guessed, so
// that a slow hash would protect nothing.
func HashToken(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// public are the paths that answer without a token, by GET and HEAD only. There
// are no others: whatever is not here needs a token, also what does not exist.
var public = []string{"/healthz", "/readyz"}

// call is what is known of a request before it reaches its handler.
type call struct {
	id    string
	token store.Token // zero on public paths, and with the token of an attempt
	// attempt is the one whose token the request shows; nil for other tokens.
	attempt *types.AttemptRef
	from    string // the caller's address
	// needs is what the request needs, once it is routed.
	needs right

	// For the audit log: whether a route took it, which study it was about and the
	// command for it, and that nothing was to be stored.
	routed  bool
	study   int64
	command []string
	dry     bool
	// subject is the token or worker that the request was about.
	subject string
}

// caller names who calls, for logs.
func (c *call) caller() string {
	if a := c.attempt; a != nil {
		return fmt.Sprintf("study %d, trial %d, attempt %d", a.Study, a.Trial, a.Attempt)
	}
	return c.token.Name
}

type callKey struct{}

// callOf is what is known of a request; zero outside of one. Only the middlewares
// change it.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

// guard is the one middleware that every request passes before it is routed.
func (s *Server) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		r, w := c.Request(), c.Response()
		began := s.cfg.Now()
		s.cfg.Metrics.open.Inc()
		this := &call{id: requestID(r)}
		ctx := context.WithValue(r.Context(), callKey{}, this)
		w.Header().Set("X-Request-ID", this.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if s.draining.Err() != nil {
			w.Header().Set("Connection", "close")
		}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint,err113 // the value that net/http documents
					panic(p)
				}
				err = types.Errorf(types.Internal, "panic: %v", p)
			}
			if err != nil {
				s.sendError(c, err)
				err = nil
			}
			took := s.cfg.Now().Sub(began)
			s.cfg.Metrics.open.Dec()
			s.cfg.Metrics.answered(c.Path(), r.Method, statusFor(r, w.Status), took)
			s.logCall(r, this, w.Status, took)
			s.audit(r, this, w.Status)
		}()
		s.hurry(w, r)
		c.SetRequest(r.WithContext(ctx))
		if this.from, err = s.callerAddress(r); err != nil {
			return err
		}
		if err := s.admit(r); err != nil {
			return err
		}
		if !isPublic(r) {
			if this.token, this.attempt, err = s.tokens.check(ctx, r, s.cfg.Now()); err != nil {
				return err
			}
			leave := s.limit(c, this)
			if leave == nil {
				return nil
			}
			defer leave()
		}
		return next(c)
	}
}

// hurry sees to it that a caller who does not read holds no connection for ever,
// nor one who does not send the body that it announced: also where nobody wants
// that, net/http reads the rest. Who reads the body whole takes its deadline off.
// Recorders of tests have no deadlines.
func (s *Server) hurry(w http.ResponseWriter, r *http.Request) {
	control, now := http.NewResponseController(w), time.Now() //nolint:forbidigo // the kernel's clock
	_ = control.SetWriteDeadline(now.Add(s.cfg.MaxWait + s.cfg.AnswerTime))
	if r.ContentLength != 0 {
		_ = control.SetReadDeadline(now.Add(s.cfg.BodyTime))
	}
}

// statusGone stands for the status of a request whose caller went away, which is
// how agents end a long poll: no fault of anybody.
const statusGone = 499

func statusFor(r *http.Request, status int) int {
	if r.Context().Err() != nil {
		return statusGone
	}
	return status
}

// admit refuses what a web page could make a browser send, for any method and
// path: a name that leads here by a trick of DNS, and requests of other origins.
func (s *Server) admit(r *http.Request) error {
	if host := hostOf(r.Host); !slices.Contains(s.hosts, host) {
		return types.Errorf(types.Forbidden, "this server does not answer to the name %q", host).WithField("Host").
			WithRemedy("use one of %s, or start it with --host %s", strings.Join(s.hosts, ", "), host)
	}
	if origins := r.Header.Values("Origin"); len(origins) > 0 {
		u, err := url.Parse(origins[0])
		if err != nil || len(origins) > 1 || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return types.Errorf(types.Forbidden, "pages of %q may not use this server", origins[0]).WithField("Origin").
				WithRemedy("call it from a program, which sends no Origin, or from a page of its own")
		}
	}
	if r.ContentLength == 0 {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" && !mayBeLines(r, kind) {
		return types.Errorf(types.Invalid, "the body is not declared as JSON").WithField("Content-Type").
			WithRemedy("send the header Content-Type: application/json")
	}
	return nil
}

// hostOf is the name in a Host header, in lower case and without the port: a
// tunnel has another one.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

func isPublic(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.RawPath == "" && slices.Contains(public, r.URL.Path)
}

var requestForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestID is the caller's name for a request, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-ID"); requestForm.MatchString(id) {
		return id
	}
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // crypto/rand.Read never fails
	}
	return hex.EncodeToString(b[:])
}

func (s *Server) logCall(r *http.Request, this *call, status int, took time.Duration) {
	level := slog.LevelDebug
	away := r.Context().Err() != nil                                             // who goes away while waiting is no news
	ending := status == http.StatusServiceUnavailable && s.draining.Err() != nil // nor is the end, of which all who wait are told
	if status >= http.StatusBadRequest && !away && !ending {
		level = slog.LevelInfo
	}
	s.cfg.Logger.LogAttrs(r.Context(), level, "request", slog.String("request", this.id), slog.String("method", r.Method),
		slog.String("path", r.URL.Path), slog.Int("status", status), slog.Duration("took", took), slog.String("token", this.caller()),
		slog.String("from", this.from))
}

// The cache of tokens: a token that was good is not looked up again for a
// moment, so a revoked one works at most that long.
const (
	tokenFresh  = 5 * time.Second
	tokensFresh = 1000
)

// tokens looks tokens up.
type tokens struct {
	store Reader

	mu    sync.Mutex
	known map[string]knownToken // by hash
}

type knownToken struct {
	token   store.Token
	attempt *types.AttemptRef
	until   time.Time
}

// fresh is the token of a hash that was good a moment ago.
func (k *tokens) fresh(hash []byte, now time.Time) (knownToken, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	hit, ok := k.known[string(hash)]
	return hit, ok && stillFresh(now, hit.until, tokenFresh)
}

func sameSecret(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// check returns the token that a request shows: somebody's, or that of an
// attempt.
func (k *tokens) check(ctx context.Context, r *http.Request, now time.Time) (store.Token, *types.AttemptRef, error) {
	refused := func(what string) error {
		return types.Errorf(types.Unauthenticated, "%s", what).
			WithRemedy("send the header Authorization: Bearer TOKEN; the server prints where its first token lies, and tuner token create makes others")
	}
	var none store.Token
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return none, nil, refused("this needs a token")
	}
	scheme, secret, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return none, nil, refused("this needs a token of the kind Bearer")
	}
	if types.IsAttemptBearer(secret) {
		ref, err := k.checkAttempt(ctx, secret, now)
		return none, ref, err
	}
	hash := HashToken(secret)
	hit, ok := k.fresh(hash, now)
	if !ok {
		t, err := k.store.Token(ctx, hash)
		if types.CodeOf(err) == types.NotFound {
			return none, nil, refused("the token is not known")
		}
		if err != nil {
			return none, nil, err
		}
		hit = knownToken{token: t, until: now.Add(tokenFresh)}
		k.keep(hash, hit)
	}
	if t := hit.token; !t.Expires.IsZero() && !t.Expires.After(now) {
		return none, nil, refused("the token has expired")
	}
	return hit.token, nil, nil
}

func (k *tokens) keep(hash []byte, hit knownToken) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= tokensFresh {
		k.known = map[string]knownToken{}
	}
	k.known[string(hash)] = hit
}
