package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/nearest"
)

const (
	// pipeExecutor is stored with the attempts of trials that a pipe asked for.
	pipeExecutor = "pipe"
	// pipeSilence is how long an ask waits before it says on stderr what for.
	pipeSilence = 2 * time.Second
	// pipeMostTrials bounds the trials of one ask, for a larger number is a slip.
	pipeMostTrials = 10_000
)

// ask answers with up to n trials.
func (p *pipe) ask(ctx context.Context, n int) (types.PipeReply, error) {
	began, cpu := p.st.Now(), processorTime()
	reply, err := p.lease(ctx, n)
	if p.flags.timings {
		reply.Seconds = p.st.Now().Sub(began).Seconds()
		reply.CPU = (processorTime() - cpu).Seconds()
	}
	return reply, err
}

func (p *pipe) lease(ctx context.Context, n int) (types.PipeReply, error) {
	var reply types.PipeReply
	req := types.LeaseRequest{Study: p.study.ID, Worker: p.worker, Executor: pipeExecutor}
	for len(reply.Trials) < n {
		req.Max = n - len(reply.Trials)
		r, err := p.at.Lease(ctx, req)
		if err == nil && r.Status == types.LeaseWait && p.count() == 0 {
			r, err = p.wait(ctx, req, r.Reason)
		}
		switch {
		case err != nil && len(reply.Trials) > 0:
			return reply, nil // they are there; who asks for more gets the error
		case err != nil:
			return reply, err
		case r.Status == types.LeaseGranted:
			reply.Trials = append(reply.Trials, p.hold(r.Leases)...)
		case r.Status == types.LeaseDone:
			reply.Done = r.Reason
			return reply, nil
		default:
			return p.short(ctx, reply, r.Reason)
		}
	}
	return reply, nil
}

// short is the answer where the study hands out nothing now, and waiting would
// be in vain because it is this pipe's own trials that are waited for.
func (p *pipe) short(ctx context.Context, reply types.PipeReply, reason string) (types.PipeReply, error) {
	v, err := p.at.Study(ctx, p.study.ID)
	if err != nil {
		return reply, err
	}
	n := v.Spec.Parallelism
	switch passing := v.State == types.StudyPaused || n > 0 && v.Counts.Running >= int64(n); {
	case !passing:
		reply.Done = reason
	case len(reply.Trials) == 0:
		return reply, types.Errorf(types.Unavailable, "no trial can be handed out now: %s", reason).
			WithRemedy("tell one of the %d open trials first", p.count())
	}
	return reply, nil
}

// wait waits for a trial of a study whose last trials run elsewhere.
func (p *pipe) wait(ctx context.Context, req types.LeaseRequest, reason string) (types.LeaseReply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-p.over:
			cancel(types.Errorf(types.Unavailable, "the input ended while the request waited: %s", reason))
		case <-ctx.Done():
		}
	}()
	defer func() { cancel(nil); <-ended }()
	for said := false; ; said = true {
		req.Wait = types.Duration(pipeSilence)
		r, err := p.at.Lease(ctx, req)
		if err != nil || r.Status != types.LeaseWait {
			return r, err
		}
		if !said {
			p.say("waiting for a trial: " + r.Reason)
		}
	}
}

func (p *pipe) say(text string) {
	// Nobody may be reading; the session goes on without.
	_, _ = fmt.Fprintf(p.st.Stderr, "tuner: %s\n", text)
}

// hold notes leases as open trials.
func (p *pipe) hold(leases []types.Lease) []types.PipeTrial {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]types.PipeTrial, len(leases))
	for i, l := range leases {
		p.open[l.Ref.Trial] = &openTrial{ref: l.Ref}
		out[i] = types.PipeTrial{Number: l.Ref.Trial, Params: l.Params}
	}
	return out
}

func (p *pipe) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

func (p *pipe) forget(number int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, number)
}

// holder finds the open trial that a request names.
func (p *pipe) holder(ctx context.Context, number *int64) (*openTrial, error) {
	if number == nil {
		return nil, usagef("the number of the trial is missing").WithField("number").WithRemedy("give the number that the answer to ask had")
	}
	p.mu.Lock()
	t, numbers := p.open[*number], slices.Sorted(maps.Keys(p.open))
	p.mu.Unlock()
	if t != nil {
		return t, nil
	}
	remedy := "ask first: no trial is open"
	if len(numbers) > 0 {
		remedy = "open are " + joinNumbers(numbers)
	}
	if was, err := p.at.Trial(ctx, p.study.ID, *number); err == nil && was.State.Finished() {
		return nil, types.Errorf(types.Conflict, "trial %d is %s already", *number, was.State).WithField("number").WithRemedy("%s", remedy)
	}
	return nil, types.Errorf(types.NotFound, "trial %d was not handed out by this pipe", *number).WithField("number").WithRemedy("%s", remedy)
}

// joinNumbers lists numbers, the first twenty of them.
func joinNumbers(ns []int64) string {
	text := strings.Trim(strings.ReplaceAll(fmt.Sprint(ns[:min(len(ns), 20)]), " ", ", "), "[]")
	if len(ns) > 20 {
		text += fmt.Sprintf(" and %d more", len(ns)-20)
	}
	return text
}

// lost lets go of a trial that the study has given to somebody else.
func (p *pipe) lost(number int64, err error) error {
	if c := types.CodeOf(err); c == types.Superseded || c == types.NotFound {
		p.forget(number)
	}
	return err
}

// report stores reports of an open trial and answers what the stopper decides.
func (p *pipe) report(ctx context.Context, req pipeRequest) (types.PipeReply, error) {
	t, err := p.holder(ctx, req.Number)
	if err != nil {
		return types.PipeReply{}, err
	}
	if len(req.Metrics) == 0 {
		return types.PipeReply{}, usagef("a report without metrics says nothing").WithField("metrics").WithRemedy(`give them, such as "metrics":{"loss":0.5}`)
	}
	rs := make([]types.Report, 0, len(req.Metrics))
	for _, name := range slices.Sorted(maps.Keys(req.Metrics)) {
		step := t.next[name]
		if req.Step != nil {
			step = *req.Step
		}
		if step < 0 || step == math.MaxInt64 {
			return types.PipeReply{}, usagef("%d is no step", step).WithField("step").WithRemedy("count from 0 or 1")
		}
		if name == "" {
			return types.PipeReply{}, usagef("a metric has no name").WithField("metrics")
		}
		rs = append(rs, types.Report{Metric: name, Step: step, Value: req.Metrics[name]})
	}
	d, err := p.at.Report(ctx, types.ReportRequest{Ref: t.ref, Reports: rs})
	if err != nil {
		return types.PipeReply{}, p.lost(t.ref.Trial, err)
	}
	if t.next == nil {
		t.next = map[string]int64{}
	}
	for _, r := range rs {
		t.next[r.Metric] = max(t.next[r.Metric], r.Step+1)
	}
	return types.PipeReply{Stop: d.Stop, Reason: d.Reason}, nil
}

// told are the states that a tell can give, with what the engine calls them.
var told = map[types.State]types.Outcome{
	"": types.OutcomeCompleted, types.Completed: types.OutcomeCompleted, types.Failed: types.OutcomeFailed,
	types.Infeasible: types.OutcomeInfeasible, types.Pruned: types.OutcomePruned,
}

// tell ends an open trial.
func (p *pipe) tell(ctx context.Context, req pipeRequest) (types.PipeReply, error) {
	t, err := p.holder(ctx, req.Number)
	if err != nil {
		return types.PipeReply{}, err
	}
	outcome, ok := told[req.State]
	if !ok {
		states := []string{"completed", "failed", "infeasible", "pruned"}
		e := usagef("no trial ends %q", req.State).WithField("state").WithRemedy("use one of %s", strings.Join(states, ", "))
		if s := suggestName(string(req.State), states); s != "" {
			e.Remedy = s
		}
		return types.PipeReply{}, e
	}
	if _, empty := req.Metrics[""]; empty {
		return types.PipeReply{}, usagef("a metric has no name").WithField("metrics")
	}
	if outcome == types.OutcomeCompleted {
		if err := p.missing(t, req.Metrics); err != nil {
			return types.PipeReply{}, err
		}
	}
	reply, err := p.at.Finish(ctx, types.FinishRequest{Ref: t.ref, Outcome: outcome, Reason: req.Reason, Metrics: req.Metrics})
	if err != nil {
		return types.PipeReply{}, p.lost(t.ref.Trial, err)
	}
	p.forget(t.ref.Trial)
	if want := cmp.Or(req.State, types.Completed); reply.State != want {
		return types.PipeReply{Reason: strings.TrimSuffix(fmt.Sprintf("the trial is %s: %s", reply.State, reply.Reason), ": ")}, nil
	}
	return types.PipeReply{}, nil
}

// missing is the error for a completed trial without an objective, which was
// not reported either.
func (p *pipe) missing(t *openTrial, metrics map[string]types.Float) error {
	for _, o := range p.study.Spec.Objectives {
		_, given := metrics[o.Metric]
		if _, reported := t.next[o.Metric]; given || reported {
			continue
		}
		names := slices.Sorted(maps.Keys(metrics))
		if len(names) == 0 {
			return usagef("the trial is told without its metric %s", o.Metric).WithField("metrics").
				WithRemedy(`give it, as in "metrics":{"%s":0.5}; a trial without a value is "state":"failed" or "infeasible"`, o.Metric)
		}
		e := usagef("the metric %s is missing; given are %s", o.Metric, strings.Join(names, ", ")).WithField("metrics")
		for _, name := range names {
			if nearest.Word(name, []string{o.Metric}) != "" {
				return e.WithRemedy("did you mean %s, where it says %s?", o.Metric, name)
			}
		}
		return e.WithRemedy(`add it; a trial without a value is "state":"failed" or "infeasible"`)
	}
	return nil
}

// best answers with the best trials, none before one has completed.
func (p *pipe) best(ctx context.Context) (types.PipeReply, error) {
	v, err := p.at.Study(ctx, p.study.ID)
	if err != nil {
		return types.PipeReply{}, err
	}
	var reply types.PipeReply
	for _, n := range v.Best {
		t, err := p.at.Trial(ctx, p.study.ID, n)
		if err != nil {
			return types.PipeReply{}, err
		}
		reply.Trials = append(reply.Trials, types.PipeTrial{Number: n, Params: t.Params, Metrics: t.Metrics, OutsideSpace: t.OutsideSpace})
	}
	return reply, nil
}
