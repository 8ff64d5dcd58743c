//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/pin"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// reporterTrial is a trial that prints nothing and reports to the server itself,
// by the environment alone.
func reporterTrial() int {
	if err := reportItself(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func reportItself() error {
	file := os.Getenv("TUNER_TOKEN_FILE")
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.Mode() != 0o600 {
		return fmt.Errorf("%s has mode %v", file, info.Mode())
	}
	for step := range 3 {
		if err := reportStep(os.Getenv("REPORTER_METRIC"), step, 3-step); err != nil {
			return err
		}
	}
	return nil
}

func reportStep(metric string, step, value int) error {
	body, err := json.Marshal(map[string]any{"reports": []map[string]any{{"metric": metric, "step": step, "value": value}}})
	if err != nil {
		return err
	}
	return askServer(http.MethodPost, "/attempts/"+os.Getenv("TUNER_ATTEMPT")+"/reports", bytes.NewReader(body), nil)
}

// askServer sends a request about the trial that this process is, by what its
// environment says; out may be nil.
func askServer(method, path string, body io.Reader, out any) error {
	token, err := os.ReadFile(os.Getenv("TUNER_TOKEN_FILE"))
	if err != nil {
		return err
	}
	c := http.DefaultClient
	if p := os.Getenv("TUNER_PIN"); p != "" {
		c = &http.Client{Transport: &http.Transport{TLSClientConfig: pin.TLS(p)}}
	}
	trial := fmt.Sprintf("%s/v1/projects/%s/studies/%s/trials/%s", os.Getenv("TUNER_URL"), os.Getenv("TUNER_PROJECT"), os.Getenv("TUNER_STUDY"), os.Getenv("TUNER_TRIAL"))
	req, err := http.NewRequest(method, trial+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s is answered by %s", method, path, resp.Status)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// silentTrial reports once, to the server, and pays no heed to the answer. Then it
// waits to be told to stop: one with an odd number asks the server and is deaf to
// the signal, the other waits for the signal.
func silentTrial() int {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	if err := reportStep("v", 1, 20); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if n := os.Getenv("TUNER_TRIAL"); n == "0" || n == "2" {
		select {
		case <-told:
			return 5
		case <-time.After(time.Minute):
			return 2
		}
	}
	for began := time.Now(); time.Since(began) < time.Minute; {
		var s types.Signal
		if err := askServer(http.MethodGet, "/signal?wait=60s&attempt="+os.Getenv("TUNER_ATTEMPT"), nil, &s); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if s.Stop && s.Kind == types.StopPruned && s.Reason == silentReason {
			return 7
		}
	}
	return 3
}

const silentReason = "v 20 at step 1 is above 10"

// TestAStopReachesWhoReportsNoMore: a worker elsewhere hears from the server that
// its process has to end, though nothing that it sends is answered with that, and a
// process may hear it from the server itself. Both are pruned, whatever their exit
// code.
func TestAStopReachesWhoReportsNoMore(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	at := func(args ...string) []string { return append(args, server.flags()...) }
	l.run(l.command(at("create", "s", "--algorithm", "random", "--min", "v", "-p", "x=0.0..1.0", "-n", "4", "--stopper", "threshold:upper=10")...)).exits(0)
	worker := at("worker", "s", "-j", "4", "--dir", l.trials)
	l.run(l.command(append(worker, "--", "env", roleEnv+"=silent", os.Args[0], "{args}")...)).exits(3)
	l.look(func(db store.Store, study int64, tr trial.Trial) {
		if tr.State != types.Pruned || tr.Reason != silentReason || tr.Step != 1 || tr.Metrics["v"] != 20 {
			t.Errorf("trial %d is %s at step %d: %q, %v", tr.Number, tr.State, tr.Step, tr.Reason, tr.Metrics)
		}
		as, err := db.Attempts(t.Context(), study, tr.Number)
		if err != nil || len(as) != 1 || as[0].Exit == nil || int64(*as[0].Exit) != 5+2*(tr.Number%2) {
			t.Errorf("trial %d: attempts %+v, %v", tr.Number, as, err)
		}
	})
	server.ends()
}

// TestAProcessReportsToTheServer: it is told where, and has a token that is good
// for that and gone afterwards.
func TestAProcessReportsToTheServer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	sweep := func(name, metric string) *sweep {
		args := append([]string{"sweep", "--name", name, "--min", "v", "-p", "x=0.0..1.0", "-n", "3", "--dir", l.trials, "--env", "REPORTER_METRIC=" + metric}, server.flags()...)
		return l.run(l.command(append(args, "--", "env", roleEnv+"=reporter", os.Args[0], "{args}")...))
	}
	if out := sweep("s", "v").exits(0); !strings.Contains(out, "3 completed") {
		t.Errorf("the sweep printed\n%s", out)
	}
	l.look(func(db store.Store, study int64, tr trial.Trial) {
		rs, err := db.Reports(t.Context(), study, tr.Number, "v", 0)
		if err != nil || len(rs) != 3 || tr.Metrics["v"] != 1 {
			t.Errorf("trial %d has %d reports and the value %v: %v", tr.Number, len(rs), tr.Metrics["v"], err)
		}
	})
	logs := 0
	err := filepath.WalkDir(l.trials, func(path string, d fs.DirEntry, err error) error {
		switch {
		case d.Name() == "token":
			t.Errorf("%s is left", path)
		case d.Name() == "stdout.log":
			logs++
		}
		return err
	})
	if err != nil || logs != 3 {
		t.Errorf("%d attempts left a log: %v", logs, err)
	}
	// Without the objective, here and there, the first trial ends the sweep.
	if out := sweep("none", "w").exits(4); !strings.Contains(out, "the first trial ended without the metric v") {
		t.Errorf("the sweep without its metric printed\n%s", out)
	}
	server.ends()
}
