package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/docs/guide"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/trial"
)

// askProcess is a running tuner ask --stdio.
type askProcess struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	outEnd io.Closer
	stderr bytes.Buffer
}

func startAsk(t testing.TB, args ...string) *askProcess {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals")
	}
	p := &askProcess{t: t, cmd: exec.Command("tuner", append([]string{"ask", "--stdio"}, args...)...)}
	p.cmd.Stderr = &p.stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out, p.outEnd = bufio.NewReader(out), out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill() // it may end by itself in this moment
			_ = p.cmd.Wait()
		}
	})
	return p
}

// try sends a request and returns its reply, an error once the process is gone.
func (p *askProcess) try(line string) (r types.PipeReply, err error) {
	if _, err = io.WriteString(p.in, line+"\n"); err != nil {
		return r, err
	}
	b, err := p.out.ReadBytes('\n')
	if err != nil {
		return r, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return r, d.Decode(&r)
}

// must sends a request that has to succeed.
func (p *askProcess) must(format string, args ...any) types.PipeReply {
	p.t.Helper()
	line := fmt.Sprintf(format, args...)
	r, err := p.try(line)
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", line, err, &p.stderr)
	}
	if r.Error != nil {
		p.t.Fatalf("%s: %v", line, r.Error)
	}
	return r
}

// fails sends a request that has to fail with a code.
func (p *askProcess) fails(code types.Code, line string) *types.Error {
	p.t.Helper()
	r, err := p.try(line)
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", line, err, &p.stderr)
	}
	if r.Error == nil || r.Error.Code != code {
		p.t.Fatalf("%s: the error is %v, want one of code %s", line, r.Error, code)
	}
	return r.Error
}

// wait waits for the end of the process and returns its exit code.
func (p *askProcess) wait() int {
	p.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
			p.t.Fatal(err)
		}
	case <-time.After(patience):
		p.t.Fatalf("it does not end\n%s", &p.stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// storedTrials reads all trials of a study, which have to be numbered densely.
func storedTrials(t *testing.T, db, study string) []trial.Trial {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: db, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	st, err := s.Study(t.Context(), "default", study)
	if err != nil {
		t.Fatal(err)
	}
	all, cursor, err := s.ListTrials(t.Context(), st.ID, store.TrialFilter{Limit: 100_000})
	if err != nil || cursor != "" {
		t.Fatal(err, cursor)
	}
	for i, tr := range all {
		if tr.Number != int64(i) {
			t.Fatalf("trial %d is at place %d", tr.Number, i)
		}
	}
	return all
}

// A pipe that is killed at any moment loses nothing that it has acknowledged;
// its open trials are handed out again, and numbers go on without a gap.
func TestPipeSurvivesKill(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "t.db")
	rnd := rand.New(rand.NewPCG(1, 2))
	acked := map[int64]float64{}
	for round := range 6 {
		p := startAsk(t, "k", "--db", db, "-q", "--min", "loss", "--algorithm", "random", "--retries", "100",
			"-p", "x=0.0..1.0", "-p", "opt=a,b")
		var doom *time.Timer
		for {
			r, err := p.try(`{"op":"ask","n":3}`)
			if err != nil {
				break
			}
			if r.Error != nil || len(r.Trials) != 3 {
				t.Fatalf("ask: %+v", r)
			}
			for _, tr := range r.Trials[:2] { // the third stays open
				if _, again := acked[tr.Number]; again {
					t.Fatalf("trial %d was told and is handed out again", tr.Number)
				}
				v := float64(round*1000) + float64(tr.Number)
				r, err := p.try(fmt.Sprintf(`{"op":"tell","number":%d,"metrics":{"loss":%v}}`, tr.Number, v))
				if err != nil {
					break
				}
				if r.Error != nil {
					t.Fatalf("tell: %v", r.Error)
				}
				if acked[tr.Number] = v; doom == nil {
					doom = time.AfterFunc(time.Duration(rnd.IntN(100_000))*time.Microsecond, func() {
						_ = p.cmd.Process.Kill() // it is waited for below
					})
				}
			}
		}
		if p.wait() != -1 {
			t.Fatalf("it was not killed: %s", &p.stderr)
		}
	}
	open := 0
	for _, tr := range storedTrials(t, db, "k") {
		v, told := acked[tr.Number]
		switch {
		case told && (tr.State != types.Completed || tr.Metrics["loss"] != v):
			t.Errorf("trial %d was told %v and is %s with %v", tr.Number, v, tr.State, tr.Metrics)
		case tr.State != types.Completed:
			open++
		}
	}
	if open == 0 {
		t.Fatal("no trial was open when a pipe was killed")
	}
	// All that was open comes back, with the lowest numbers first, before new ones.
	p := startAsk(t, "k", "--db", db, "-q")
	total := int64(len(storedTrials(t, db, "k")))
	for _, tr := range p.must(`{"op":"ask","n":%d}`, open).Trials {
		if _, told := acked[tr.Number]; told || tr.Number >= total {
			t.Errorf("trial %d of %d was handed out again though none of the open ones", tr.Number, total)
		}
	}
	if n := p.must(`{"op":"ask"}`).Trials[0].Number; n != total {
		t.Errorf("the next new trial has the number %d, want %d", n, total)
	}
	p.must(`{"op":"close"}`)
	if code := p.wait(); code != 0 {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
}

// Whatever ends a pipe but a kill puts its open trials back at once.
func TestPipeHandsBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(p *askProcess) error
		code int
	}{
		{"end of input", func(p *askProcess) error { return p.in.Close() }, 0},
		{"SIGINT", func(p *askProcess) error { return p.cmd.Process.Signal(os.Interrupt) }, 130},
		{"SIGTERM", func(p *askProcess) error { return p.cmd.Process.Signal(syscall.SIGTERM) }, 130},
		{"nobody reads", func(p *askProcess) error {
			if err := p.outEnd.Close(); err != nil {
				return err
			}
			_, err := io.WriteString(p.in, `{"op":"ask"}`+"\n")
			return err
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := filepath.Join(t.TempDir(), "t.db")
			p := startAsk(t, "s", "--db", db, "-q", "--max", "acc", "-p", "x=0.0..1.0")
			p.must(`{"op":"ask","n":2}`)
			p.must(`{"op":"tell","number":0,"metrics":{"acc":0.5}}`)
			if err := tt.end(p); err != nil {
				t.Fatal(err)
			}
			if code := p.wait(); code != tt.code {
				t.Errorf("exit %d, want %d: %s", code, tt.code, &p.stderr)
			}
			all := storedTrials(t, db, "s")
			if all[0].State != types.Completed || all[0].Metrics["acc"] != 0.5 {
				t.Errorf("trial 0 is %s with %v", all[0].State, all[0].Metrics)
			}
			for _, tr := range all[1:] {
				if tr.State != types.Queued || tr.Lost != 0 || tr.Reason != "the pipe was closed" {
					t.Errorf("trial %d is %s, lost %d times: %s", tr.Number, tr.State, tr.Lost, tr.Reason)
				}
			}
		})
	}
}

// Two pipes share a study: the second takes part through the first, and goes on
// alone when that ends.
func TestPipesShareAStudy(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "t.db")
	args := []string{"s", "--db", db, "--min", "loss", "--algorithm", "random", "--seed", "5", "-p", "x=0.0..1.0", "-n", "6"}
	a, b := startAsk(t, args...), startAsk(t, args...)
	seen := map[int64]bool{}
	for i := range 4 {
		p := []*askProcess{a, b}[i%2]
		n := p.must(`{"op":"ask"}`).Trials[0].Number
		if seen[n] {
			t.Fatalf("trial %d was handed out twice", n)
		}
		seen[n] = true
		p.must(`{"op":"report","number":%d,"metrics":{"loss":%d}}`, n, n+10)
		p.must(`{"op":"tell","number":%d,"metrics":{"loss":%d}}`, n, n)
	}
	for _, p := range []*askProcess{a, b} {
		if best := p.must(`{"op":"best"}`).Trials; len(best) != 1 || best[0].Number != 0 || best[0].Metrics["loss"] != 0 {
			t.Errorf("the best is %+v", best)
		}
	}
	// The first holds the last trials and ends; the second, which waits, gets them.
	held := a.must(`{"op":"ask","n":9}`)
	if len(held.Trials) != 2 || !strings.Contains(held.Done, "budget of 6 trials") {
		t.Fatalf("the last trials are %+v", held)
	}
	err := b.fails(types.NotFound, fmt.Sprintf(`{"op":"tell","number":%d,"metrics":{"loss":1}}`, held.Trials[0].Number))
	if !strings.Contains(err.Message, "was not handed out by this pipe") {
		t.Errorf("it says %v", err)
	}
	got := make(chan types.PipeReply, 1)
	go func() {
		r, _ := b.try(`{"op":"ask"}`) // an error shows as a reply without trials
		got <- r
	}()
	a.must(`{"op":"close"}`)
	select {
	case r := <-got:
		if diff := cmp.Diff(held.Trials[:1], r.Trials); diff != "" {
			t.Errorf("the second pipe gets another trial (+) than the first held (-):\n%s", diff)
		}
	case <-time.After(patience):
		t.Fatal("the second pipe waits for ever")
	}
	b.must(`{"op":"tell","number":4,"state":"failed","reason":"no memory"}`)
	if diff := cmp.Diff(held.Trials[1:], b.must(`{"op":"ask"}`).Trials); diff != "" {
		t.Error(diff)
	}
	b.must(`{"op":"tell","number":5,"state":"infeasible"}`)
	if r := b.must(`{"op":"ask"}`); len(r.Trials) != 0 || r.Done != "the budget of 6 trials is spent" {
		t.Errorf("at the end it says %+v", r)
	}
	if err := b.in.Close(); err != nil {
		t.Fatal(err)
	}
	if code := b.wait(); code != 0 {
		t.Errorf("exit %d: %s", code, &b.stderr)
	}
	if n := len(storedTrials(t, db, "s")); n != 6 {
		t.Errorf("there are %d trials, want 6", n)
	}
}

// The median stopper ends the worst trial of a pipe, whatever is told then.
func TestPipeReportsToTheStopper(t *testing.T) {
	t.Parallel()
	p := startAsk(t, "--no-db", "-q", "--min", "loss", "--algorithm", "random", "--stopper", "median:startup=3", "-p", "x=0.0..1.0")
	for n := range 4 {
		p.must(`{"op":"ask"}`)
		for step := range 3 {
			if r := p.must(`{"op":"report","number":%d,"step":%d,"metrics":{"loss":%d}}`, n, step, 10-step); r.Stop {
				t.Fatalf("trial %d was ended at step %d: %s", n, step, r.Reason)
			}
		}
		if r := p.must(`{"op":"tell","number":%d}`, n); cmp.Diff(types.PipeReply{}, r) != "" {
			t.Fatalf("tell answers %+v", r)
		}
	}
	p.must(`{"op":"ask"}`)
	p.must(`{"op":"report","number":4,"metrics":{"loss":9}}`) // step 0, for none is named
	r := p.must(`{"op":"report","number":4,"metrics":{"loss":19,"other":1}}`)
	if r.Stop {
		t.Fatalf("its best so far is better than the median of 9: %+v", r)
	}
	p.must(`{"op":"ask"}`)
	r = p.must(`{"op":"report","number":5,"metrics":{"loss":19}}`)
	if !r.Stop || !strings.Contains(r.Reason, "loss 19 at step 0 is worse than the median 10") {
		t.Fatalf("the stopper says %+v", r)
	}
	if r := p.must(`{"op":"report","number":5,"metrics":{"loss":18}}`); !r.Stop {
		t.Errorf("the decision is forgotten: %+v", r)
	}
	if r := p.must(`{"op":"tell","number":5,"metrics":{"loss":1}}`); !strings.HasPrefix(r.Reason, "the trial is pruned: loss 19 at step 0") {
		t.Errorf("tell answers %+v", r)
	}
	if best := p.must(`{"op":"best"}`).Trials; len(best) != 1 || best[0].Number != 0 || best[0].Metrics["loss"] != 8 {
		t.Errorf("the best is %+v", best)
	}
}

// The leases of open trials are renewed for as long as a program takes.
func TestPipeKeepsLongTrials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, requests := io.Pipe()
		replies, out := io.Pipe()
		st := State{Args: []string{"ask", "--stdio", "--no-db", "-q", "--min", "loss", "-p", "x=0.0..1.0"},
			Stdin: in, Stdout: out, Stderr: t.Output(), Now: time.Now,
			Notify: func(chan<- os.Signal, ...os.Signal) func() { return func() {} }}
		code := make(chan int, 1)
		go func() { code <- Main(st) }()
		r := bufio.NewReader(replies)
		for _, step := range []struct{ request, want string }{
			{`{"op":"ask","n":2}`, `{"trials":`}, {`{"op":"tell","number":0,"metrics":{"loss":1}}`, `{}`},
			{`{"op":"report","number":1,"metrics":{"loss":1}}`, `{}`}, {`{"op":"tell","number":1}`, `{}`}, {`{"op":"close"}`, `{}`},
		} {
			time.Sleep(10 * time.Minute) //nolint:forbidigo // in a bubble, whose clock is not the machine's
			if _, err := io.WriteString(requests, step.request+"\n"); err != nil {
				t.Fatal(err)
			}
			if got, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(got, step.want) {
				t.Errorf("%s is answered by %q, %v; want %s", step.request, got, err, step.want)
			}
		}
		if err := requests.Close(); err != nil {
			t.Fatal(err)
		}
		if c := <-code; c != 0 {
			t.Errorf("exit %d", c)
		}
	})
}

// endless is an input without any line feed up to its end.
type endless struct{ left int }

func (e *endless) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), e.left)
	for i := range b[:n] {
		b[i] = 'x'
	}
	e.left -= n
	return n, nil
}

// A line that is too long is refused, and the next is read.
func TestPipeRefusesLongLines(t *testing.T) {
	longest := `{"op":"ask","x":"` + strings.Repeat("y", pipeLineLimit-20) + `"}`
	in := io.MultiReader(strings.NewReader("\ufeff\r\n"+longest+"\n "+longest), strings.NewReader("\n\n{\"op\":\"best\"}"))
	out := make(chan pipeLine)
	go readPipe(context.Background(), in, out)
	var got []string
	for l := range out {
		if l.err != nil {
			got = append(got, l.err.Error())
			continue
		}
		got = append(got, fmt.Sprintf("%d: %d bytes", l.number, len(l.text)))
	}
	want := []string{fmt.Sprintf("2: %d bytes", len(longest)), "line 3 is longer than 16 MiB; send less in one request", "5: 13 bytes"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What a line costs does not grow with it once it is too long.
func TestPipeKeepsNoLongLine(t *testing.T) {
	allocated := func(size int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := readLine(bufio.NewReader(&endless{size})); !errors.Is(err, bufio.ErrTooLong) {
			t.Fatalf("%d bytes: %v", size, err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if short, long := allocated(2*pipeLineLimit), allocated(8*pipeLineLimit); long > short+pipeLineLimit/2 {
		t.Errorf("a line of %d MiB takes %d MiB, one of %d takes %d", 2*pipeLineLimit>>20, short>>20, 8*pipeLineLimit>>20, long>>20)
	}
}

// The request that the guide shows opens a study.
func TestPipeGuide(t *testing.T) {
	t.Parallel()
	page, err := guide.Page("pipe")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(page.Text, "```json\n{\"op\":\"open\"")
	request, _, _ := strings.Cut(rest, "```")
	p := startAsk(t, "--db", filepath.Join(t.TempDir(), "t.db"), "-q")
	p.must("%s", strings.ReplaceAll(`{"op":"open"`+request, "\n", " "))
	want := []types.PipeTrial{{Params: types.Params{{Name: "lr", Value: 0.001}, {Name: "opt", Value: "adam"}}}}
	if d := cmp.Diff(want, p.must(`{"op":"ask"}`).Trials); d != "" {
		t.Error(d)
	}
}

// The fields that are read are those of the protocol.
func TestPipeRequestHasTheProtocolsFields(t *testing.T) {
	names := func(t reflect.Type) (out []string) {
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			out = append(out, name)
		}
		return out
	}
	if d := cmp.Diff(names(reflect.TypeFor[types.PipeRequest]()), names(reflect.TypeFor[pipeRequest]())); d != "" {
		t.Error(d)
	}
}

// BenchmarkPipe is the round trip of an ask and a tell through the pipe of a
// real process, with the algorithm that thinks least.
func BenchmarkPipe(b *testing.B) {
	for _, bc := range []struct {
		name string
		args func(b *testing.B) []string
	}{
		{"no-db", func(*testing.B) []string { return []string{"--no-db"} }},
		{"sqlite", func(b *testing.B) []string { return []string{"bench", "--db", filepath.Join(b.TempDir(), "t.db")} }},
	} {
		b.Run(bc.name, func(b *testing.B) {
			p := startAsk(b, append(bc.args(b), "-q", "--min", "loss", "--algorithm", "random", "--seed", "1",
				"-p", "lr=1e-5..1e-1:log", "-p", "drop=0.0..0.8", "-p", "units=8..512:log", "-p", "depth=1..8", "-p", "opt=sgd,adam,lion")...)
			for b.Loop() {
				n := p.must(`{"op":"ask"}`).Trials[0].Number
				p.must(`{"op":"tell","number":%d,"metrics":{"loss":%d}}`, n, n)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "trials/s")
		})
	}
}
