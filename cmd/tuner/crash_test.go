//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli"
	"github.com/gotuner/tuner/internal/failpoint"
	"github.com/gotuner/tuner/internal/filelock"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
)

// How hard the crash test tries; benchmarks/README.md has the long run.
var (
	crashKills  = flag.Int("crash.kills", 8, "how often something is killed")
	crashTrials = flag.Int("crash.trials", 150, "trials of the study")
	crashSeed   = flag.Uint64("crash.seed", 1, "seed of the moments and victims")
)

// The test binary is also the tuner under test and the program that it tunes.
const roleEnv = "CRASH_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "tuner":
		os.Exit(cli.Main(cli.System()))
	case "trial":
		os.Exit(crashTrial(os.Getenv("CRASH_DIR")))
	case "reporter":
		os.Exit(reporterTrial())
	case "silent":
		os.Exit(silentTrial())
	}
	// Under the race detector processes would take a second to exit.
	if err := os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	code := m.Run()
	postgres.Stop()
	os.Exit(code)
}

const (
	crashSteps = 5
	clock      = "15:04:05.000"
)

// crashTrial is a trial of about 50 ms. It notes if another process runs the
// same trial at the same time.
func crashTrial(dir string) int {
	number := os.Getenv("TUNER_TRIAL")
	lock, err := filelock.Try(filepath.Join(dir, "running", os.Getenv("TUNER_STUDY")+number))
	if err != nil {
		note := fmt.Sprintf("trial %s, attempt %s: %v\n", number, os.Getenv("TUNER_ATTEMPT"), err)
		f, err := os.OpenFile(filepath.Join(dir, "violations"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteString(note)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return 1
	}
	x, err := strconv.ParseFloat(os.Getenv("TUNER_PARAM_X"), 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	work := time.NewTicker(10 * time.Millisecond)
	for step := range crashSteps {
		<-work.C
		fmt.Printf("step=%d loss=%v\n", step, x/float64(step+1))
	}
	if err := lock.Release(); err != nil {
		return 1
	}
	return 0
}

// crasher kills parts of a sweep.
type crasher struct {
	t     *testing.T
	dir   string
	study string
	rng   *rand.Rand
	// kills counts the processes that were killed by id: so many trials may have
	// failed of it, for a trial that is just being started looks like its
	// supervisor.
	kills int
}

func newCrasher(t *testing.T) *crasher {
	return &crasher{t: t, dir: t.TempDir(), study: "crash", rng: rand.New(rand.NewPCG(*crashSeed, 1))}
}

// TestNothingIsLostWhateverIsKilled kills the sweep, its supervisor or a trial
// at random moments and at failpoints, runs the sweep again each time, and then
// compares what is stored with what the trials wrote.
func TestNothingIsLostWhateverIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	c := newCrasher(t)
	for i := range *crashKills {
		c.crash(i)
	}
	out, err := c.sweep("").CombinedOutput()
	if err != nil {
		t.Fatalf("the last sweep: %v\n%s", err, out)
	}
	c.check()
}

func (c *crasher) sweep(failpoints string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(self, "sweep", "--db", filepath.Join(c.dir, "tuner.db"), "--name", c.study, "--min", "loss",
		"-p", "x=0.0..1.0", "-n", strconv.Itoa(*crashTrials), "-j", "4", "--max-failures", "-1", "--retries", "1000",
		"--algorithm", "random", "--env", roleEnv+"=trial", "--env", "CRASH_DIR="+c.dir, "--", self, "{args}")
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), roleEnv+"=tuner", "CRASH_DIR="+c.dir)
	if failpoints != "" {
		cmd.Env = append(cmd.Env, failpoint.Env+"="+failpoints)
	}
	return cmd
}

// crash runs the sweep and kills something of it.
func (c *crasher) crash(i int) {
	points := []string{"", "", "", "engine.before_commit", "engine.after_commit", "supervisor.before_start",
		"supervisor.after_start", "supervisor.after_handle", "supervisor.before_exit_json", "supervisor.after_exit_json"}
	point := points[c.rng.IntN(len(points))]
	if point != "" {
		point += ":" + strconv.Itoa(1+c.rng.IntN(30))
	}
	cmd := c.sweep(point)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// The kills spread over the time that the trials take.
	spread := max(80, 2**crashTrials*crashSteps*10/4 / *crashKills)
	if c.wait(ended, spread) {
		return
	}
	victim := c.rng.IntN(4)
	c.t.Logf("crash %d: failpoint %q, victim %d", i, point, victim)
	switch victim {
	case 0:
		c.kill(func(cmdline, _ string) bool { return strings.Contains(cmdline, "__supervise") }, 1)
	case 1:
		c.kill(func(_, env string) bool { return strings.Contains(env, roleEnv+"=trial") }, 1)
	case 2: // the sweep and its supervisor at once
		c.kill(func(cmdline, _ string) bool {
			return strings.Contains(cmdline, "__supervise") || strings.Contains(cmdline, "\x00sweep\x00")
		}, 2)
	}
	if victim < 2 && c.wait(ended, spread) {
		return
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.t.Fatal(err)
	}
	<-ended
}

// wait waits up to so many milliseconds, at random, for the sweep to end by
// itself.
func (c *crasher) wait(ended <-chan error, ms int) bool {
	select {
	case <-ended:
		return true
	case <-time.After(time.Duration(c.rng.IntN(ms)) * time.Millisecond):
		return false
	}
}

// kill ends up to n processes of this test that match, by id.
func (c *crasher) kill(match func(cmdline, env string) bool, n int) {
	killed := 0
	for pid, p := range c.processes() {
		if killed < n && match(p[0], p[1]) {
			if err := syscall.Kill(pid, syscall.SIGKILL); err == nil {
				killed++
			}
		}
	}
	c.kills += killed
}

// processes are the command lines and environments of what belongs to this
// test, by process id.
func (c *crasher) processes() map[int][2]string {
	out := map[int][2]string{}
	envs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, path := range envs {
		env, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(env, []byte("CRASH_DIR="+c.dir+"\x00")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			c.t.Fatal(err)
		}
		cmdline, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if err == nil && len(cmdline) > 0 {
			out[pid] = [2]string{string(cmdline), string(env)}
		}
	}
	return out
}

// check compares what is stored with what must be.
func (c *crasher) check() {
	t, ctx := c.t, context.Background()
	deadline := time.Now().Add(time.Minute) // the supervisor ends when idle
	for len(c.processes()) > 0 && time.Now().Before(deadline) {
		<-time.After(50 * time.Millisecond)
	}
	for pid, p := range c.processes() {
		t.Errorf("process %d is left: %q", pid, p[0])
	}
	db, err := sqlstore.Open(ctx, sqlstore.Config{DSN: filepath.Join(c.dir, "tuner.db"), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	st, err := db.Study(ctx, "default", c.study)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(c.dir, "violations")); err == nil {
		t.Errorf("trials ran twice at once:\n%s", b)
		for n := range *crashTrials {
			if as, err := db.Attempts(ctx, st.ID, int64(n)); err == nil && strings.Contains(string(b), fmt.Sprintf("trial %d,", n)) {
				for _, a := range as {
					t.Logf("trial %d, attempt %d: %s from %s to %s: %s %s", n, a.Number, a.State,
						a.Leased.Format(clock), a.Ended.Format(clock), a.Reason, a.Handle)
				}
			}
		}
	}
	trials, _, err := db.ListTrials(ctx, st.ID, store.TrialFilter{Sort: store.SortNumber, Limit: 10 * *crashTrials})
	if err != nil {
		t.Fatal(err)
	}
	if len(trials) != *crashTrials {
		t.Errorf("%d trials are stored, want %d", len(trials), *crashTrials)
	}
	failed := 0
	for i, tr := range trials {
		if tr.Number != int64(i) {
			t.Fatalf("trial %d of the listing has number %d", i, tr.Number)
		}
		switch tr.State {
		case types.Completed:
			c.compare(db, st.ID, tr.Number)
		case types.Failed:
			failed++
			if !strings.Contains(tr.Reason, "killed by signal KILL") {
				t.Errorf("trial %d failed: %s", i, tr.Reason)
			}
		default:
			t.Errorf("trial %d is %s", i, tr.State)
		}
	}
	if failed > c.kills {
		t.Errorf("%d trials failed, but only %d processes were killed", failed, c.kills)
	}
}

// compare checks that every report in the trial's output is stored.
func (c *crasher) compare(db store.Store, study, number int64) {
	as, err := db.Attempts(context.Background(), study, number)
	if err != nil {
		c.t.Fatal(err)
	}
	last := as[len(as)-1]
	log, err := os.ReadFile(filepath.Join(last.Dir, "stdout.log"))
	if err != nil {
		c.t.Errorf("trial %d: %v", number, err)
		return
	}
	rs, err := db.Reports(context.Background(), study, number, "loss", 0)
	if err != nil {
		c.t.Fatal(err)
	}
	var stored strings.Builder
	for _, r := range rs {
		fmt.Fprintf(&stored, "step=%d loss=%v\n", r.Step, r.Value)
	}
	if stored.String() != string(log) || len(rs) != crashSteps {
		c.t.Errorf("trial %d: stored reports\n%swritten\n%s", number, &stored, log)
	}
}
