package client

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// Info asks the server what it is. It is tried once.
func (c *Client) Info(ctx context.Context) (types.ServerInfo, error) {
	var out types.ServerInfo
	err := c.send(ctx, request{method: http.MethodGet, path: []string{"v1", "info"}}, &out)
	return out, err
}

// Await is Info that waits for a server that is away, as other calls do.
func (c *Client) Await(ctx context.Context) (types.ServerInfo, error) {
	var out types.ServerInfo
	err := c.patient(ctx, request{method: http.MethodGet, path: []string{"v1", "info"}}, &out)
	return out, err
}

// OpenStudy implements tuner.Backend.
func (c *Client) OpenStudy(ctx context.Context, spec types.StudySpec) (types.Study, error) {
	return c.open(ctx, spec, nil)
}

// Check does what OpenStudy does short of storing anything, and returns the
// study as it would be.
func (c *Client) Check(ctx context.Context, spec types.StudySpec) (types.Study, error) {
	return c.open(ctx, spec, url.Values{"check": {"true"}})
}

func (c *Client) open(ctx context.Context, spec types.StudySpec, query url.Values) (types.Study, error) {
	spec.Project = cmp.Or(spec.Project, "default")
	if err := checkName("project", spec.Project); err != nil {
		return types.Study{}, err
	}
	var out types.Study
	err := c.patient(ctx, request{method: http.MethodPost, path: []string{"v1", "projects", spec.Project, "studies"}, query: query, body: spec}, &out)
	return c.saw(out), err
}

// Study implements tuner.Backend.
func (c *Client) Study(ctx context.Context, id int64) (types.Study, error) {
	path, err := c.path(id)
	if err != nil {
		return types.Study{}, err
	}
	var out types.Study
	if err := c.patient(ctx, request{method: http.MethodGet, path: path}, &out); err != nil {
		return types.Study{}, err
	}
	if out.ID != id {
		return types.Study{}, types.Errorf(types.NotFound, "the study %s was removed, and another has its name now", out.Spec.Name)
	}
	return out, nil
}

// StudyByName returns a study.
func (c *Client) StudyByName(ctx context.Context, project, study string) (types.Study, error) {
	for _, f := range []struct{ field, v string }{{"project", project}, {"study", study}} {
		if err := checkName(f.field, f.v); err != nil {
			return types.Study{}, err
		}
	}
	var out types.Study
	err := c.patient(ctx, request{method: http.MethodGet, path: studyPath(project, study)}, &out)
	return c.saw(out), err
}

// ListStudies returns a page of the studies of a project by name, after the
// given name, at most limit (1 to 1000).
func (c *Client) ListStudies(ctx context.Context, project, after string, limit int) (types.StudyPage, error) {
	var out types.StudyPage
	if err := checkName("project", project); err != nil {
		return out, err
	}
	err := c.patient(ctx, request{method: http.MethodGet, path: []string{"v1", "projects", project, "studies"},
		query: page(url.Values{}, after, limit)}, &out)
	for _, s := range out.Studies {
		c.saw(s)
	}
	return out, err
}

func page(q url.Values, after string, limit int) url.Values {
	if after != "" {
		q.Set("after", after)
	}
	q.Set("limit", strconv.Itoa(limit))
	return q
}

// Spaces returns the versions of a study's space, the first at index 0.
func (c *Client) Spaces(ctx context.Context, study int64) ([]json.RawMessage, error) {
	var out types.SpaceList
	err := c.read(ctx, study, nil, &out, "spaces")
	return out.Spaces, err
}

// read gets something of a study.
func (c *Client) read(ctx context.Context, study int64, query url.Values, out any, more ...string) error {
	path, err := c.path(study, more...)
	if err != nil {
		return err
	}
	return c.patient(ctx, request{method: http.MethodGet, path: path, query: query}, out)
}

// Trial implements tuner.Backend.
func (c *Client) Trial(ctx context.Context, study, number int64) (types.Trial, error) {
	var out types.Trial
	err := c.read(ctx, study, nil, &out, "trials", strconv.FormatInt(number, 10))
	return out, err
}

// Export copies the trials of a study to w as csv, json, jsonl or md. It is tried
// once; after an error what was written is not the whole.
func (c *Client) Export(ctx context.Context, study int64, format string, w io.Writer) error {
	path, err := c.path(study, "export")
	if err != nil {
		return err
	}
	u := c.base.JoinPath(path...)
	u.RawQuery = url.Values{"format": {format}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return types.Errorf(types.Invalid, "%w", err)
	}
	r.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	resp, err := c.cfg.HTTP.Do(r)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read to its end, or is not wanted
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(resp.Body, longestAnswer))
		if err != nil {
			return c.unreachable(ctx, err)
		}
		return c.refusal(resp, text)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return c.unreachable(ctx, err)
	}
	return nil
}

// TrialQuery selects and orders trials; see the route listTrials.
type TrialQuery struct {
	States []types.State // empty: all
	// Params and Metrics are conditions that all hold, such as "lr=1e-4..1e-2",
	// "opt=sgd,adam" and "loss=..0.5".
	Params, Metrics []string
	// These are excluded; zero is any.
	CreatedAfter, CreatedBefore, FinishedAfter, FinishedBefore time.Time

	Sort   string // "number" ("" too), "metric", "finished" or "param"
	Metric string // of Sort "metric"
	Param  string // of Sort "param"
	Desc   bool
	After  string // Next of the page before
	Limit  int    // 1 to 1000; 0: 100
}

// ListTrials returns a page of trials, without their attempts.
func (c *Client) ListTrials(ctx context.Context, study int64, f TrialQuery) (types.TrialPage, error) {
	q := page(url.Values{}, f.After, cmp.Or(f.Limit, 100))
	if len(f.States) > 0 {
		var states []string
		for _, s := range f.States {
			states = append(states, string(s))
		}
		q.Set("state", strings.Join(states, ","))
	}
	for k, v := range map[string]string{"sort": f.Sort, "metric": f.Metric, "param": f.Param} {
		if v != "" {
			q.Set(k, v)
		}
	}
	for k, list := range map[string][]string{"params": f.Params, "metrics": f.Metrics} {
		for _, v := range list {
			q.Add(k, v)
		}
	}
	for k, at := range map[string]time.Time{"created_after": f.CreatedAfter, "created_before": f.CreatedBefore,
		"finished_after": f.FinishedAfter, "finished_before": f.FinishedBefore} {
		if !at.IsZero() {
			q.Set(k, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if f.Desc {
		q.Set("desc", "true")
	}
	var out types.TrialPage
	err := c.read(ctx, study, q, &out, "trials")
	return out, err
}

// Reports returns the reports of a trial's last attempt that made any, by metric
// and step; metric "" is all, and of more than maxPoints a metric (1 to 100000)
// evenly chosen ones.
func (c *Client) Reports(ctx context.Context, study, number int64, metric string, maxPoints int) ([]types.Report, error) {
	q := url.Values{"max_points": {strconv.Itoa(maxPoints)}}
	if metric != "" {
		q.Set("metric", metric)
	}
	var out types.Curve
	err := c.read(ctx, study, q, &out, "trials", strconv.FormatInt(number, 10), "reports")
	return out.Reports, err
}

// Control implements tuner.Backend. A request without a key gets one, so that
// it can be repeated.
func (c *Client) Control(ctx context.Context, req types.ControlRequest) (types.ControlReply, error) {
	key := cmp.Or(req.Key, NewKey())
	var out types.ControlReply
	var query url.Values
	change := func(method string, body, out any, more ...string) error {
		path, err := c.path(req.Study, more...)
		if err != nil {
			return err
		}
		return c.patient(ctx, request{method: method, path: path, query: query, body: body}, out)
	}
	patch := types.StudyPatch{Reason: req.Reason, Key: key}
	var err error
	switch req.Kind {
	case types.Enqueue:
		err = change(http.MethodPost, types.EnqueueBody{Points: req.Points, Key: key}, &out, "trials")
	case types.Import:
		err = change(http.MethodPost, types.ImportBody{Trials: req.Trials, Key: key}, &out, "trials", "import")
	case types.StopTrial:
		err = change(http.MethodPost, types.CancelBody{Numbers: req.Numbers, Reason: req.Reason, Key: key}, &out, "trials", "cancel")
	case types.StopStudy, types.PauseStudy, types.ResumeStudy, types.Edit:
		switch req.Kind {
		case types.StopStudy:
			patch.State = types.StudyStopped
		case types.PauseStudy:
			patch.State = types.StudyPaused
		case types.ResumeStudy:
			patch.State = types.StudyActive
		default:
			patch.Reason, patch.Budget, patch.Parallelism = "", req.Budget, req.Parallelism
			patch.Require, patch.Space = req.Require, req.Space
		}
		err = change(http.MethodPatch, patch, &out.Study)
	case types.RemoveStudy:
		query = url.Values{"id": {strconv.FormatInt(req.Study, 10)}}
		err = change(http.MethodDelete, nil, &out.Study)
	default:
		err = types.Errorf(types.Invalid, "the request %q is not known", req.Kind)
	}
	return out, err
}
