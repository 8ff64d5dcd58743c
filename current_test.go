package tuner_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/collect"
)

// program is a process of a trial as tuner starts it.
type program struct {
	env     map[string]string
	out     bytes.Buffer
	signals chan os.Signal
}

func newProgram(t *testing.T, params string) *program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "params.json")
	if err := os.WriteFile(file, []byte(params), 0o600); err != nil {
		t.Fatal(err)
	}
	return &program{signals: make(chan os.Signal, 1), env: map[string]string{
		"TUNER_TRIAL": "12", "TUNER_ATTEMPT": "2", "TUNER_SEED": "99", "TUNER_BUDGET": "27", "TUNER_PARAMS_FILE": file,
		"TUNER_TRIAL_DIR": "/d/12", "TUNER_CHECKPOINT_DIR": "/d/12/2/checkpoint", "TUNER_RESUME_FROM": "/d/12/1/checkpoint",
		"TUNER_OBJECTIVE": "loss",
	}}
}

func (p *program) trial(t *testing.T) *tuner.Trial {
	t.Helper()
	tr, err := tuner.Process{Getenv: func(k string) string { return p.env[k] }, Stdout: &p.out, Signals: p.signals}.Trial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// read is what tuner reads of the output.
func (p *program) read(t *testing.T) (*collect.Output, []types.Report) {
	t.Helper()
	o, err := collect.New(collect.Config{Metrics: []string{"loss", "size"}, Others: -1})
	if err != nil {
		t.Fatal(err)
	}
	o.Write("stdout", p.out.Bytes())
	rs, _ := o.Take(true)
	return o, rs
}

func TestCurrent(t *testing.T) {
	p := newProgram(t, `{"lr":0.5,"n":3,"opt":"sgd","on":true,"zero":0}`)
	tr := p.trial(t)
	if tr.Number() != 12 || tr.Attempt() != 2 || tr.Seed() != 99 || tr.Budget() != 27 || tr.Dir() != "/d/12" ||
		tr.CheckpointDir() != "/d/12/2/checkpoint" || tr.ResumeFrom() != "/d/12/1/checkpoint" {
		t.Errorf("it is %+v", tr)
	}
	var space tuner.Space
	lr, n := tuner.Range(&space, "lr", 0.0, 1.0), tuner.Range(&space, "n", 1, 4)
	if lr.Of(tr) != 0.5 || n.Of(tr) != 3 || tr.Float("lr", 0, 1) != 0.5 || tr.Int("n", 1, 4) != 3 ||
		tr.Choice("opt", "adam", "sgd") != "sgd" || !tr.Bool("on") || tr.Float("zero", 0, 1) != 0 || tr.Err() != nil {
		t.Errorf("the values are %v, %v", tr.Params(), tr.Err())
	}
	ctx := t.Context()
	for _, err := range []error{
		tr.Report(ctx, 1, 0.25), tr.ReportMetrics(ctx, 2, map[string]float64{"loss": 1e-7, "a \"b\"": math.Inf(-1), "nan": math.NaN()}),
		tr.Flush(ctx),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	tr.SetMetric("size", 7)
	if err := tr.Tell(ctx, 0.125); err != nil || tr.State() != types.Completed {
		t.Errorf("%v, %s", err, tr.State())
	}
	if _, rs := p.read(t); len(rs) != 3 && len(rs) != 4 {
		t.Errorf("tuner reads %+v of\n%s", rs, p.out.String())
	} else {
		last := map[string]types.Report{}
		for _, r := range rs {
			last[r.Metric] = r
		}
		if l := last["loss"]; l.Step != 2 || l.Value != 0.125 || last["size"].Value != 7 {
			t.Errorf("tuner reads %+v of\n%s", last, p.out.String())
		}
	}
	if err := tr.Report(ctx, 3, 1); types.CodeOf(err) != types.Conflict {
		t.Errorf("a report after the end: %v", err)
	}
}

func TestCurrentIsStoppedBySignals(t *testing.T) {
	p := newProgram(t, `{}`)
	tr := p.trial(t)
	if tr.ShouldStop() || types.CodeOf(tr.Prune(t.Context())) != types.Unsupported || types.CodeOf(tr.Fail(t.Context(), errors.New("x"))) != types.Unsupported {
		t.Error("nobody has asked it to end")
	}
	p.signals <- syscall.SIGTERM
	<-tr.Context().Done()
	var why *tuner.StopError
	if !errors.As(context.Cause(tr.Context()), &why) || !strings.Contains(why.Reason, "terminated") || !tr.ShouldStop() {
		t.Errorf("it ends because of %v", context.Cause(tr.Context()))
	}
	if err := tr.Prune(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCurrentInfeasible(t *testing.T) {
	p := newProgram(t, `{}`)
	if err := p.trial(t).Infeasible(t.Context(), `more "heads" than channels`); err != nil {
		t.Fatal(err)
	}
	var line struct{ Tuner, Reason string }
	if err := json.Unmarshal(p.out.Bytes(), &line); err != nil || line.Tuner != "infeasible" || line.Reason != `more "heads" than channels` {
		t.Errorf("it printed %s (%v)", p.out.String(), err)
	}
}

func TestCurrentRefuses(t *testing.T) {
	for what, change := range map[string]func(*program){
		"no trial": func(p *program) { p.env["TUNER_TRIAL"] = "" }, "no file": func(p *program) { p.env["TUNER_PARAMS_FILE"] = "/none" },
		"a bad number": func(p *program) { p.env["TUNER_SEED"] = "x" },
	} {
		p := newProgram(t, `{}`)
		change(p)
		_, err := tuner.Process{Getenv: func(k string) string { return p.env[k] }, Stdout: &p.out, Signals: p.signals}.Trial(t.Context())
		if c := types.CodeOf(err); c != types.NotFound && c != types.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	p := newProgram(t, `{"lr":0.5}`)
	delete(p.env, "TUNER_OBJECTIVE")
	tr := p.trial(t)
	if err := tr.Report(t.Context(), 0, 1); types.CodeOf(err) != types.Unsupported {
		t.Errorf("a report of nobody knows which metric: %v", err)
	}
	if err := tr.ReportMetrics(t.Context(), -1, map[string]float64{"loss": 1}); types.CodeOf(err) != types.Invalid {
		t.Errorf("a negative step: %v", err)
	}
	for what, draw := range map[string]func(*tuner.Trial){
		"range": func(tr *tuner.Trial) { tr.Float("lr", 0, 0.25) }, "type": func(tr *tuner.Trial) { tr.Int("lr", 0, 1) },
		"choice": func(tr *tuner.Trial) { tr.Choice("lr", "a") }, "name": func(tr *tuner.Trial) { tr.Float("rate", 0, 1) },
	} {
		tr := p.trial(t)
		draw(tr)
		if err := tr.Err(); err == nil || !strings.Contains(err.Error(), "params.") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
