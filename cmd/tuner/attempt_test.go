//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	token, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	c := http.DefaultClient
	if p := os.Getenv("TUNER_PIN"); p != "" {
		c = &http.Client{Transport: &http.Transport{TLSClientConfig: pin.TLS(p)}}
	}
	trial := fmt.Sprintf("%s/v1/projects/%s/studies/%s/trials/%s", os.Getenv("TUNER_URL"), os.Getenv("TUNER_PROJECT"), os.Getenv("TUNER_STUDY"), os.Getenv("TUNER_TRIAL"))
	for step := range 3 {
		body, err := json.Marshal(map[string]any{"reports": []map[string]any{{"metric": os.Getenv("REPORTER_METRIC"), "step": step, "value": 3 - step}}})
		if err != nil {
			return err
		}
		req, err := http.NewRequest(http.MethodPost, trial+"/attempts/"+os.Getenv("TUNER_ATTEMPT")+"/reports", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		req.Header.Set("Content-Type", "application/json")
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("the report is answered by %s", resp.Status)
		}
	}
	return nil
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
