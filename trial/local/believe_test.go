//go:build linux || darwin

package local

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/agent"
)

// liar is a server that says what it likes.
type liar struct {
	agent.Backend
	adopted []types.Adopted
	told    chan types.FinishRequest
}

func (l *liar) Adopt(context.Context, types.AdoptRequest) ([]types.Adopted, error) {
	return l.adopted, nil
}

func (l *liar) Lease(context.Context, types.LeaseRequest) (types.LeaseReply, error) {
	return types.LeaseReply{Status: types.LeaseDone}, nil
}

func (l *liar) Heartbeat(_ context.Context, req types.HeartbeatRequest) (types.HeartbeatReply, error) {
	return types.HeartbeatReply{Decisions: make([]types.Decision, len(req.Beats))}, nil
}

func (l *liar) Finish(_ context.Context, req types.FinishRequest) (types.FinishReply, error) {
	l.told <- req
	return types.FinishReply{}, nil
}

func served(name string) types.Study {
	return types.Study{ID: 1, Spec: types.StudySpec{Project: "default", Name: name,
		Space:      []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`),
		Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}, Run: &types.RunSpec{Command: []string{"true", "{args}"}, Dir: "/"}}}
}

// TestNamesFromAServerAreNoPaths: a study's folder is below the worker's own.
func TestNamesFromAServerAreNoPaths(t *testing.T) {
	dir := t.TempDir()
	m, err := NewMachine(filepath.Join(dir, "trials"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"..", "../../x", "/etc", "a/b", "", `a\b`} {
		w, err := m.Worker(&liar{}, served(name), Processes{URL: "http://127.0.0.1:1", Environ: os.Environ(), Supervisor: []string{"false"}})
		if types.CodeOf(err) != types.Invalid {
			t.Errorf("the name %q: %v", name, err)
		}
		if err == nil {
			_ = w.Close()
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("folders were made: %v, %v", left, err)
	}
}

// TestPlacesFromAServerAreNotBelieved: what it says of an attempt to take over
// leads to no file and no process elsewhere.
func TestPlacesFromAServerAreNotBelieved(t *testing.T) {
	dir := t.TempDir()
	canary := filepath.Join(dir, "canary")
	if err := os.Mkdir(canary, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"stdout.log": "loss=0.5\n", "exit.json": `{"version":1,"exit":3}`} {
		if err := os.WriteFile(filepath.Join(canary, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := NewMachine(filepath.Join(dir, "trials"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ref := types.AttemptRef{Study: 1, Trial: 0, Attempt: 1, Token: "t"}
	lease := types.Lease{Ref: ref, Params: types.Params{{Name: "x", Value: 0.5}}, Texts: []string{"0.5"}}
	own := filepath.Join(m.StudyDir("default", "s"), "0", "1")
	handle := func(d string) string { return `{"version":1,"dir":"` + d + `"}` }
	for name, ad := range map[string]types.Adopted{
		"the directory": {Lease: lease, Dir: canary, Handle: handle(own)},
		"the handle":    {Lease: lease, Dir: own, Handle: handle(canary)},
		"both":          {Lease: lease, Dir: canary, Handle: handle(canary)},
		"with a token":  {Lease: lease, Dir: canary, Handle: handle(canary)},
	} {
		url := "" // also in a database there may be what came from a caller
		if name == "with a token" {
			url = "http://127.0.0.1:1"
		}
		server := &liar{adopted: []types.Adopted{ad}, told: make(chan types.FinishRequest, 1)}
		w, err := m.Worker(server, served("s"), Processes{URL: url, Environ: os.Environ(), Supervisor: []string{"false"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		end := <-server.told
		if end.Outcome != types.OutcomeLost || len(end.Reports) > 0 || strings.Contains(end.Dir, "canary") {
			t.Errorf("%s: the attempt ends as %+v", name, end)
		}
		left, err := os.ReadDir(canary)
		if err != nil || len(left) != 2 {
			t.Errorf("%s: the canary's folder has %v, %v", name, left, err)
		}
	}
}
