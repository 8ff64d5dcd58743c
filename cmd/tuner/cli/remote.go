package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/local"
)

// remotePatience is how long a command waits for a server that went away while
// it runs. Its agent waits as long as it takes.
const remotePatience = time.Minute

// server is the address of the server to use; "" for a database. What was typed
// goes before the environment.
func (f *dbFlags) server() (string, error) {
	switch {
	case f.here:
		return "", nil
	case f.url != "" && f.db != "":
		return "", usagef("a server and a database are given").WithField("--url").WithRemedy("keep --url or --db")
	case f.url != "" || f.db != "":
		return f.url, nil
	}
	url := f.st.Getenv("TUNER_URL")
	if url != "" && f.st.Getenv("TUNER_DB") != "" {
		return "", usagef("TUNER_URL names a server and TUNER_DB a database").WithRemedy("unset one of them, or say --url or --db")
	}
	return url, nil
}

// client connects to the server and makes sure that it answers.
func (f *dbFlags) client(ctx context.Context, url string) (*client.Client, error) {
	path := cmp.Or(f.tokenFile, f.st.Getenv("TUNER_TOKEN_FILE"))
	if path == "" {
		return nil, usagef("the server %s needs a token", url).WithField("--token-file").
			WithRemedy("name the file that holds it with --token-file or TUNER_TOKEN_FILE; tuner serve prints where its first token lies")
	}
	token, err := f.readToken(path)
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{URL: url, Token: token, Patience: remotePatience})
	if err != nil {
		return nil, err
	}
	_, err = c.Info(ctx)
	return c, err
}

func (f *dbFlags) readToken(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(f.st.Dir, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		e := usagef("cannot read the token: %s: %w", path, cause(err)).WithField("--token-file")
		if errors.Is(err, fs.ErrNotExist) {
			return "", e.WithRemedy("tuner serve makes a token file at its first start, and tuner token create makes others")
		}
		return "", e
	}
	return strings.TrimSpace(string(b)), nil
}

// onDatabaseOnly is the error of what needs the database itself.
func onDatabaseOnly(url string) error {
	return types.Errorf(types.Unsupported, "this command does not work over --url (%s) yet", url).
		WithRemedy("run it where the server runs, with --db and the server's database; or leave --url and TUNER_URL out")
}

// remoteDir is the folder of the trial directories of a server's study. The time
// of the study's creation is part of it, so that a new database at the same
// address, or a study made anew, never finds directories of another.
func (f *dbFlags) remoteDir(url string, study types.Study) (string, error) {
	base := f.dir
	switch {
	case base == "":
		home, err := f.dataHome()
		if err != nil {
			return "", err
		}
		base = filepath.Join(home, "tuner", "remote")
	case !filepath.IsAbs(base):
		base = filepath.Join(f.st.Dir, base)
	}
	_, host, _ := strings.Cut(url, "://")
	return filepath.Join(base, strings.Trim(noName.ReplaceAllString(host, "-"), "-"),
		strconv.FormatInt(study.ID, 10)+"-"+strconv.FormatInt(study.Created.UnixMicro(), 36)), nil
}

// reader is what commands that look need of where studies are.
type reader interface {
	store.Studies
	store.Trials
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
		return nil, types.Errorf(types.Unsupported, "a server cannot list the studies of all projects yet").WithRemedy("name one with --project")
	}
	page, err := r.c.ListStudies(ctx, project, after, cmp.Or(limit, 1000))
	var out []store.StudySummary
	for _, v := range page.Studies {
		out = append(out, store.StudySummary{Study: storedStudy(v), Counts: v.Counts})
	}
	return out, err
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
	page, err := r.c.ListTrials(ctx, study, client.TrialQuery{States: f.States, Sort: string(f.Sort), Metric: f.Metric, Desc: f.Desc,
		After: f.After, Limit: cmp.Or(f.Limit, 1000)})
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

func storedStudy(v types.Study) trial.Study {
	return trial.Study{ID: v.ID, Spec: v.Spec, State: v.State, Reason: v.Reason, Created: v.Created, SpaceVersion: v.SpaceVersion, NextNumber: v.Counts.Total()}
}

func storedTrial(study int64, v types.Trial) trial.Trial {
	t := trial.Trial{Study: study, Number: v.Number, State: v.State, Reason: v.Reason, Params: v.Params, SpaceVersion: v.SpaceVersion,
		Origin: trial.Origin(v.Origin), Arm: v.Arm, Explain: v.Explain, Created: v.Created, Started: timeOf(v.Started), Finished: timeOf(v.Finished),
		Step: -1, Attempts: len(v.Attempts)}
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

// coordinator is what a sweep asks for its study and trials: the engine here, or
// a server.
type coordinator interface {
	agent.Backend
	Check(ctx context.Context, spec types.StudySpec) (types.Study, error)
	OpenStudy(ctx context.Context, spec types.StudySpec) (types.Study, error)
	Study(ctx context.Context, id int64) (types.Study, error)
	Trial(ctx context.Context, study, number int64) (types.Trial, error)
}

// site is where the study of a sweep is.
type site struct {
	coordinator

	reader reader
	// glance is the coordinator for looks that may fail and must not wait.
	glance coordinator
	local  *local.Local // nil with a server
	url    string       // "" without
}

func localSite(l *local.Local) *site {
	return &site{coordinator: l.Engine, reader: l.Store, glance: l.Engine, local: l}
}

func remoteSite(c *client.Client) *site {
	return &site{coordinator: c, reader: remoteReader{c}, glance: c.Impatient(), url: c.URL()}
}

// machine runs the trials of a study of this site here.
func (s *site) machine(db *dbFlags, study types.Study) (*local.Machine, error) {
	if s.local != nil {
		return s.local.Machine, nil
	}
	dir, err := db.remoteDir(s.url, study)
	if err != nil {
		return nil, err
	}
	return local.NewMachine(dir, db.logger())
}

// sameRun makes sure that what will be run is what was typed here. What a server
// stores is somebody else's word, and is run only if the user says so.
func sameRun(typed, stored *types.RunSpec, name string) error {
	refuse := func(what string) error {
		return types.Errorf(types.Conflict, "the server has the study %s with another %s than this sweep", name, what).WithField("run").
			WithRemedy("type the same, or choose another --name; tuner worker --trust-server-commands %s runs what the server says", quoted(name))
	}
	if stored == nil || typed == nil {
		return refuse("way to run trials")
	}
	// Seconds and patterns harm nobody and may be continued with.
	for _, f := range []struct {
		what string
		a, b any
	}{
		{"command", typed.Command, stored.Command}, {"list of --literal", typed.Literal, stored.Literal}, {"directory", typed.Dir, stored.Dir},
		{"--env", typed.Env, stored.Env}, {"--metric-file", typed.MetricFile, stored.MetricFile},
	} {
		a, err := json.Marshal(f.a)
		if err != nil {
			return err
		}
		b, err := json.Marshal(f.b)
		if err != nil {
			return err
		}
		if string(a) != string(b) && !(isNothing(a) && isNothing(b)) {
			return refuse(f.what)
		}
	}
	return nil
}

func isNothing(b []byte) bool { return string(b) == "null" || string(b) == "[]" || string(b) == `""` }
