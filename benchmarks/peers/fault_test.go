package peers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/runner"
	"github.com/gotuner/tuner/suggest/space"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const opened = `read l; echo '{"name":"x","version":"1"}'; `

// shell is a driver in the language of the shell.
func shell(script string) []string { return []string{"/bin/sh", "-c", script} }

func study(t *testing.T) runner.Study {
	t.Helper()
	return runner.Study{Space: parse(t, "floats"), Seed: 1, Budget: 10, Workers: 1}
}

func begin(t *testing.T, script string) runner.Searcher {
	t.Helper()
	s, err := Start(t.Context(), "bad", shell(script), nil, study(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Each of these drivers opens a study and does not answer the ask as it should.
func TestBadAnswers(t *testing.T) {
	for _, c := range []struct {
		name, script string
		code         types.Code
		says         []string
	}{
		{"dies", `read l; echo why >&2; exit 3`, types.Unavailable, []string{"exit status 3", `"ask"`, "why"}},
		{"is killed", `read l; kill -9 $$`, types.Unavailable, []string{"signal: killed"}},
		{"ends its output", `read l; exec >&-; exit 4`, types.Unavailable, []string{"exit status 4"}},
		{"garbage", `read l; echo hello; read l`, types.Internal, []string{"no reply", "hello"}},
		{"half a line", `read l; printf '{"tri'`, types.Internal, []string{"no reply"}},
		{"a line without end", `read l; head -c 20000000 /dev/zero | tr '\0' a; read l`, types.Internal, []string{"more than 16 MiB"}},
		{"an error", `read l; echo '{"error":{"code":"invalid","message":"no"}}'; read l`, types.Invalid, []string{"bad: no"}},
		{"a fault", `read l; echo trace >&2; echo '{"error":{"code":"internal","message":"oops"}}'; read l`, types.Internal, []string{"oops"}},
		{"too few", `read l; echo '{"trials":[]}'; read l`, types.Internal, []string{"asked for 1"}},
		{"too many", `read l; echo '{"trials":[{"number":0,"params":{"x":0.0,"y":0.5}},{"number":1,"params":{"x":0.0,"y":0.5}}]}'; read l`, types.Internal, []string{"proposed 2"}},
		{"out of range", `read l; echo '{"trials":[{"number":0,"params":{"x":9.0,"y":0.5}}]}'; read l`, types.Internal, []string{"params.x"}},
		{"a missing value", `read l; echo '{"trials":[{"number":0,"params":{"x":0.0}}]}'; read l`, types.Internal, []string{"params.y"}},
		{"an unknown name", `read l; echo '{"trials":[{"number":0,"params":{"x":0.0,"y":0.5,"z":1}}]}'; read l`, types.Internal, []string{`"z"`}},
		{"exhausted", `read l; echo '{"trials":[],"done":"all seen"}'; read l`, types.Exhausted, []string{"all seen"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := begin(t, opened+c.script)
			_, err := s.Ask(t.Context(), 1)
			if types.CodeOf(err) != c.code {
				t.Errorf("the error %v has the code %q", err, types.CodeOf(err))
			}
			for _, text := range c.says {
				if err == nil || !strings.Contains(err.Error(), text) {
					t.Errorf("the error does not say %q: %v", text, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDoesNotStart(t *testing.T) {
	_, err := Start(t.Context(), "none", []string{"/no/such/program"}, nil, study(t))
	if types.CodeOf(err) != types.Unavailable || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("a program that is not there: %v", err)
	}
}

// A child that is busy is killed with what it has started: only then does its
// output end, which the call waits for.
func TestContextEnds(t *testing.T) {
	s := begin(t, opened+`sleep 1000 & wait`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Ask(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("an ask that takes for ever: %v", err)
	}
	if _, err := s.Ask(t.Context(), 1); types.CodeOf(err) != types.Unavailable {
		t.Errorf("an ask of a child that was killed: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Ask(t.Context(), 1); types.CodeOf(err) != types.Conflict {
		t.Errorf("an ask of a closed study: %v", err)
	}
}

// A child that reads nothing must not hold up the call: what is written here
// does not fit into a pipe.
func TestDoesNotRead(t *testing.T) {
	s := begin(t, opened+`exec sleep 1000`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	points := make([]space.Point, 10_000)
	for i := range points {
		points[i] = space.Point{0.5, 0.5}
	}
	err := s.(runner.Preloader).Preload(ctx, points, make([]float64, len(points)))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a request that is not read: %v", err)
	}
}

func TestTail(t *testing.T) {
	var tail tail
	for range 1000 {
		_, _ = tail.Write([]byte("early "))
	}
	_, _ = tail.Write([]byte("late\n"))
	if got := tail.quoted(); len(got) > tailSize+20 || !strings.HasSuffix(got, "late") {
		t.Errorf("the tail has %d bytes: %q", len(got), got)
	}
}

// An error that the tuner answers leaves the child in use, a death does not.
func TestPoolAfterFaults(t *testing.T) {
	p := example(t)
	constrained := study(t)
	constrained.Space = parse(t, "constrained")
	if _, err := p.open(t.Context(), constrained); types.CodeOf(err) != types.Unsupported {
		t.Fatal(err)
	}
	if len(p.idle) != 1 {
		t.Fatalf("%d idle children after an error", len(p.idle))
	}
	first := p.idle[0]
	s, err := p.open(t.Context(), study(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.(*searcher).child != first {
		t.Error("the idle child was not used")
	}
	if err := s.Tell(t.Context(), 17, 1); types.CodeOf(err) != types.Conflict {
		t.Errorf("a tell of a trial that was never asked for: %v", err)
	}
	if _, ok, err := s.Recommend(t.Context()); ok || err != nil {
		t.Errorf("a recommendation before any trial: %v, %v", ok, err)
	}
	killGroup(first.cmd)
	if _, err := s.Ask(t.Context(), 1); types.CodeOf(err) != types.Unavailable {
		t.Errorf("an ask of a child that died: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if len(p.idle) != 0 {
		t.Error("a dead child is kept for the next study")
	}
	s, err = p.open(t.Context(), study(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ask(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOtherVersion(t *testing.T) {
	p := example(t)
	p.version = "0.1"
	_, err := p.open(t.Context(), study(t))
	if types.CodeOf(err) != types.Conflict || !strings.Contains(err.Error(), "install.sh") {
		t.Errorf("another version is installed: %v", err)
	}
}
