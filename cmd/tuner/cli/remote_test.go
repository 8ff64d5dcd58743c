package cli

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
)

// TestLogOfAnotherMachine: what ran elsewhere has its log there; what is stored
// is shown.
func TestLogOfAnotherMachine(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := l.serve()
	study, err := c.OpenStudy(t.Context(), types.StudySpec{Name: "s", Space: []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`),
		Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := c.Lease(t.Context(), types.LeaseRequest{Study: study.ID, Worker: "w", Node: "elsewhere", Executor: "local"})
	if err != nil {
		t.Fatal(err)
	}
	ref := reply.Leases[0].Ref
	for step := range 30 {
		if _, err := c.Report(t.Context(), types.ReportRequest{Ref: ref, Reports: []types.Report{{Metric: "loss", Step: int64(step), Value: types.Float(step)}}}); err != nil {
			t.Fatal(err)
		}
	}
	dir := "/home/else/trials/0/1"
	if _, err := c.Finish(t.Context(), types.FinishRequest{Ref: ref, Outcome: types.OutcomeFailed, Reason: "exit code 1: no GPU", Dir: dir}); err != nil {
		t.Fatal(err)
	}
	code, out, errs := l.run("log", "s", "0")
	want := "trial 0 is failed: exit code 1: no GPU\nstep=0 loss=0\nstep=3 loss=3\n"
	if code != exitUsage || out != "" || !strings.HasPrefix(errs, want) || strings.Count(errs, "loss=") != logPoints ||
		!strings.Contains(errs, "attempt 1 of trial 0 ran on elsewhere, and its log is there\n  look at it there: "+dir+"/stdout.log") {
		t.Errorf("exit code %d, %q and\n%s\nwant\n%s…", code, out, errs, want)
	}
	if _, out, _ := l.run("show", "s", "0"); !strings.Contains(out, "  elsewhere  ") || strings.Contains(out, "/url") {
		t.Errorf("show says\n%s", out)
	}
}

// cliLab is a folder with a database and, after serve, a server of it.
type cliLab struct {
	t   *testing.T
	dir string
	env []string
}

func newLab(t *testing.T) *cliLab {
	dir := t.TempDir()
	return &cliLab{t: t, dir: dir, env: []string{"XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "PATH=" + os.Getenv("PATH")}}
}

// serve starts the server in this process, until the test ends.
func (l *cliLab) serve() *client.Client {
	l.t.Helper()
	signals := make(chan os.Signal, 1)
	var out syncBuffer
	st := l.state("serve", "--listen", "127.0.0.1:0")
	st.Stdout, st.Stderr = &out, &out
	st.Notify = func(c chan<- os.Signal, _ ...os.Signal) func() {
		done := make(chan struct{})
		go func() {
			select {
			case s := <-signals:
				c <- s
			case <-done:
			}
		}()
		return func() { close(done) }
	}
	ended := make(chan struct{})
	go func() { defer close(ended); Main(st) }()
	l.t.Cleanup(func() { signals <- os.Interrupt; <-ended })
	for deadline := time.After(patience); ; {
		changed := out.changed()
		if m := useIt.FindStringSubmatch(out.String()); m != nil {
			l.env = append(l.env, "TUNER_URL="+m[1], "TUNER_TOKEN_FILE="+m[2])
			token, err := os.ReadFile(m[2])
			if err != nil {
				l.t.Fatal(err)
			}
			c, err := client.New(client.Config{URL: m[1], Token: strings.TrimSpace(string(token))})
			if err != nil {
				l.t.Fatal(err)
			}
			return c
		}
		select {
		case <-changed:
		case <-deadline:
			l.t.Fatalf("the server did not start:\n%s", out.String())
		}
	}
}

func (l *cliLab) state(args ...string) State {
	st := System()
	st.Args, st.Environ, st.Dir = args, l.env, l.dir
	st.Size = func() (int, int) { return 0, 0 }
	st.Stdin = strings.NewReader("")
	return st
}

// run runs a command in this process.
func (l *cliLab) run(args ...string) (code int, out, errs string) {
	l.t.Helper()
	var o, e bytes.Buffer
	st := l.state(args...)
	st.Stdout, st.Stderr = &o, &e
	code = Main(st)
	return code, o.String(), e.String()
}

// syncBuffer is what a command prints, to be read while it runs.
type syncBuffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// changed is closed at the next write.
func (s *syncBuffer) changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more == nil {
		s.more = make(chan struct{})
	}
	return s.more
}
