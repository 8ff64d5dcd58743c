package client_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
)

// TestCurrentDraws: a process has its parameters from the file, and asks the
// server for what is not there, with the token of its attempt, also after that
// was replaced.
func TestCurrentDraws(t *testing.T) {
	h := newHome(t)
	c := h.client(h.config())
	st, err := c.OpenStudy(t.Context(), types.StudySpec{Name: "s", Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}},
		Space: []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}],"open":true}`)})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := c.Lease(t.Context(), types.LeaseRequest{Study: st.ID, Worker: "w"})
	if err != nil || len(lease.Leases) != 1 {
		t.Fatal(lease, err)
	}
	l, dir := lease.Leases[0], t.TempDir()
	write := func(name string, b []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	params, err := l.Params.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"TUNER_URL": "http://" + h.addr, "TUNER_TOKEN_FILE": write("token", []byte(l.Ref.Bearer()+"\n")),
		"TUNER_PARAMS_FILE": write("params.json", params), "TUNER_PROJECT": "default", "TUNER_STUDY": "s", "TUNER_TRIAL": "0", "TUNER_ATTEMPT": "1"}
	var out bytes.Buffer
	process := tuner.Process{Getenv: func(k string) string { return env[k] }, Stdout: &out}
	current := func() *tuner.Trial {
		t.Helper()
		tr, err := client.CurrentOf(t.Context(), process)
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	tr := current()
	x, _ := l.Params.Get("x")
	n := tr.Int("n", 1, 100)
	if tr.Float("x", 0, 1) != x || n < 1 || tr.Err() != nil {
		t.Fatalf("it has %v, %v", tr.Params(), tr.Err())
	}
	// Its worker restarts.
	as, err := c.Adopt(t.Context(), types.AdoptRequest{Study: st.ID, Worker: "w"})
	if err != nil || len(as) != 1 {
		t.Fatal(as, err)
	}
	write("token", []byte(as[0].Lease.Ref.Bearer()))
	if m := tr.Int("m", 1, 100); m < 1 || tr.Err() != nil {
		t.Errorf("under the new token: %v", tr.Err())
	}
	if again := current(); again.Int("n", 1, 100) != n || again.Err() != nil {
		t.Errorf("the same trial has another n than %d: %v", n, again.Err())
	}
	tr.Int("x", 0, 1)
	if err := tr.Err(); types.CodeOf(err) != types.Conflict {
		t.Errorf("another type than the sweep's: %v", err)
	}
	// A bad file, and none.
	write("token", []byte("nonsense"))
	for _, words := range []string{"no token of an attempt", "cannot be read"} {
		tr := current()
		tr.Int("other", 1, 2)
		if err := tr.Err(); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %s", err, words)
		}
		if err := os.Remove(env["TUNER_TOKEN_FILE"]); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	delete(env, "TUNER_URL")
	tr = current()
	tr.Int("other", 1, 2)
	if err := tr.Err(); types.CodeOf(err) != types.NotFound || !strings.Contains(err.Error(), "-p other=") {
		t.Errorf("without a server: %v", err)
	}
}
