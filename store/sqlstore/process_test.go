package sqlstore_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/store/storetest"
)

// children are what the test binary does as a child process; the result is the
// exit code.
var children = map[string]func(args []string) int{
	"commit": commitChild,
	"open":   openChild,
	"full":   fullDiskChild,
	"small":  smallDiskChild,
}

// child is the test binary as a child process.
func child(t *testing.T, task string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), childEnv+"="+task)
	cmd.Stderr = os.Stderr
	return cmd
}

// commitChild commits trials of so many studies at once, and prints the study
// and its number of trials once they are acknowledged, until it has stored as
// many as asked.
func commitChild(args []string) int {
	ctx := context.Background()
	path, prefix := args[0], args[1]
	studies, trials := atoi(args[2]), atoi(args[3])
	s, err := sqlstore.Open(ctx, sqlstore.Config{DSN: path, Durability: "normal"})
	if err != nil {
		return complain(err)
	}
	var wg sync.WaitGroup
	var failed error
	for i := range studies {
		f, err := resume(s, fmt.Sprint(prefix, i))
		if err != nil {
			return complain(err)
		}
		wg.Go(func() {
			for f.Number < int64(trials) {
				if err := f.RunTrials(ctx, 1, 4); err != nil {
					failed = err
					return
				}
				fmt.Printf("%s %d %d\n", f.Study.Spec.Name, f.Number, f.Seq)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(failed, s.Close()); err != nil {
		return complain(err)
	}
	return 0
}

// resume goes on with a study where its rows end.
func resume(s store.Store, name string) (*storetest.Feed, error) {
	ctx := context.Background()
	st, err := s.Study(ctx, "default", name)
	if types.CodeOf(err) == types.NotFound {
		in := types.StudySpec{Project: "default", Name: name, Space: json.RawMessage("{}")}
		st, err = s.CreateStudy(ctx, storetest.StudyOf(in))
	}
	if err == nil {
		st, err = s.Acquire(ctx, st.ID, "child", "", time.Now(), time.Hour)
	}
	// A trial that was started but not ended stays so; the next has a new number.
	return &storetest.Feed{Store: s, Study: st, Seq: st.NextSeq, Number: st.NextNumber}, err
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// TestKill kills a process in the middle of its commits, again and again on one
// file: what it had acknowledged must be there, dense, and the file sound.
func TestKill(t *testing.T) {
	path := newFile(t)
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 6 {
		cmd := child(t, "commit", path, "s", "3", "1000000")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged := map[string][2]int64{}
		lines := bufio.NewReader(out)
		for left := r.IntN(400); ; left-- {
			if left == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			line, err := lines.ReadString('\n')
			if err == io.EOF {
				break // a partial line acknowledges nothing
			}
			if err != nil {
				t.Fatal(err)
			}
			var name string
			var number, seq int64
			if _, err := fmt.Sscan(line, &name, &number, &seq); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			acknowledged[name] = [2]int64{number, seq}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child was not killed")
		}
		s, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: path})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range acknowledged {
			st, err := s.Study(t.Context(), "default", name)
			if err != nil {
				t.Fatal(err)
			}
			if st.NextNumber < want[0] || st.NextSeq < want[1] {
				t.Errorf("round %d: %s has %d trials and %d events; %d and %d were acknowledged",
					round, name, st.NextNumber, st.NextSeq, want[0], want[1])
			}
			storetest.CheckDense(t, s, name, int(st.NextNumber))
		}
		if got := sqlstore.Setting(t, s, "PRAGMA integrity_check"); got != "ok" {
			t.Errorf("round %d: %s", round, got)
		}
		closeStore(t, s)
	}
}

// TestTwoProcesses has two processes commit to one file as fast as they can.
func TestTwoProcesses(t *testing.T) {
	path := newFile(t)
	s := open(t, sqlstore.Config{DSN: path, Durability: "normal"})
	cmd := child(t, "commit", path, "child", "2", "400")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	f := storetest.NewFeed(t, s, "parent")
	seen := 0
	for lines.Scan() { // as long as the child commits, so does the parent
		seen++
		if err := f.RunTrials(t.Context(), 1, 4); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	if seen != 800 {
		t.Errorf("the child acknowledged %d trials", seen)
	}
	storetest.CheckDense(t, s, "parent", 800)
	storetest.CheckDense(t, s, "child0", 400)
	storetest.CheckDense(t, s, "child1", 400)
}

// TestWaitsForALock has another connection hold the write lock: the commit waits
// for it, and reading goes on.
func TestWaitsForALock(t *testing.T) {
	path := newFile(t)
	s := open(t, sqlstore.Config{DSN: path})
	f := storetest.NewFeed(t, s, "study")
	db, err := sql.Open("sqlite", path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, b := f.Start()
	done := s.Submit(b)
	for range 100 {
		if st, err := s.StudyByID(t.Context(), f.Study.ID); err != nil || st.NextNumber != 0 {
			t.Fatalf("while it is locked there are %d trials (%v)", st.NextNumber, err)
		}
	}
	select {
	case err := <-done:
		t.Fatalf("stored in spite of the lock: %v", err)
	default:
	}
	if err := errors.Join(tx.Rollback(), <-done, db.Close()); err != nil {
		t.Fatal(err)
	}
	storetest.CheckDense(t, s, "study", 1)
}

// TestTwoStoresShareAStudy has two stores on one database, each of which
// believes to own the study.
func TestTwoStoresShareAStudy(t *testing.T) {
	for name, dsn := range map[string]func() string{
		"sqlite": func() string { return newFile(t) }, "postgres": func() string { return sqlstore.Postgres.DSN(t) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sqlstore.Config{DSN: dsn(), Durability: "normal"}
			a, b := open(t, cfg), open(t, cfg)
			f := storetest.NewFeed(t, a, "shared")
			if err := f.RunTrials(t.Context(), 3, 2); err != nil {
				t.Fatal(err)
			}
			other := *f
			other.Store = b
			if err := other.RunTrials(t.Context(), 2, 2); err != nil {
				t.Fatal(err)
			}
			if err := f.RunTrials(t.Context(), 1, 1); types.CodeOf(err) != types.Conflict {
				t.Errorf("the one who is behind gets %v", err)
			}
			st, err := b.Acquire(t.Context(), f.Study.ID, "other", "", time.Now(), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			f.Seq, f.Number = st.NextSeq, st.NextNumber
			if err := f.RunTrials(t.Context(), 1, 1); types.CodeOf(err) != types.Superseded {
				t.Errorf("the one whose epoch is over gets %v", err)
			}
			storetest.CheckDense(t, a, "shared", 5)
		})
	}
}

// TestOpenAtOnce has several open, and so create, one database at once.
func TestOpenAtOnce(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": newFile(t), "postgres": sqlstore.Postgres.DSN(t)} {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				s, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: dsn})
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				if _, err := resume(s, fmt.Sprint("study", i)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				closeStore(t, s)
			})
		}
		wg.Wait()
	}
}

// openChild opens a database and prints the error.
func openChild(args []string) int {
	s, err := sqlstore.Open(context.Background(), sqlstore.Config{DSN: args[0]})
	if err == nil {
		err = s.Close()
	}
	return printError(err)
}

func printError(err error) int {
	e, _ := errors.AsType[*types.Error](err)
	if e == nil && err != nil {
		return complain(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(e); err != nil {
		return complain(err)
	}
	return 0
}

// outcome runs a child that prints an error.
func outcome(t *testing.T, cmd *exec.Cmd) error {
	t.Helper()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var e *types.Error
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &e); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if e == nil {
		return nil
	}
	return e
}

// copySelf copies the test binary to where any user can run it.
func copySelf(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(filepath.Clean(to), b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}
