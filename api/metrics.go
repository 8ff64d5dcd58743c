package api

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/engine"
)

// Metrics are the numbers of a server for Prometheus. NewMetrics makes them;
// what they count besides requests comes through Probe and Wrote, which belong
// into the configuration of the engine and of the store.
type Metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	open      prometheus.Gauge
	forwarded prometheus.Counter
	suggest   *prometheus.HistogramVec
	lost      prometheus.Counter
	taken     prometheus.Counter
	dropped   prometheus.Counter
	commits   prometheus.Histogram
	group     prometheus.Histogram
}

// seconds of histograms: from what a report takes to what nobody should wait for.
var secondsBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}

// NewMetrics returns metrics that count nothing yet.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tuner_http_requests_total",
			Help: "Requests answered, by route, method and status."}, []string{"route", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tuner_http_request_seconds", Buckets: secondsBuckets,
			Help: "Time from a request to its answer, by route; leases, heartbeats, asks and events include what they waited."}, []string{"route"}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tuner_http_requests_open", Help: "Requests that are being answered, those that wait included."}),
		forwarded: prometheus.NewCounter(prometheus.CounterOpts{Name: "tuner_forwarded_requests_total",
			Help: "Requests that another server answered, which owns the study."}),
		suggest: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tuner_suggest_seconds", Buckets: secondsBuckets,
			Help: "Time that an algorithm took for a proposal."}, []string{"algorithm"}),
		lost:    prometheus.NewCounter(prometheus.CounterOpts{Name: "tuner_lost_leases_total", Help: "Leases that ended without a sign of life."}),
		taken:   prometheus.NewCounter(prometheus.CounterOpts{Name: "tuner_studies_taken_total", Help: "Studies that this server became the owner of."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "tuner_failed_commits_total", Help: "Commits that failed, after which a study was loaded again."}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tuner_commit_seconds", Buckets: secondsBuckets,
			Help: "Time of a transaction of the database that writes."}),
		group: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tuner_commit_batches", Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512},
			Help: "Changes that shared a transaction."}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.open, m.forwarded, m.suggest, m.lost, m.taken, m.dropped, m.commits, m.group,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Probe is the engine's part.
func (m *Metrics) Probe() engine.Probe {
	return engine.Probe{
		Suggested: func(algorithm string, took time.Duration) {
			m.suggest.WithLabelValues(algorithm).Observe(took.Seconds())
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
	m.requests.WithLabelValues(route, method, strconv.Itoa(code)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// inventory is what is counted when somebody looks.
type inventory struct{ *Server }

var (
	trialsDesc  = prometheus.NewDesc("tuner_trials", "Trials of the studies that this server owns, by state.", []string{"state"}, nil)
	studiesDesc = prometheus.NewDesc("tuner_studies_owned", "Studies that this server owns.", nil, nil)
	leasesDesc  = prometheus.NewDesc("tuner_leases", "Leases that are held in the studies that this server owns.", nil, nil)
	streamsDesc = prometheus.NewDesc("tuner_event_clients", "Clients that follow the events of a study.", nil, nil)
	buildDesc   = prometheus.NewDesc("tuner_build_info", "The version that runs.", []string{"version"}, nil)
)

// Describe implements prometheus.Collector.
func (s inventory) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{trialsDesc, studiesDesc, leasesDesc, streamsDesc, buildDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s inventory) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	t := s.cfg.Engine.Totals()
	gauge(studiesDesc, t.Studies)
	gauge(leasesDesc, t.Leases)
	for state, n := range map[types.State]int64{types.Queued: t.Trials.Queued, types.Running: t.Trials.Running, types.Paused: t.Trials.Paused,
		types.Completed: t.Trials.Completed, types.Pruned: t.Trials.Pruned, types.Failed: t.Trials.Failed,
		types.Infeasible: t.Trials.Infeasible, types.Cancelled: t.Trials.Cancelled} {
		gauge(trialsDesc, n, string(state))
	}
	gauge(streamsDesc, s.followers.count())
	gauge(buildDesc, 1, s.cfg.Build)
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
	families, err := s.cfg.Metrics.registry.Gather()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	enc := expfmt.NewEncoder(&b, format)
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return nil, err
		}
	}
	return &textOutput{string(format), b.Bytes()}, nil
}
