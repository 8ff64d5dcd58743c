package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli/progress"
	"github.com/gotuner/tuner/trial/agent"
)

// refresh is how often the live block is drawn.
const refresh = 100 * time.Millisecond

// sweepView shows a sweep under way on stderr: a live block on a terminal, one
// line an event elsewhere, JSON Lines on stdout with --json, nothing with -q.
// It is safe for concurrent use.
type sweepView struct {
	st    *State
	mode  viewMode
	start time.Time
	// study is the name that events and notes carry where several studies are
	// shown; "" for one.
	study string
	// look returns the study and one of its trials as they are now.
	look      func() (types.Study, error)
	lookTrial func(number int64) (types.Trial, error)

	mu      sync.Mutex
	view    progress.View
	running map[int64]*runningTrial
	before  int64    // trials that were done when the sweep began; -1 not known yet
	ending  bool     // no new trials begin here, so how long the rest takes is not known
	drawn   []string // the block on the screen
	stop    chan struct{}
	stopped sync.WaitGroup
	// troubles has when each trouble that goes on was shown last.
	troubles map[string]time.Time
}

type viewMode int

const (
	viewLines viewMode = iota
	viewBlock
	viewJSON
	viewQuiet
)

type runningTrial struct {
	progress.Running
	since time.Time
}

func newView(st *State, f *sweepFlags, study types.Study, look func() (types.Study, error), lookTrial func(int64) (types.Trial, error)) *sweepView {
	spec := study.Spec
	v := &sweepView{st: st, start: st.Now(), look: look, lookTrial: lookTrial, running: map[int64]*runningTrial{}, before: -1, stop: make(chan struct{}),
		view: progress.View{Study: spec.Name, Objective: spec.Objectives[0], Algorithm: spec.Algorithm.Name,
			Stopper: spec.Stopper.Name, Seed: spec.Seed, Total: spec.Budget.Trials}}
	width, _ := st.Size()
	switch {
	case f.json:
		v.mode = viewJSON
	case f.quiet:
		v.mode = viewQuiet
	case width > 0 && st.Getenv("TERM") != "dumb":
		v.mode = viewBlock
	}
	v.update()
	return v
}

// begin starts drawing.
func (v *sweepView) begin() {
	if v.mode != viewBlock {
		return
	}
	v.stopped.Go(func() {
		t := time.NewTicker(refresh)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				v.mu.Lock()
				v.draw()
				v.mu.Unlock()
			case <-v.stop:
				return
			}
		}
	})
}

// close stops drawing and takes the block away.
func (v *sweepView) close() {
	close(v.stop)
	v.stopped.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.drawn) > 0 {
		v.write(progress.Frame(v.drawn, v.options().Width, nil))
		v.drawn = nil
	}
}

func (v *sweepView) options() progress.Options {
	w, h := v.st.Size()
	return progress.Options{Width: w, Height: h - 1,
		Color: progress.ColorAllowed(w > 0, v.st.Getenv("NO_COLOR"), v.st.Getenv("TERM")),
		ASCII: !utf8Locale(v.st)}
}

// utf8Locale reports whether the user's locale is UTF-8, by the rule of
// setlocale(3): LC_ALL, else LC_CTYPE, else LANG.
func utf8Locale(st *State) bool {
	l := strings.ToLower(cmp.Or(st.Getenv("LC_ALL"), st.Getenv("LC_CTYPE"), st.Getenv("LANG")))
	return l == "" || strings.Contains(l, "utf-8") || strings.Contains(l, "utf8")
}

// draw shows the block; the caller holds mu.
func (v *sweepView) draw(above ...string) {
	now := v.st.Now()
	v.view.Elapsed = now.Sub(v.start)
	v.view.Running = v.view.Running[:0]
	for _, r := range v.running {
		r.Elapsed = now.Sub(r.since)
		v.view.Running = append(v.view.Running, r.Running)
	}
	slices.SortFunc(v.view.Running, func(a, b progress.Running) int { return cmp.Compare(a.Number, b.Number) })
	o := v.options()
	block := progress.Block(&v.view, o)
	v.write(progress.Frame(v.drawn, o.Width, append(above, block...)))
	v.drawn = block
}

// write ignores a terminal that went away: the sweep goes on without it.
func (v *sweepView) write(s string) { _, _ = fmt.Fprint(v.st.Stderr, s) }

// note says something to the user.
func (v *sweepView) note(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.say(text)
}

// ends is note for what says that no new trials begin here.
func (v *sweepView) ends(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ending, v.view.Left = true, 0
	v.say(text)
}

// say is note for callers that hold mu.
func (v *sweepView) say(text string) {
	switch v.mode {
	case viewBlock:
		if len(v.drawn) == 0 {
			v.write(text + "\n")
		} else {
			v.draw(text)
		}
	case viewLines:
		if v.study != "" {
			text = v.study + ": " + text
		}
		v.write(text + "\n")
	case viewJSON:
		v.event(progress.Event{Notice: text})
	case viewQuiet:
	}
}

// event prints an event where events are printed; the caller holds mu.
func (v *sweepView) event(e progress.Event) {
	e.Study = v.study
	e.Elapsed, e.Done, e.Total = v.st.Now().Sub(v.start), v.view.Counts.Spent(), v.view.Total
	switch v.mode {
	case viewLines:
		v.write(progress.Line(&e, v.options()) + "\n")
	case viewJSON:
		if b, err := progress.JSON(&e); err == nil {
			_, _ = fmt.Fprintf(v.st.Stdout, "%s\n", b)
		}
	case viewBlock, viewQuiet:
	}
}

// hooks are what the agent calls.
func (v *sweepView) hooks(ended func(types.Lease, types.FinishReply)) agent.Hooks {
	return agent.Hooks{
		Started:  v.started,
		Reported: v.reported,
		Stopping: v.stopping,
		Ended: func(l types.Lease, req types.FinishRequest, reply types.FinishReply) {
			ended(l, reply)
			v.ended(l, req, reply)
		},
		Trouble: v.trouble,
	}
}

// troubleEvery is how often a trouble that goes on is shown.
const troubleEvery = time.Minute

// trouble shows a fault that the sweep goes on after. A server that is away fails
// each caller in another way (refused, reset, no answer), which is one trouble: what
// stands before the first colon is what it is.
func (v *sweepView) trouble(err error) {
	text, now := err.Error(), v.st.Now()
	what, _, _ := strings.Cut(text, ": ")
	v.mu.Lock()
	at, again := v.troubles[what]
	show := !again || now.Sub(at) >= troubleEvery
	if show {
		if v.troubles == nil {
			v.troubles = map[string]time.Time{}
		}
		v.troubles[what] = now
	}
	v.mu.Unlock()
	if show {
		v.note("trouble: " + text)
	}
}

// over ends the troubles: a trial was started or finished. The caller holds mu.
func (v *sweepView) over() {
	if len(v.troubles) == 0 {
		return
	}
	clear(v.troubles)
	v.say("the trouble is over, going on")
}

func (v *sweepView) started(l types.Lease, _ int, adopted bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.over()
	r := &runningTrial{since: v.st.Now(), Running: progress.Running{Number: l.Ref.Trial, Point: progress.Point{Params: l.Params, Texts: l.Texts}}}
	notice := ""
	if adopted {
		notice = "found running"
		r.Note = notice
	}
	v.running[l.Ref.Trial] = r
	if c := v.view.Counts; c.Queued+c.Paused > 0 { // it may have been one of these
		if st, err := v.look(); err == nil {
			v.view.Counts = st.Counts
		}
	}
	v.event(progress.Event{Trial: l.Ref.Trial, State: types.Running, Point: r.Point, Notice: notice})
}

func (v *sweepView) reported(l types.Lease, rs []types.Report) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.running[l.Ref.Trial]
	if r == nil {
		return
	}
	for _, rep := range rs {
		if rep.Metric == v.view.Objective.Metric {
			step, value := rep.Step, float64(rep.Value)
			r.Step, r.Value = &step, &value
		}
	}
}

func (v *sweepView) stopping(l types.Lease, d types.Decision) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.running[l.Ref.Trial]; r != nil {
		r.Note = "stopping: " + string(d.Kind)
	}
}

func (v *sweepView) ended(l types.Lease, req types.FinishRequest, reply types.FinishReply) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if reply.State == "" { // it was superseded, or could not be told
		delete(v.running, l.Ref.Trial)
		v.say(reply.Reason)
		return
	}
	v.over()
	best := int64(-1)
	if v.view.Best != nil {
		best = v.view.Best.Number
	}
	v.update()
	e := progress.Event{Trial: l.Ref.Trial, State: reply.State, Reason: reply.Reason, Metric: v.view.Objective.Metric,
		Took: time.Duration(float64(req.Metrics["trial.elapsed"]) * float64(time.Second))}
	if l.Ref.Attempt > 1 && reply.State.Finished() { // what it took is more than this attempt
		if t, err := v.lookTrial(l.Ref.Trial); err == nil {
			e.Took = took(&t, v.st.now())
		}
	}
	if reply.Value != nil {
		value := float64(*reply.Value)
		e.Value = &value
	}
	if r := v.running[l.Ref.Trial]; r != nil {
		e.Step = r.Step
		if e.Value == nil {
			e.Value = r.Value
		}
		delete(v.running, l.Ref.Trial)
	}
	if v.view.Best != nil && v.view.Best.Number != best && v.view.Best.Number == l.Ref.Trial {
		e.NewBest = true
		e.Point = v.view.Best.Point
	}
	switch reply.State {
	case types.Completed:
		if e.Value != nil {
			v.view.History = append(v.view.History, *e.Value)
		}
	case types.Pruned, types.Failed, types.Infeasible:
		v.view.Recent = append(v.view.Recent, progress.Ended{Number: l.Ref.Trial, State: reply.State, Reason: reply.Reason})
		v.view.Recent = v.view.Recent[max(0, len(v.view.Recent)-8):]
	case types.Queued, types.Running, types.Paused, types.Cancelled:
	}
	v.event(e)
}

// update takes over counts and the best trial; the caller holds mu or is alone.
func (v *sweepView) update() {
	st, err := v.look()
	if err != nil {
		return // shown by whoever needs the study next
	}
	v.view.Counts, v.view.Total = st.Counts, st.Spec.Budget.Trials
	if v.before < 0 {
		v.before = st.Counts.Spent()
	}
	if !v.ending {
		v.view.Left = progress.Left(v.st.Now().Sub(v.start), st.Counts.Spent()-v.before, v.view.Total-v.before)
	}
	if len(st.Best) == 0 || (v.view.Best != nil && v.view.Best.Number == st.Best[0]) {
		return
	}
	t, err := v.lookTrial(st.Best[0])
	if err != nil {
		return
	}
	b := &progress.Best{Number: t.Number, Step: t.Step, Value: float64(t.Metrics[v.view.Objective.Metric]), Point: progress.Point{Params: t.Params}}
	if r := v.running[t.Number]; r != nil {
		b.Point = r.Point
	}
	if t.Started != nil {
		b.Took = took(&t, v.st.now())
	}
	if t.OutsideSpace {
		b.Note = "outside of the present space"
	}
	v.view.Best = b
}
