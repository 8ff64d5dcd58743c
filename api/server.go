// Package api is tuner's HTTP server: studies, trials and leases as JSON under
// /v1, described by an OpenAPI document that is made from the handlers.
//
// It adds no rules to those of the engine. What it adds is the network's share:
// who may call, how large a request may be, how an error is sent.
package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/engine"
)

// Version is the number of the API's version.
const Version = 1

// Engine is what the server puts on the network. engine.Engine implements it.
type Engine interface {
	agent.Backend
	Teller
	Owner
	Open(ctx context.Context, spec types.StudySpec, how engine.Opening) (types.Study, error)
	Study(ctx context.Context, id int64) (types.Study, error)
	Trial(ctx context.Context, study, number int64) (types.Trial, error)
	Extend(ctx context.Context, req types.ExtendRequest) (types.ExtendReply, error)
	Control(ctx context.Context, req types.ControlRequest) (types.ControlReply, error)
}

// Teller is the part of Engine for programs that hold no lease, or only look.
type Teller interface {
	Ask(ctx context.Context, req types.LeaseRequest) (types.LeaseReply, error)
	Tell(ctx context.Context, req types.TellRequest) (types.FinishReply, error)
	ReportAsked(ctx context.Context, req types.ReportAskedRequest) (types.Decision, error)
	Signal(ctx context.Context, study, number int64, attempt int, wait time.Duration) (types.Signal, error)
}

// Owner is the part of Engine about what this process has of the studies.
type Owner interface {
	// Owns and Elsewhere tell which process has a study; see Peers.
	Owns(id int64) bool
	Elsewhere(ctx context.Context, id int64) (owner, addr string, err error)
	Yield(ctx context.Context, id, events int64) (given bool, err error)
	Totals() engine.Totals
	// Watch returns a channel that is closed when something of the study has been
	// stored; nil if that is not heard of here.
	Watch(study int64) <-chan struct{}
}

// Reader is what the server reads beside the engine. store.Store implements it.
type Reader interface {
	store.Studies
	store.Trials
	store.Tokens
	store.Projects
	store.Workers
	// Events is that of store.History.
	Events(ctx context.Context, study, from int64, yield func(store.StoredEvent) error) error
}

// Config makes a Server. Engine and Store are required.
type Config struct {
	Engine Engine
	Store  Reader
	// Hosts are the names, besides localhost, 127.0.0.1 and ::1, under which the
	// server answers; a request for any other is refused.
	Hosts []string
	// Proxies are the addresses from which proxies connect. What they say in
	// X-Forwarded-For is the caller's address. If there are any, nobody else may
	// call, but for this machine itself.
	Proxies []netip.Prefix
	// Build is the version of the program, which GET /v1/info tells.
	Build string
	// MaxWait bounds the wait of a long poll; 0 is 60 s.
	MaxWait time.Duration
	// MaxBody bounds the body of a request in bytes; 0 is 16 MiB.
	MaxBody int64
	// HeadTime and BodyTime bound how long a caller may take to send the head of
	// a request and its body, AnswerTime how long it may take to read the answer,
	// beyond MaxWait; 0 is 10 s, 30 s, and 1 min. Who is slower is cut off.
	HeadTime, BodyTime, AnswerTime time.Duration
	// Metrics count what the server does; nil makes new ones.
	Metrics *Metrics
	// Rate bounds the requests a second of each token that is no admin's, 0 is no
	// limit; AtOnce the requests at a time of each token, long polls and streams
	// included, 0 is no limit. What is beyond is answered by 429.
	Rate   float64
	AtOnce int
	// Peers are the other servers of the database; nil if there are none.
	Peers  *Peers
	Now    func() time.Time // nil is time.Now
	Logger *slog.Logger     // nil discards
	// Audit is told who changed what, and who was refused; nil is no audit log.
	Audit *slog.Logger
}

// Defaults of Config.
const (
	DefaultMaxWait = time.Minute
	DefaultMaxBody = 16 << 20

	defaultHeadTime   = 10 * time.Second
	defaultBodyTime   = 30 * time.Second
	defaultAnswerTime = time.Minute
)

// Server answers HTTP requests. All methods are safe for concurrent use.
type Server struct {
	cfg    Config
	hosts  []string
	tokens tokens
	echo   *echo.Echo
	api    huma.API
	http   *http.Server

	names     sync.Map // StudyName to its int64 ID; see withStudy
	limits    limits
	users     sync.Map // ID of a study to who made it, which never changes; see touches
	elsewhere elsewhere
	callers   callers
	claims    claims
	// copyBuffers are *[copyBuffer]byte, for answers of other servers.
	copyBuffers sync.Pool

	connections connections
	// needs is what a route needs, by method and path as echo writes it.
	needs map[string]access

	followers followers
	streams   sync.WaitGroup                     // what goes on beside requests
	pace      struct{ beat, slow time.Duration } // of streams; tests have a faster one

	// draining is done when the server is about to stop: nobody waits any more.
	draining context.Context //nolint:containedctx // it is as old as the server
	drain    context.CancelCauseFunc
}

// New returns a Server that listens to nothing yet.
func New(cfg Config) *Server {
	cfg.MaxWait = cmp.Or(cfg.MaxWait, DefaultMaxWait)
	cfg.MaxBody = cmp.Or(cfg.MaxBody, DefaultMaxBody)
	cfg.HeadTime = cmp.Or(cfg.HeadTime, defaultHeadTime)
	cfg.BodyTime = cmp.Or(cfg.BodyTime, defaultBodyTime)
	cfg.AnswerTime = cmp.Or(cfg.AnswerTime, defaultAnswerTime)
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the documented default
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, hosts: []string{"localhost", "127.0.0.1", "::1"}, tokens: tokens{store: cfg.Store}, echo: echo.New(),
		needs: map[string]access{}, limits: limits{rate: cfg.Rate, atOnce: cfg.AtOnce}}
	for _, h := range cfg.Hosts {
		s.hosts = append(s.hosts, hostOf(h))
	}
	if s.cfg.Metrics == nil {
		s.cfg.Metrics = NewMetrics()
	}
	s.cfg.Metrics.registry.MustRegister(inventory{s})
	s.copyBuffers.New = func() any { return new([copyBuffer]byte) }
	s.draining, s.drain = context.WithCancelCause(context.Background())
	s.pace.beat, s.pace.slow = heartbeatEvery, slowClient
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.IPExtractor = echo.ExtractIPDirect()
	s.echo.HTTPErrorHandler = func(err error, c echo.Context) { s.sendError(c, err) }
	s.echo.Pre(s.guard)
	s.echo.Use(s.authorize, s.toOwner)
	s.api = huma.NewAPI(s.describe(), adapter{s.echo})
	s.routes()
	for _, r := range s.echo.Routes() { // those that were not added by handle, too
		if key := r.Method + " " + r.Path; s.needs[key] == (access{}) {
			s.needs[key] = access{needs: administer}
		}
	}
	s.http = &http.Server{
		Handler: s.echo, ReadHeaderTimeout: cfg.HeadTime, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ConnState: s.connections.changed,
		ErrorLog:  slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
	}
	return s
}

// describe is the part of the OpenAPI document that is not made from routes.
func (s *Server) describe() huma.Config {
	cfg := huma.DefaultConfig("tuner", "v1")
	cfg.Info.Description = "Hyperparameter tuning: studies, their trials, and the leases under which workers run them."
	cfg.CreateHooks = nil // no $schema in answers
	cfg.DocsPath = ""     // its page would load scripts from elsewhere
	cfg.OpenAPIPath = ""  // GET /v1/openapi.json is a route like any other
	cfg.SchemasPath = ""  // the document has them
	form := huma.Format{Marshal: marshalJSON, Unmarshal: unmarshalJSON}
	cfg.Formats = map[string]huma.Format{"application/json": form, "json": form}
	cfg.RejectUnknownQueryParameters = true
	cfg.Transformers = []huma.Transformer{transform(cfg.Components.Schemas)}
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	cfg.Security = []map[string][]string{{"token": {}}}
	aliases(cfg.Components.Schemas)
	return cfg
}

func (s *Server) routes() {
	s.metaRoutes()
	s.metricsRoute()
	s.profileRoute()
	s.studyRoutes()
	s.trialRoutes()
	s.attemptRoutes()
	s.askRoutes()
	s.workerRoutes()
	s.eventRoutes()
	s.signalRoutes()
	s.extendRoutes()
	s.exportRoutes()
	s.importRoutes()
	s.projectRoutes()
	s.tokenRoutes()
	s.componentRoutes()
	s.docsRoutes()
}

// Handler is the server without a listener.
func (s *Server) Handler() http.Handler { return s.echo }

// OpenAPI returns the OpenAPI 3.1 document as JSON.
func (s *Server) OpenAPI() ([]byte, error) { return json.MarshalIndent(s.api.OpenAPI(), "", "  ") }

// Serve answers the requests that come to l until Stop; it returns nil then.
func (s *Server) Serve(l net.Listener) error {
	defer context.AfterFunc(s.draining, func() { _ = l.Close() })()
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) && s.draining.Err() == nil {
		return types.Errorf(types.Internal, "the server ended: %w", err)
	}
	return nil
}

// Stop lets no further connections in, ends the waiting of those that wait, and
// returns when all requests are answered or ctx is done.
//
// A connection is closed with the answer to its next request. Only one that has
// none for a moment is closed without: a request that is on its way then would
// be lost, and its sender could not know.
func (s *Server) Stop(ctx context.Context) error {
	s.drain(errDraining())
	s.connections.none(ctx, lastRequests)
	err := s.http.Shutdown(ctx)
	if errors.Is(err, net.ErrClosed) { // the listener was closed by Serve, a moment before
		err = nil
	}
	ended := make(chan struct{})
	go func() { s.streams.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		err = cmp.Or(err, ctx.Err())
	}
	if err != nil {
		return types.Errorf(types.Unavailable, "some requests were not answered in time: %w", err)
	}
	return nil
}

func errDraining() error {
	return types.Errorf(types.Unavailable, "the server is shutting down").WithRemedy("try again in a moment")
}

// waiting is the context of a request that may wait: it ends with the server.
func (s *Server) waiting(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.draining, func() { cancel(errDraining()) })
	return ctx, func() { stop(); cancel(nil) }
}

// sendError answers with an error that no handler of huma's has answered with.
func (s *Server) sendError(c echo.Context, err error) {
	if c.Response().Committed {
		return
	}
	ctx := c.Request().Context()
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		r := c.Request()
		e := &types.Error{Code: codeOf(he.Code), Message: http.StatusText(he.Code)}
		switch he.Code {
		case http.StatusNotFound:
			e.Message, e.Remedy = "there is no "+r.URL.Path, "GET /v1/openapi.json lists what there is"
		case http.StatusMethodNotAllowed:
			e.Message, e.Remedy = r.Method+" is not possible on "+r.URL.Path, "GET /v1/openapi.json lists what is"
			if can := c.Response().Header().Get(echo.HeaderAllow); can != "" {
				e.Remedy = "use " + strings.TrimPrefix(can, "OPTIONS, ")
			}
		}
		newProblem(callOf(ctx).id, he.Code, e).write(c.Response())
		return
	}
	s.problemOf(ctx, err).write(c.Response())
}

// handle adds a route whose errors are sent as problems.
func handle[I, O any](s *Server, op huma.Operation, h func(ctx context.Context, in *I) (*O, error)) {
	op.MaxBodyBytes = s.cfg.MaxBody
	op.BodyReadTimeout = s.cfg.BodyTime
	s.needs[op.Method+" "+echoPath(op.Path)] = operations[op.OperationID]
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			p := s.problemOf(ctx, err)
			headers := http.Header{}
			p.headers(headers)
			return nil, huma.ErrorWithHeaders(p, headers)
		}
		return out, nil
	})
}
