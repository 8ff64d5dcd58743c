//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
)

// commandStudy makes a study whose trials the server could run.
func (s *service) commandStudy(t *testing.T, name string, trials int64, script string) types.Study {
	t.Helper()
	token, err := os.ReadFile(s.token)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{URL: s.url, Token: strings.TrimSpace(string(token))})
	if err != nil {
		t.Fatal(err)
	}
	st, err := c.OpenStudy(t.Context(), types.StudySpec{Name: name, Space: []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`),
		Objectives: []types.Objective{{Metric: "v", Goal: types.Minimize}}, Algorithm: types.Component{Name: "random"}, Budget: types.Budget{Trials: trials},
		Run: &types.RunSpec{Command: []string{"sh", "-c", script, "sh", "{x}"}, Dir: s.dir, Env: []string{"GIVEN=yes"}}})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestAServerRunsNothing: a study's command is nothing that a server runs, for as
// long as nobody says so.
func TestAServerRunsNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	ran := filepath.Join(l.dir, "ran")
	server.commandStudy(t, "s", 3, "touch "+ran+"; echo v=1")
	// A host that was on would look for studies every two seconds.
	with := l.serve("127.0.0.1:0", "--allow-local-exec", "--project", "other")
	l.study = "s"
	waitUntil(t, "the end of trials where they are allowed", func() bool { // or one would touch the file later
		n := 0
		for _, state := range l.states() {
			if state == types.Completed {
				n++
			}
		}
		return n == 3
	})
	with.ends()
	if _, err := os.Stat(ran); err != nil {
		t.Errorf("with --allow-local-exec: %v", err)
	}
	if err := os.Remove(ran); err != nil {
		t.Fatal(err)
	}
	server.commandStudy(t, "t", 3, "touch "+ran+"; echo v=1")
	other := l.serve("127.0.0.1:0") // as long as a host needs to begin and longer
	other.ends()
	server.ends()
	l.study = "t"
	if n := len(l.states()); n != 0 {
		t.Errorf("%d trials exist", n)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("a server without --allow-local-exec ran a command")
	}
	for _, args := range [][]string{{"serve", "-j", "2"}, {"serve", "--exec-env", "A"}} {
		if out := l.run(l.command(args...)).exits(2); !strings.Contains(out, "--allow-local-exec") {
			t.Errorf("tuner %s: %s", strings.Join(args, " "), out)
		}
	}
}

// TestLocalExec: with the flag the server runs the trials of all studies, as many
// at once as it was told, in an environment of a short list of names; those that
// run when it ends go on, and the next server finds them.
func TestLocalExec(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	serve := func() *service {
		cmd := l.command("serve", "--listen", "127.0.0.1:0", "--allow-local-exec", "-j", "2", "--exec-env", "HF_*")
		cmd.Env = append(cmd.Env, "SECRET_KEY=hidden", "HF_HOME=/hf")
		return l.started(cmd)
	}
	server := serve()
	script := `env >env.$TUNER_STUDY.$TUNER_TRIAL
		echo $TUNER_ATTEMPT >>ran.$TUNER_STUDY.$TUNER_TRIAL
		ls -d running.* 2>/dev/null | wc -l >>most; touch running.$TUNER_STUDY.$TUNER_TRIAL
		sleep 0.3; rm running.$TUNER_STUDY.$TUNER_TRIAL; echo "v=$1"`
	server.commandStudy(t, "a", 6, script)
	server.commandStudy(t, "b", 6, script)
	done := func(study string, want int) func() bool {
		return func() bool {
			l.study = study
			n := 0
			for _, s := range l.states() {
				if s == types.Completed {
					n++
				}
			}
			return n >= want
		}
	}
	waitUntil(t, "trials of a", done("a", 2))
	waitUntil(t, "trials of b", done("b", 1))
	server.signal(syscall.SIGTERM)
	server.exits(0)
	server = serve()
	waitUntil(t, "the end of a", done("a", 6))
	waitUntil(t, "the end of b", done("b", 6))
	server.ends()
	for _, study := range []string{"a", "b"} {
		// An attempt that was leased when the server ended, and not begun, is no fault.
		for i := range 6 {
			b, err := os.ReadFile(filepath.Join(l.dir, fmt.Sprintf("ran.%s.%d", study, i)))
			if n := len(strings.Fields(string(b))); err != nil || n != 1 {
				t.Errorf("the command of trial %d of %s ran %d times, as the attempts %q: %v", i, study, n, b, err)
			}
		}
	}
	most, err := os.ReadFile(filepath.Join(l.dir, "most"))
	if err != nil || bytes.ContainsAny(most, "23456789") {
		t.Errorf("more than two ran at once: %q, %v", most, err)
	}
	env, err := os.ReadFile(filepath.Join(l.dir, "env.a.0"))
	if err != nil {
		t.Fatal(err)
	}
	given := strings.Fields(`PATH HOME USER LOGNAME SHELL LANG TZ TMPDIR CUDA_VISIBLE_DEVICES GIVEN HF_HOME PYTHONUNBUFFERED
		PWD OLDPWD SHLVL _`) // the last are the shell's own
	for line := range strings.SplitSeq(strings.TrimSpace(string(env)), "\n") {
		name, _, _ := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(name, "TUNER_") && name != "TUNER_TOKEN_FILE" && name != "TUNER_DB" && name != "TUNER_URL":
		case strings.HasPrefix(name, "LC_"):
		case slices.Contains(given, name):
		default:
			t.Errorf("a trial was given %s", line)
		}
	}
	if !strings.Contains(string(env), "HF_HOME=/hf") || !strings.Contains(string(env), "GIVEN=yes") {
		t.Errorf("its environment is\n%s", env)
	}
	l.quiet()
}
