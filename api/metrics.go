package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/promtext"
	"github.com/gotuner/tuner/trial/engine"
)

// Metrics are the numbers of a server for Prometheus. NewMetrics makes them;
// what they count besides requests comes through Probe and Wrote, which belong
// into the configuration of the engine and of the store.
type Metrics struct {
	requests  *promtext.Vec[*promtext.Count]
	seconds   *promtext.Vec[*promtext.Histogram]
	open      promtext.Count
	forwarded promtext.Count
	suggest   *promtext.Vec[*promtext.Histogram]
	lost      promtext.Count
	taken     promtext.Count
	dropped   promtext.Count
	commits   *promtext.Histogram
	group     *promtext.Histogram
}

// NewMetrics returns metrics that count nothing yet.
func NewMetrics() *Metrics {
	// From what a report takes to what nobody should wait for.
	seconds := func() *promtext.Histogram {
		return promtext.NewHistogram([]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10})
	}
	return &Metrics{
		requests: promtext.NewVec(func() *promtext.Count { return new(promtext.Count) }, "code", "method", "route"),
		seconds:  promtext.NewVec(seconds, "route"),
		suggest:  promtext.NewVec(seconds, "algorithm"),
		commits:  seconds(),
		group:    promtext.NewHistogram([]float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}),
	}
}

// Probe is the engine's part.
func (m *Metrics) Probe() engine.Probe {
	return engine.Probe{
		Suggested: func(algorithm string, took time.Duration) {
			m.suggest.With(algorithm).Observe(took.Seconds())
		},
		Lost: m.lost.Inc, Took: m.taken.Inc, Dropped: m.dropped.Inc,
	}
}

// Wrote is the store's part.
func (m *Metrics) Wrote(batches int, took time.Duration) {
	m.commits.Observe(took.Seconds())
	m.group.Observe(float64(batches))
}

// answered counts a request.
func (m *Metrics) answered(route, method string, code int, took time.Duration) {
	if route == "" {
		route, method = "none", "any" // whatever a caller makes up is one series
	}
	m.requests.With(strconv.Itoa(code), method, route).Inc()
	m.seconds.With(route).Observe(took.Seconds())
}

// write writes what was counted.
func (m *Metrics) write(p *promtext.Page) {
	m.requests.Write(p, "tuner_http_requests_total", promtext.CounterKind, "Requests answered, by route, method and status.")
	m.seconds.Write(p, "tuner_http_request_seconds", promtext.HistogramKind,
		"Time from a request to its answer, by route; leases, heartbeats, asks and events include what they waited.")
	promtext.Write(p, "tuner_http_requests_open", promtext.GaugeKind, "Requests that are being answered, those that wait included.", &m.open)
	promtext.Write(p, "tuner_forwarded_requests_total", promtext.CounterKind,
		"Requests that another server answered, which owns the study.", &m.forwarded)
	m.suggest.Write(p, "tuner_suggest_seconds", promtext.HistogramKind, "Time that an algorithm took for a proposal.")
	promtext.Write(p, "tuner_lost_leases_total", promtext.CounterKind, "Leases that ended without a sign of life.", &m.lost)
	promtext.Write(p, "tuner_studies_taken_total", promtext.CounterKind, "Studies that this server became the owner of.", &m.taken)
	promtext.Write(p, "tuner_failed_commits_total", promtext.CounterKind,
		"Commits that failed, after which a study was loaded again.", &m.dropped)
	promtext.Write(p, "tuner_commit_seconds", promtext.HistogramKind, "Time of a transaction of the database that writes.", m.commits)
	promtext.Write(p, "tuner_commit_batches", promtext.HistogramKind, "Changes that shared a transaction.", m.group)
}

// inventory writes what is counted when somebody looks.
func (s *Server) inventory(p *promtext.Page) {
	t := s.cfg.Engine.Totals()
	p.Family("tuner_trials", promtext.GaugeKind, "Trials of the studies that this server owns, by state.")
	for _, c := range []struct {
		state types.State
		n     int64
	}{
		{types.Queued, t.Trials.Queued}, {types.Running, t.Trials.Running}, {types.Paused, t.Trials.Paused},
		{types.Completed, t.Trials.Completed}, {types.Pruned, t.Trials.Pruned}, {types.Failed, t.Trials.Failed},
		{types.Infeasible, t.Trials.Infeasible}, {types.Cancelled, t.Trials.Cancelled},
	} {
		p.Sample("tuner_trials", float64(c.n), "state", string(c.state))
	}
	p.One("tuner_studies_owned", promtext.GaugeKind, "Studies that this server owns.", float64(t.Studies))
	p.One("tuner_leases", promtext.GaugeKind, "Leases that are held in the studies that this server owns.", float64(t.Leases))
	p.One("tuner_event_clients", promtext.GaugeKind, "Clients that follow the events of a study.", float64(s.followers.count()))
	p.One("tuner_build_info", promtext.GaugeKind, "The version that runs.", 1, "version", s.cfg.Build)
}

// count is how many clients follow studies.
func (f *followers) count() (n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.list {
		n += int64(x.users)
	}
	return n
}

// textOutput is an answer that is no JSON.
type textOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// plain is the description of such an answer.
func plain(what, contentType string) map[string]*huma.Response {
	return map[string]*huma.Response{"200": {Description: what, Content: map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: "string"}}}}}
}

func (s *Server) metricsRoute() {
	handle(s, huma.Operation{OperationID: "metrics", Method: http.MethodGet, Path: "/metrics", Tags: []string{"server"},
		Summary:   "The numbers of this server for Prometheus",
		Responses: plain("Prometheus's text format", "text/plain")}, s.metrics)
}

func (s *Server) metrics(context.Context, *nothing) (*textOutput, error) {
	var p promtext.Page
	s.cfg.Metrics.write(&p)
	s.inventory(&p)
	promtext.Runtime(&p)
	promtext.Process(&p)
	return &textOutput{promtext.ContentType, p.Bytes()}, nil
}
