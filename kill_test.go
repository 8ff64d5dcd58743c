package tuner_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/local"
)

// killedEnv names the database of the process that is killed.
const killedEnv = "TUNER_TEST_KILLED"

// TestMain lets the test binary play the program that is killed.
func TestMain(m *testing.M) {
	if db := os.Getenv(killedEnv); db != "" {
		if err := evaluate(context.Background(), db, func(line string) { fmt.Println(line) }); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// killedTrials is far more than are read before the last kill: on a busy machine a
// program is ahead of who reads what it tells.
const killedTrials = 1000

// evaluate runs a study to its end and tells of each trial that OnTrial
// acknowledges, with its value.
func evaluate(ctx context.Context, db string, tell func(line string)) error {
	c, err := local.Client(ctx, db)
	if err != nil {
		return err
	}
	defer c.Close()
	b := newBowl()
	study, err := c.Study(ctx, b.config("bowl", killedTrials))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	values := map[int64]float64{}
	return study.Run(ctx, func(ctx context.Context, t *tuner.Trial) (float64, error) {
		v := b.loss(t)
		mu.Lock()
		values[t.Number()] = v
		mu.Unlock()
		return v, t.Report(ctx, 1, v)
	}, tuner.RunOptions{Workers: 4, OnTrial: func(n int64, s types.State, reason string) {
		mu.Lock()
		defer mu.Unlock()
		if s == types.Completed { // else the end was another's to tell
			tell(fmt.Sprint(n, " ", strconv.FormatFloat(values[n], 'g', -1, 64)))
		}
	}})
}

// TestAcknowledgedTrialsSurviveAKill kills a program in the middle of Run, again
// and again: what OnTrial told is stored with its value, and the numbers have
// no gap.
func TestAcknowledgedTrialsSurviveAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes; the other tests cover the code")
	}
	db := filepath.Join(t.TempDir(), "tuner.db")
	told := map[int64]string{}
	note := func(line string) {
		number, value, _ := strings.Cut(line, " ")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			t.Fatalf("the program said %q", line)
		}
		if was, again := told[n]; again {
			t.Fatalf("trial %d was acknowledged with %s and again with %s", n, was, value)
		}
		told[n] = value
	}
	for kill := range 6 {
		lines := 17 + 11*kill
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), killedEnv+"="+db)
		var trouble strings.Builder
		cmd.Stderr = &trouble
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		seen := 0
		for in := bufio.NewScanner(out); in.Scan(); {
			note(in.Text())
			if seen++; seen == lines {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || trouble.Len() > 0 {
			t.Fatalf("the program was to be killed after %d lines; it wrote %d and ended with %v: %s", lines, seen, err, &trouble)
		}
	}
	if err := evaluate(t.Context(), db, note); err != nil {
		t.Fatal(err)
	}
	l, err := local.Open(t.Context(), local.Config{DB: db, Dir: filepath.Join(filepath.Dir(db), "trials")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	st, err := l.Store.Study(t.Context(), "default", "bowl")
	if err != nil {
		t.Fatal(err)
	}
	trials, _, err := l.Store.ListTrials(t.Context(), st.ID, store.TrialFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(trials) != killedTrials {
		t.Errorf("%d trials are stored, want %d", len(trials), killedTrials)
	}
	for i, tr := range trials {
		value := strconv.FormatFloat(tr.Metrics["loss"], 'g', -1, 64)
		want, ok := told[tr.Number]
		if tr.Number != int64(i) || tr.State != types.Completed || ok && value != want {
			t.Errorf("trial %d of the listing is number %d, %s with %s; acknowledged was %q", i, tr.Number, tr.State, value, want)
		}
	}
}
