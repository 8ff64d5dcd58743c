// Package client talks to a tuner server. A Client is what an engine in this
// process would be: the Backend of agents and of the Go SDK.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/pin"
	"github.com/gotuner/tuner/trial/agent"
)

// Config makes a Client. URL and Token are required.
type Config struct {
	// URL is where the server is, such as http://127.0.0.1:7070. Beyond this
	// machine it must be https, for a token must not travel in the clear.
	URL   string
	Token string
	// Pin is how the server is known instead of by its name, as tuner serve prints
	// it ("sha256:…"); "" trusts the authorities that this machine trusts.
	Pin string
	// Patience is how long a call is tried again while the server is away; 0 is
	// 10 s, negative not at all. It does not hold for the calls of agents
	// (Lease, Report, Heartbeat, Finish, Adopt), which have their own patience.
	Patience time.Duration
	// Away is called with the reason before a call waits for a server that is away,
	// perhaps by several calls at once; nil tells nobody.
	Away func(error)
	// TokenFile is where Token was read, for the errors about it; "" does not say.
	TokenFile string
	// HTTP sends the requests; nil is a client of its own. It must not follow
	// redirects, and Pin is its own affair.
	HTTP *http.Client
}

// Client is a connection to a server. All methods are safe for concurrent use.
//
// Errors are *types.Error with the code that the server gave. Unavailable means
// that the server could not be reached or is busy.
type Client struct {
	cfg  Config
	base *url.URL

	seen *seen
}

// seen has the names of the studies that a client and its copies have seen.
type seen struct {
	mu    sync.Mutex
	names map[int64]name
}

type name struct{ project, study string }

var (
	_ agent.Backend = (*Client)(nil)
	_ tuner.Backend = (*Client)(nil)
)

// The limits of a call.
const (
	defaultPatience = 10 * time.Second
	callTimeout     = 30 * time.Second // beyond what the call may wait
	longestAnswer   = 256 << 20
	firstPause      = 50 * time.Millisecond
	longestPause    = time.Second
)

// New returns a Client; nothing is sent yet.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(cfg.URL, "/"))
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, types.Errorf(types.Invalid, "%q is no address of a server", cfg.URL).WithField("url").
			WithRemedy("write it as in http://127.0.0.1:7070")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, types.Errorf(types.Invalid, "%s is not on this machine, and http would show the token to the network", cfg.URL).WithField("url").
			WithRemedy("use https, or a tunnel: ssh -L 7070:127.0.0.1:7070 HOST, then http://127.0.0.1:7070")
	}
	security := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.Pin != "" {
		if err := pin.Check(cfg.Pin); err != nil {
			return nil, err
		}
		if u.Scheme != "https" {
			return nil, types.Errorf(types.Invalid, "a pin is for https, and the address is %s", cfg.URL).WithField("pin").
				WithRemedy("write https, or leave the pin out")
		}
		security = pin.TLS(cfg.Pin)
	}
	if cfg.Token == "" || strings.ContainsFunc(cfg.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, types.Errorf(types.Invalid, "the token is empty or has characters that no token has").WithField("token").
			WithRemedy("use what the file of the token holds")
	}
	if cfg.Patience == 0 {
		cfg.Patience = defaultPatience
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second, MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second,
			TLSClientConfig: security, ForceAttemptHTTP2: true,
		}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Client{cfg: cfg, base: u, seen: &seen{names: map[int64]name{}}}, nil
}

// Connect returns an SDK client of a server. Its functions run in this process
// under a name of its own: if the process dies, their trials are handed out
// again once their leases are over.
func Connect(ctx context.Context, cfg Config) (*tuner.Client, error) {
	c, err := New(cfg)
	if err != nil {
		return nil, err
	}
	if _, err := c.Info(ctx); err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return tuner.NewClient(c, host+":"+NewKey()), nil
}

// NewKey draws a key for an idempotent request.
func NewKey() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // crypto/rand.Read never fails
	}
	return hex.EncodeToString(b[:])
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// Impatient returns a client of the same server that tries each call once.
func (c *Client) Impatient() *Client {
	i := *c
	i.cfg.Patience = -1
	return &i
}

// URL is the address of the server.
func (c *Client) URL() string { return c.base.String() }

// Pin is how the server is known; "" by its name.
func (c *Client) Pin() string { return c.cfg.Pin }

// Close lets go of idle connections.
func (c *Client) Close() error {
	c.cfg.HTTP.CloseIdleConnections()
	return nil
}

// request is one call.
type request struct {
	method string
	path   []string
	query  url.Values
	body   any
	wait   types.Duration // how long the server may take to answer
}

// patient sends a request that can be repeated until the server answers.
func (c *Client) patient(ctx context.Context, req request, out any) error {
	deadline := time.Now().Add(c.cfg.Patience) //nolint:forbidigo // patience with a network is in real time
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := c.send(ctx, req, out)
		if types.CodeOf(err) != types.Unavailable || time.Now().Add(pause).After(deadline) { //nolint:forbidigo // as above
			return err
		}
		if pause == firstPause && c.cfg.Away != nil {
			c.cfg.Away(err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// send sends a request once and decodes the answer.
func (c *Client) send(parent context.Context, req request, out any) error {
	ctx, cancel := context.WithTimeout(parent, callTimeout+time.Duration(req.wait))
	defer cancel()
	var body io.Reader
	if req.body != nil {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(req.body); err != nil {
			return types.Errorf(types.Invalid, "the request cannot be encoded: %w", err)
		}
		body = &b
	}
	u := c.base.JoinPath(req.path...)
	u.RawQuery = req.query.Encode()
	r, err := http.NewRequestWithContext(ctx, req.method, u.String(), body)
	if err != nil {
		return types.Errorf(types.Invalid, "%w", err)
	}
	r.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.cfg.HTTP.Do(r)
	if err != nil {
		return c.unreachable(parent, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read to its end, or is not wanted
	text, err := io.ReadAll(io.LimitReader(resp.Body, longestAnswer))
	if err != nil {
		return c.unreachable(parent, err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return c.refusal(resp, text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return types.Errorf(types.Internal, "the answer of %s is unreadable: %w", c.base.Host, err).
			WithRemedy("see whether it is a tuner server of this version: GET %s/v1/info", c.base)
	}
	return nil
}

// unreachable is the error for a request without an answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, ok := errors.AsType[*types.Error](err); ok { // another key than the pin says
		return e
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return types.Errorf(types.Invalid, "the certificate of %s is not trusted: %w", c.base.Host, e.Err).WithField("url").
			WithRemedy("give the pin that tuner serve printed there (--pin or TUNER_PIN), let this machine trust the certificate, or use its right name")
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return types.Errorf(types.Invalid, "%s does not speak https", c.base.Host).WithField("url").WithRemedy("write http://%s, if it is on this machine", c.base.Host)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // it repeats the address
	}
	return types.Errorf(types.Unavailable, "no answer from %s: %w", c.base, err).
		WithRemedy("see whether the server runs (tuner serve) and the address is right")
}

// refusal is the error that the server answered with.
func (c *Client) refusal(resp *http.Response, text []byte) error {
	var p types.Problem
	if err := json.Unmarshal(text, &p); err == nil && p.Code != "" {
		e := &types.Error{Code: p.Code, Message: p.Detail, Field: p.Field, Remedy: p.Remedy}
		if len(p.Errors) > 1 {
			var all []string
			for _, f := range p.Errors {
				all = append(all, strings.TrimPrefix(f.Field+": "+f.Message, ": "))
			}
			e.Field, e.Message = "", strings.Join(all, "; ")
		}
		return c.ofToken(e)
	}
	if resp.StatusCode == http.StatusBadRequest && bytes.Contains(text, []byte("HTTP request to an HTTPS server")) { // net/http's words
		return types.Errorf(types.Invalid, "%s does not speak plain http", c.base.Host).WithField("url").WithRemedy("write https://%s", c.base.Host)
	}
	code := types.Internal
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		code = types.Unavailable // a proxy speaks for a server that is away
	}
	return types.Errorf(code, "%s answered %s, and not as a tuner server does", c.base, resp.Status).
		WithRemedy("see whether the address is right")
}

// ofToken says which token the server does not take. What it says to the token of
// an attempt is for its holder already.
func (c *Client) ofToken(e *types.Error) *types.Error {
	if e.Code != types.Unauthenticated || types.IsAttemptBearer(c.cfg.Token) {
		return e
	}
	which := "the token"
	if c.cfg.TokenFile != "" {
		which += " of " + c.cfg.TokenFile
	}
	return types.Errorf(types.Unauthenticated, "%s refuses %s: %s", c.base, which, e.Message).
		WithRemedy("use one that was made for this server: it prints at its start where its first lies, and there tuner token create makes others, tuner token ls lists them")
}

// saw remembers the name of a study.
func (c *Client) saw(st types.Study) types.Study {
	if st.ID != 0 {
		c.seen.mu.Lock()
		defer c.seen.mu.Unlock()
		c.seen.names[st.ID] = name{st.Spec.Project, st.Spec.Name}
	}
	return st
}

// path is the path of a study that this client has seen, and what follows it.
func (c *Client) path(study int64, more ...string) ([]string, error) {
	c.seen.mu.Lock()
	defer c.seen.mu.Unlock()
	n, ok := c.seen.names[study]
	if !ok {
		return nil, types.Errorf(types.NotFound, "this client has not seen the study with the ID %d", study).WithRemedy("open it by its name first")
	}
	return append(studyPath(n.project, n.study), more...), nil
}

func studyPath(project, study string) []string {
	return []string{"v1", "projects", project, "studies", study}
}

func attemptPath(ref types.AttemptRef, last string) []string {
	return []string{"trials", strconv.FormatInt(ref.Trial, 10), "attempts", strconv.Itoa(ref.Attempt), last}
}

// checkName refuses what would lead to another path.
func checkName(field, v string) error {
	if v == "" || v == "." || v == ".." || strings.ContainsAny(v, "/\\%?#") {
		return types.Errorf(types.Invalid, "%q is no name", v).WithField(field).
			WithRemedy("use letters, digits, '.', '_' and '-', a letter or digit first, at most 128")
	}
	return nil
}
