package collect

import (
	"bytes"
	"strings"
)

// stepNames are the names of steps in the order in which they are looked for.
// They are recognised in any case, and are not reported as metrics.
var stepNames = [...]string{"step", "epoch", "iteration", "iter"}

// isStepName reports whether name is the configured or a usual name of a step.
func isStepName(configured string, name []byte) bool {
	if configured != "" && string(name) == configured {
		return true
	}
	for _, s := range stepNames {
		if len(name) == len(s) && hasFoldPrefix(name, s) {
			return true
		}
	}
	return false
}

// stepOf is the step that a line names. whole is false if it is a fraction.
type stepOf struct {
	step  int64
	whole bool
	found bool
}

// step looks for the step of l: the configured name, then step, epoch and
// iteration, each as a pair (epoch=3, {"epoch": 3}) or in words (Epoch 3/10,
// epoch 3, Epoch [3/10], Epoch: 3), and last a number in brackets at the start
// of the line ([3] or [3/10]), as XGBoost and LightGBM print it.
func (l *line) step(configured string) stepOf {
	if configured != "" {
		if s := l.stepNamed(func(name []byte) bool { return string(name) == configured }); s.found {
			return s
		}
	}
	for _, want := range stepNames {
		same := func(name []byte) bool { return len(name) == len(want) && hasFoldPrefix(name, want) }
		if s := l.stepNamed(same); s.found {
			return s
		}
	}
	text := bytes.TrimLeft(l.text, " \t")
	if len(text) > 0 && text[0] == '[' {
		return stepAt(text[1:], "]/")
	}
	return stepOf{}
}

func (l *line) stepNamed(same func([]byte) bool) stepOf {
	for _, p := range l.pairs {
		if same(p.name) {
			if step, whole, ok := asStep(p.value); ok {
				return stepOf{step, whole, true}
			}
		}
	}
	for at := 0; at < len(l.text); {
		if !isNameByte(l.text[at]) {
			at++
			continue
		}
		end := at
		for end < len(l.text) && isNameByte(l.text[end]) {
			end++
		}
		if same(l.text[at:end]) {
			if s := stepAfter(l.text[end:]); s.found {
				return s
			}
		}
		at = end
	}
	return stepOf{}
}

// stepAfter reads the number after the word "Epoch".
func stepAfter(b []byte) stepOf {
	i := 0
	for i < len(b) && strings.IndexByte(" \t:=[#'\"", b[i]) >= 0 {
		i++
	}
	if i == 0 {
		return stepOf{}
	}
	return stepAt(b[i:], "/],:;|)'\"-%")
}

// stepAt reads the number at the start of b, which must end there, at a space or
// at one of the bytes of stops.
func stepAt(b []byte, stops string) stepOf {
	if len(b) == 0 || !isDigit(b[0]) {
		return stepOf{}
	}
	v, n := scanNumber(b)
	if n < len(b) && b[n] != ' ' && b[n] != '\t' && strings.IndexByte(stops, b[n]) < 0 {
		return stepOf{}
	}
	step, whole, ok := asStep(v)
	return stepOf{step, whole, ok}
}
