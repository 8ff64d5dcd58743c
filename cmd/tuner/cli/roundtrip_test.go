package cli

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/local"
)

// openWithConditions is an open space; what it declares has a condition.
const openWithConditions = `{"parameters":[
	{"name":"opt","type":"categorical","choices":["sgd","adam","1.10",""]},
	{"name":"momentum","type":"float","low":0.0,"high":0.99,"when":{"param":"opt","in":["sgd"]}},
	{"name":"nested","type":"bool","when":{"param":"momentum","range":[0.0,0.99]}}],"open":true}`

// TestOpenStudiesGoRoundByFiles: what export writes of a study whose programs
// filled its space, import reads, in another study of that space. Trials of early
// versions lack what came later, and what no program asked for.
func TestOpenStudiesGoRoundByFiles(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		openStudyGoesRound(t, filepath.Join(t.TempDir(), "x.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		openStudyGoesRound(t, postgres.DSN(t))
	})
}

func openStudyGoesRound(t *testing.T, db string) {
	l := newLab(t)
	l.env = append(l.env, "TUNER_DB="+db)
	b, err := local.Open(t.Context(), local.Config{DB: db, Dir: filepath.Join(l.dir, "trials")})
	if err != nil {
		t.Fatal(err)
	}
	from := defineByRun(t, b)
	again := types.StudySpec{Name: "again", Space: from.Spec.Space, Objectives: from.Spec.Objectives, Seed: 1}
	for _, name := range []string{"csv", "json", "jsonl", "empty"} {
		if name == "empty" {
			again.Space = []byte(`{"parameters":[],"open":true}`)
		}
		again.Name = name
		if _, err := b.Engine.OpenStudy(t.Context(), again); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	want := l.exported("s")
	for _, some := range []string{`"note":""`, `"note":"\"\""`, `"opt":"","`} { // else the test says less than it should
		if text, err := json.Marshal(want); err != nil || !strings.Contains(string(text), some) {
			t.Fatalf("no trial has %s: %s, %v", some, text, err)
		}
	}
	for _, form := range []string{"csv", "json", "jsonl"} {
		file := "trials." + form
		if code, _, errs := l.run("export", "s", "--file", file); code != 0 {
			t.Fatalf("export %s: %s", form, errs)
		}
		if code, out, errs := l.run("import", form, file); code != 0 || !strings.Contains(out, "1 that are not finished were left out") {
			t.Errorf("import %s: %d %s%s", form, code, out, errs)
			continue
		}
		if diff := cmp.Diff(want, l.exported(form)); diff != "" {
			t.Errorf("by %s (-before +after):\n%s", form, diff)
		}
		if code, _, errs := l.run("import", "empty", file); code != exitUsage || !strings.Contains(errs, "it has none yet; programs add others") {
			t.Errorf("into a space that has nothing yet: %d\n%s", code, errs)
		}
	}
}

// defineByRun makes the study s, whose programs ask for different parameters:
// five versions of its space.
func defineByRun(t *testing.T, b *local.Local) types.Study {
	t.Helper()
	ctx, e := t.Context(), b.Engine
	st, err := e.OpenStudy(ctx, types.StudySpec{Name: "s", Space: []byte(openWithConditions), Seed: 2,
		Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}, Algorithm: types.Component{Name: "random"}})
	if err != nil {
		t.Fatal(err)
	}
	const (
		depth = `{"name":"depth","type":"int","low":1,"high":9223372036854775807}`
		rate  = `{"name":"state","type":"float","low":0.001,"high":1.0,"scale":"log"}` // a column has the name
		note  = `{"name":"note","type":"categorical","choices":["", "\"\"", " a,\"b\"", 2]}`
		size  = `{"name":"loss","type":"ordinal","choices":["s","m","l"]}` // the objective has the name
	)
	for i, asks := range [][]string{{}, {depth}, {rate}, {note, depth}, {note}, {note, rate}, {size}, {size, note}, {}, {depth, rate, note, size}, {note}, {rate}} {
		r, err := e.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "w", Executor: "test"})
		if err != nil || r.Status != types.LeaseGranted {
			t.Fatalf("trial %d: %+v, %v", i, r, err)
		}
		ref := r.Leases[0].Ref
		req := types.ExtendRequest{Ref: ref}
		for _, p := range asks {
			req.Parameters = append(req.Parameters, json.RawMessage(p))
		}
		if len(asks) > 0 {
			if _, err := e.Extend(ctx, req); err != nil {
				t.Fatal(err)
			}
		}
		end := types.FinishRequest{Ref: ref, Outcome: types.OutcomeCompleted, Metrics: map[string]types.Float{"loss": types.Float(1 / float64(i+3)), "depth": 1e300}}
		switch i {
		case 3:
			end.Outcome, end.Reason, end.Metrics = types.OutcomeFailed, "exit code 1:\nno \"GPU\", sorry", nil
		case 4:
			end.Outcome = types.OutcomePruned
		case 5:
			end.Outcome, end.Reason, end.Metrics = types.OutcomeInfeasible, "too large", nil
		case 11:
			continue // it goes on
		}
		if _, err := e.Finish(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	if st, err = e.Study(ctx, st.ID); err != nil {
		t.Fatal(err)
	}
	return st
}

// exported is the finished trials of a study, by what an import keeps of them.
func (l *cliLab) exported(study string) (out []types.Trial) {
	l.t.Helper()
	code, text, errs := l.run("export", study, "-o", "json")
	var all []types.Trial
	if code != 0 || json.Unmarshal([]byte(text), &all) != nil {
		l.t.Fatalf("export %s: %s%s", study, text, errs)
	}
	for _, t := range all {
		if t.State.Finished() {
			out = append(out, types.Trial{Number: t.Number, State: t.State, Reason: t.Reason, Params: t.Params, Metrics: t.Metrics})
		}
	}
	return out
}
