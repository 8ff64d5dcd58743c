package cli

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// reader is what commands that look need of where studies are.
type reader interface {
	store.Studies
	store.Trials
	// Decisions is store.History.Decisions of one trial.
	Decisions(ctx context.Context, study, number int64) ([]store.AddDecision, error)
	// ListWorkers is that of store.Workers.
	ListWorkers(ctx context.Context, project string) ([]store.Worker, error)
}

// remoteReader reads from a server.
type remoteReader struct{ c *client.Client }

var _ reader = remoteReader{}

func (r remoteReader) Study(ctx context.Context, project, name string) (trial.Study, error) {
	v, err := r.c.StudyByName(ctx, project, name)
	return storedStudy(v), err
}

func (r remoteReader) StudyByID(ctx context.Context, id int64) (trial.Study, error) {
	v, err := r.c.Study(ctx, id)
	return storedStudy(v), err
}

func (r remoteReader) ListStudies(ctx context.Context, project, after string, limit int) ([]store.StudySummary, error) {
	if project == "" {
		return r.listAll(ctx, after, cmp.Or(limit, 1000))
	}
	page, err := r.c.ListStudies(ctx, project, after, cmp.Or(limit, 1000))
	var out []store.StudySummary
	for _, v := range page.Studies {
		out = append(out, store.StudySummary{Study: storedStudy(v), Counts: v.Counts})
	}
	return out, err
}

// listAll lists the studies of all projects that the token is for.
func (r remoteReader) listAll(ctx context.Context, after string, limit int) ([]store.StudySummary, error) {
	const most = 1000
	begin, name, _ := strings.Cut(after, "/")
	var out []store.StudySummary
	for at := ""; ; {
		page, err := r.c.ListProjects(ctx, at, most)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Projects {
			if p.Name < begin {
				continue
			}
			from := ""
			if p.Name == begin {
				from = name
			}
			got, err := r.ListStudies(ctx, p.Name, from, limit-len(out))
			if err != nil {
				return nil, err
			}
			if out = append(out, got...); len(out) == limit {
				return out, nil
			}
		}
		if at = page.Next; at == "" {
			return out, nil
		}
	}
}

func (r remoteReader) Spaces(ctx context.Context, study int64) ([][]byte, error) {
	texts, err := r.c.Spaces(ctx, study)
	var out [][]byte
	for _, t := range texts {
		out = append(out, t)
	}
	return out, err
}

func (r remoteReader) Counts(ctx context.Context, study int64) (types.Counts, error) {
	v, err := r.c.Study(ctx, study)
	return v.Counts, err
}

func (r remoteReader) Trial(ctx context.Context, study, number int64) (trial.Trial, error) {
	v, err := r.c.Trial(ctx, study, number)
	return storedTrial(study, v), err
}

func (r remoteReader) ListTrials(ctx context.Context, study int64, f store.TrialFilter) ([]trial.Trial, string, error) {
	q := client.TrialQuery{States: f.States, Sort: string(f.Sort), Metric: f.Metric, Param: f.Param, Desc: f.Desc,
		CreatedAfter: f.CreatedAfter, CreatedBefore: f.CreatedBefore, FinishedAfter: f.FinishedAfter, FinishedBefore: f.FinishedBefore,
		After: f.After, Limit: cmp.Or(f.Limit, 1000)}
	for _, p := range f.Params {
		q.Params = append(q.Params, p.Texts()...)
	}
	for _, m := range f.Metrics {
		q.Metrics = append(q.Metrics, m.Text())
	}
	page, err := r.c.ListTrials(ctx, study, q)
	var out []trial.Trial
	for _, v := range page.Trials {
		out = append(out, storedTrial(study, v))
	}
	return out, page.Next, err
}

func (r remoteReader) Attempts(ctx context.Context, study, number int64) ([]trial.Attempt, error) {
	if number < 0 {
		return nil, onDatabaseOnly(r.c.URL())
	}
	v, err := r.c.Trial(ctx, study, number)
	var out []trial.Attempt
	for _, a := range v.Attempts {
		out = append(out, trial.Attempt{Study: study, Trial: number, Number: a.Number, State: a.State, Worker: a.Worker, Executor: a.Executor,
			Reason: a.Reason, Exit: a.Exit, Signal: a.Signal, Node: a.Node, Dir: a.Dir, Leased: a.Leased, Ended: timeOf(a.Ended)})
	}
	return out, err
}

func (r remoteReader) AttemptFolders(context.Context, int64, string) ([]string, error) {
	return nil, onDatabaseOnly(r.c.URL())
}

func (r remoteReader) Reports(ctx context.Context, study, number int64, metric string, maxPoints int) ([]trial.Report, error) {
	const most = 100_000
	if maxPoints <= 0 || maxPoints > most {
		maxPoints = most
	}
	rs, err := r.c.Reports(ctx, study, number, metric, maxPoints)
	var out []trial.Report
	for _, x := range rs {
		out = append(out, trial.Report{Trial: number, Metric: x.Metric, Step: x.Step, Value: float64(x.Value)})
	}
	return out, err
}

func (r remoteReader) Attributes(context.Context, int64, int64, string) (map[string][]byte, error) {
	return nil, onDatabaseOnly(r.c.URL())
}

func (r remoteReader) Decisions(ctx context.Context, study, number int64) ([]store.AddDecision, error) {
	v, err := r.c.Trial(ctx, study, number)
	var out []store.AddDecision
	for _, d := range v.Decisions {
		out = append(out, store.AddDecision{Trial: number, Step: d.Step, Kind: d.Kind, Reason: d.Reason, Time: d.Time})
	}
	return out, err
}

func (r remoteReader) ListWorkers(ctx context.Context, project string) ([]store.Worker, error) {
	if project == "" {
		return nil, types.Errorf(types.Unsupported, "a server lists the workers of one project").WithRemedy("name one with --project")
	}
	const most = 1000
	var out []store.Worker
	for after := ""; ; {
		page, err := r.c.ListWorkers(ctx, project, after, most)
		if err != nil {
			return nil, err
		}
		for _, w := range page.Workers {
			out = append(out, store.Worker{Project: project, Name: w.Name, Owner: w.Owner, Seen: w.Seen, Info: w.WorkerInfo})
		}
		if after = page.Next; after == "" {
			return out, nil
		}
	}
}

func storedStudy(v types.Study) trial.Study {
	return trial.Study{ID: v.ID, Spec: v.Spec, State: v.State, Reason: v.Reason, Created: v.Created, CreatedBy: v.CreatedBy, SpaceVersion: v.SpaceVersion, NextNumber: v.Counts.Total()}
}

func storedTrial(study int64, v types.Trial) trial.Trial {
	t := trial.Trial{Study: study, Number: v.Number, State: v.State, Reason: v.Reason, Params: v.Params, SpaceVersion: v.SpaceVersion,
		Origin: trial.Origin(v.Origin), Arm: v.Arm, Explain: v.Explain, Created: v.Created, Started: timeOf(v.Started), Finished: timeOf(v.Finished),
		Ran: time.Duration(v.Ran), Since: timeOf(v.Since), Step: -1, Budget: v.Budget, Basis: trial.Basis{Copy: v.Copy}, Attempts: len(v.Attempts)}
	if v.Step != nil {
		t.Step = *v.Step
	}
	if len(v.Metrics) > 0 {
		t.Metrics = make(map[string]float64, len(v.Metrics))
		for k, x := range v.Metrics {
			t.Metrics[k] = float64(x)
		}
	}
	return t
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// machineOf is the machine of an attempt: a server marks the names that its
// callers give.
func machineOf(node string) string {
	if node = strings.TrimSuffix(node, types.OutsideNode); node == "unknown" { // it did not say
		return ""
	}
	return node
}
