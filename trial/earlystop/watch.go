package earlystop

import (
	"fmt"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// leastFinishers is the least number of completed trials before which no rule
// that compares trials ends one, unless its setting startup says otherwise.
const leastFinishers = 5

// watch keeps what every rule needs of a study: the curves of its unfinished
// trials, how many trials have completed, and how many ran at once.
type watch struct {
	objective types.Objective
	curves    map[int64]*curve
	// need is the setting startup, -1 for max(5, workers).
	need int64
	// completed counts the completed trials that reported the objective.
	completed int64
	// busy is how many trials run, workers the most that ever did.
	busy, workers int64
}

func newWatch(cfg Config) watch {
	w := watch{objective: cfg.Objectives[0], curves: map[int64]*curve{}, need: -1}
	if _, has := cfg.Settings["startup"]; has && !cfg.Settings.Auto("startup") {
		w.need = cfg.Settings.Int("startup")
	}
	return w
}

// startupSetting is the same in every rule that compares trials.
func startupSetting() trial.Setting {
	return trial.Setting{Name: "startup", Type: trial.IntSetting, Min: new(float64(0)),
		Doc: "Trials that must have completed before any trial is ended; auto is the number of workers, at least 5."}
}

func warmupSetting() trial.Setting {
	return trial.Setting{Name: "warmup", Type: trial.IntSetting, Default: int64(0), Min: new(float64(0)),
		Doc: "First step at which a trial may be ended."}
}

func intervalSetting() trial.Setting {
	return trial.Setting{Name: "interval", Type: trial.IntSetting, Default: int64(1), Min: new(float64(1)),
		Doc: "Steps between two decisions on a trial, counted from warmup."}
}

// observe takes the next event. It returns the curve that e changed or ended,
// nil if there is none; completed says that its trial has just completed.
func (w *watch) observe(e trial.Event) (c *curve, completed bool) {
	c = w.curves[e.Trial]
	switch e.Kind {
	case trial.EventCreated:
		c = &curve{}
		w.curves[e.Trial] = c
	case trial.EventStarted:
		if c != nil && !c.busy {
			c.busy = true
			w.busy++
			w.workers = max(w.workers, w.busy)
		}
	case trial.EventPaused:
		if c != nil {
			w.idle(c)
		}
	case trial.EventReported:
		if c == nil || e.Report.Metric != w.objective.Metric {
			return nil, false
		}
		c.set(e.Report.Step, w.signed(e.Report.Value))
	case trial.EventRequeued:
		if c == nil {
			return nil, false
		}
		w.idle(c)
		// The reports of the lost attempt are void.
		c = &curve{}
		w.curves[e.Trial] = c
	case trial.EventFinished:
		if c == nil {
			return nil, false
		}
		w.idle(c)
		delete(w.curves, e.Trial)
		completed = e.Finish != nil && e.Finish.State == types.Completed && len(c.values) > 0
		if completed {
			w.completed++
		}
	case trial.EventDrawn, trial.EventSpace, trial.EventStudy:
		return nil, false
	}
	return c, completed
}

func (w *watch) idle(c *curve) {
	if c.busy {
		c.busy = false
		w.busy--
	}
}

// open reports whether enough trials have completed for trials to be ended.
// The number of workers is the most trials that ever ran at once: it is a
// function of the events, whatever the study's parallelism is or was.
func (w *watch) open() bool {
	if w.need >= 0 {
		return w.completed >= w.need
	}
	return w.completed >= max(leastFinishers, w.workers)
}

// judged is the curve of the trial that r belongs to, nil if r is no reason to
// judge it.
func (w *watch) judged(r trial.Report) *curve {
	c := w.curves[r.Trial]
	if c == nil || len(c.values) == 0 || r.Metric != w.objective.Metric {
		return nil
	}
	return c
}

// signed turns v so that smaller is better.
func (w *watch) signed(v float64) float64 {
	if w.objective.Goal == types.Maximize {
		return -v
	}
	return v
}

// show is the text of a signed value.
func (w *watch) show(v float64) string { return fmt.Sprintf("%.6g", w.signed(v)) }

func plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
