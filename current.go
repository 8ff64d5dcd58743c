package tuner

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"

	"github.com/gotuner/tuner/api/types"
)

// Current is the trial that this process is: one that tuner started (tuner
// sweep, tuner worker). Its parameters come from the sweep, by the handles of a
// declared Space or by Trial.Float and so on, which must fit them. Report prints
// a JSON line on standard output, where tuner reads it, also beside a metric file
// or patterns: that needs no network, and nothing is lost while a server is away.
// What the program prints of the same metrics for people does not count then. ShouldStop becomes true, and the
// trial's Context ends, at the signal with which tuner asks the process to end
// (SIGTERM, SIGINT or SIGUSR1); a second one ends the process.
//
// Tell prints the final values, and Infeasible says that there are none. How the
// trial ends is otherwise the process's exit status: to fail is to exit with
// another than 0.
//
// The error is of code types.NotFound if tuner did not start this process. Use
// client.Current of api/client for a program that adds parameters while it runs.
func Current(ctx context.Context) (*Trial, error) { return Process{}.Trial(ctx) }

// Process says how a process that tuner started talks to it. The zero value is
// what Current uses.
type Process struct {
	// Getenv reads the environment; nil is os.Getenv.
	Getenv func(string) string
	// Stdout takes the reports; nil is os.Stdout. Each line is one Write.
	Stdout io.Writer
	// Signals ask the process to end; nil are those of the operating system.
	Signals <-chan os.Signal
	// Draw draws parameters that the sweep does not have; nil refuses them.
	Draw func(ctx context.Context, req types.ExtendRequest) (types.ExtendReply, error)
}

// Trial is Current with what p says.
func (p Process) Trial(ctx context.Context) (*Trial, error) {
	if p.Getenv == nil {
		p.Getenv = os.Getenv //nolint:forbidigo // the documented default: a process is what its environment says
	}
	if p.Stdout == nil {
		p.Stdout = os.Stdout //nolint:forbidigo // the documented default
	}
	l, err := p.lease()
	if err != nil {
		return nil, err
	}
	h := &processHost{Process: p, params: l.Params, last: map[string]int64{}}
	var metrics []string
	if m := p.Getenv("TUNER_OBJECTIVE"); m != "" {
		metrics = []string{m}
	}
	t := newTrial(ctx, h, l, metrics)
	t.dir, t.checkpoint = p.Getenv("TUNER_TRIAL_DIR"), p.Getenv("TUNER_CHECKPOINT_DIR")
	p.listen(t)
	return t, nil
}

// lease is what the environment says of the trial.
func (p Process) lease() (l types.Lease, err error) {
	number, file := p.Getenv("TUNER_TRIAL"), p.Getenv("TUNER_PARAMS_FILE")
	if number == "" || file == "" {
		return l, types.Errorf(types.NotFound, "tuner did not start this process: TUNER_TRIAL or TUNER_PARAMS_FILE is not set").
			WithRemedy("run it as in: tuner sweep --min loss -p lr=1e-5..1e-1:log -n 30 -- PROGRAM")
	}
	for _, f := range []struct {
		name string
		to   func(string) error
	}{
		{"TUNER_TRIAL", func(s string) (err error) { l.Ref.Trial, err = strconv.ParseInt(s, 10, 64); return err }},
		{"TUNER_ATTEMPT", func(s string) (err error) { l.Ref.Attempt, err = strconv.Atoi(s); return err }},
		{"TUNER_SEED", func(s string) (err error) { l.Seed, err = strconv.ParseInt(s, 10, 64); return err }},
		{"TUNER_BUDGET", func(s string) (err error) { l.Budget, err = strconv.ParseFloat(s, 64); return err }},
	} {
		if s := p.Getenv(f.name); s != "" {
			if err := f.to(s); err != nil {
				return l, types.Errorf(types.Invalid, "%s is %q, which is no number", f.name, s)
			}
		}
	}
	l.ResumeFrom = p.Getenv("TUNER_RESUME_FROM")
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &l.Params)
	}
	if err != nil {
		return l, types.Errorf(types.Invalid, "the parameters cannot be read: %w", err).WithField("TUNER_PARAMS_FILE")
	}
	return l, nil
}

// listen makes a signal stop the trial, until its context is done.
func (p Process) listen(t *Trial) {
	signals, quit := p.Signals, func() {}
	if signals == nil {
		own := make(chan os.Signal, 1)
		signal.Notify(own, stopSignals...)
		signals, quit = own, func() { signal.Stop(own) }
	}
	go func() {
		defer quit()
		select {
		case s := <-signals:
			t.halt(types.Decision{Stop: true, Kind: types.StopInterrupt, Reason: fmt.Sprintf("signal: %v", s)})
		case <-t.ctx.Done():
		}
	}()
}

// Dir is the trial's directory on this machine, "" of a trial that is no process.
func (t *Trial) Dir() string { return t.dir }

// CheckpointDir is where this attempt may save its state; it exists. It is "" of
// a trial that is no process.
func (t *Trial) CheckpointDir() string { return t.checkpoint }

// ResumeFrom is the directory with the state that an earlier attempt of the
// trial saved, "" if there is none: then the trial begins anew.
func (t *Trial) ResumeFrom() string { return t.lease.ResumeFrom }

// processHost is the host of the trial that this process is.
type processHost struct {
	Process

	params types.Params

	mu   sync.Mutex
	last map[string]int64 // the last step of each metric
}

// report implements host: a line for each step.
func (h *processHost) report(_ context.Context, req types.ReportRequest) (types.Decision, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for rs := req.Reports; len(rs) > 0; {
		n := 1
		for n < len(rs) && rs[n].Step == rs[0].Step {
			n++
		}
		if err := h.print(rs[:n]); err != nil {
			return types.Decision{}, err
		}
		rs = rs[n:]
	}
	return types.Decision{}, nil
}

func (h *processHost) print(rs []types.Report) error {
	if rs[0].Step < 0 {
		return types.Errorf(types.Invalid, "step %d of %s is negative", rs[0].Step, rs[0].Metric)
	}
	b := strconv.AppendInt([]byte(`{"tuner":"trial","step":`), rs[0].Step, 10)
	for _, r := range rs {
		if r.Metric == "" || r.Metric == "step" || r.Metric == "tuner" {
			return types.Errorf(types.Invalid, "%q is no name of a metric", r.Metric)
		}
		b = append(types.AppendString(append(b, ','), r.Metric), ':')
		b = appendNumber(b, float64(r.Value))
		h.last[r.Metric] = r.Step
	}
	return h.write(append(b, "}\n"...))
}

// appendNumber is the number as the reader of the output takes it: NaN and the
// infinities bare.
func appendNumber(b []byte, v float64) []byte {
	switch {
	case v != v:
		return append(b, "NaN"...)
	case v-v != 0 && v > 0:
		return append(b, "Infinity"...)
	case v-v != 0:
		return append(b, "-Infinity"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

func (h *processHost) write(b []byte) error {
	if _, err := h.Stdout.Write(b); err != nil {
		return types.Errorf(types.Internal, "the standard output takes nothing: %w", err)
	}
	return nil
}

// refuse implements host.
func (h *processHost) refuse(t *Trial, o types.Outcome) error {
	switch {
	case o == types.OutcomeCompleted, o == types.OutcomeInfeasible, t.ShouldStop():
		return nil
	case o == types.OutcomeFailed:
		return types.Errorf(types.Unsupported, "a process fails by its exit status").WithRemedy("os.Exit(1)")
	}
	return types.Errorf(types.Unsupported, "a process that nobody has asked to end cannot be %s", o).
		WithRemedy("exit with 0, and the trial is completed with what was reported")
}

// finish implements host: the final values take the place of those of the last
// step.
func (h *processHost) finish(_ context.Context, req types.FinishRequest) (types.FinishReply, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch req.Outcome {
	case types.OutcomeInfeasible:
		b := types.AppendString([]byte(`{"tuner":"infeasible","reason":`), req.Reason)
		return types.FinishReply{State: types.Infeasible}, h.write(append(b, "}\n"...))
	case types.OutcomeCompleted:
		for name, v := range req.Metrics {
			if err := h.print([]types.Report{{Metric: name, Step: h.last[name], Value: v}}); err != nil {
				return types.FinishReply{}, err
			}
		}
		return types.FinishReply{State: types.Completed}, nil
	case types.OutcomePruned, types.OutcomeFailed, types.OutcomeInterrupted, types.OutcomeCancelled, types.OutcomeLost:
	}
	return types.FinishReply{State: types.State(req.Outcome)}, nil // tuner, which asked for it, knows
}

// extend implements host: what the sweep has is there already.
func (h *processHost) extend(ctx context.Context, req types.ExtendRequest) (types.ExtendReply, error) {
	var p struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(req.Parameters[0], &p); err != nil {
		return types.ExtendReply{}, types.Errorf(types.Internal, "%w", err)
	}
	if v, ok := h.params.Get(p.Name); ok {
		return types.ExtendReply{Params: types.Params{{Name: p.Name, Value: v}}}, nil
	}
	if h.Draw == nil {
		return types.ExtendReply{}, types.Errorf(types.NotFound, "this trial has no parameter of that name").WithField("params."+p.Name).
			WithRemedy("give it to the sweep: -p %s=…", p.Name)
	}
	return h.Draw(ctx, req)
}
