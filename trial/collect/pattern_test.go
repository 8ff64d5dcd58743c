package collect

import (
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
)

// What is proposed is read back with the pattern.
func TestPattern(t *testing.T) {
	for _, c := range []struct {
		metric, lines, want string
		value               types.Float
	}{
		{"loss", "final loss 0.31", `loss (\S+)`, 0.31},
		{"loss", "epoch 1 loss 0.5\nepoch 2 loss 0.25\ndone in 3 s", `loss (\S+)`, 0.25},
		{"loss", "The Loss  is\t-3e-2, which is fine", `Loss\s+is\s+(\S+)`, -0.03},
		{"loss", "loss after 3 epochs is 0.31", `loss after \S+ epochs is (\S+)`, 0.31},
		{"loss", "\x1b[1mloss\x1b[0m (test) -> 7", `loss \(test\) -> (\S+)`, 7},
		{"acc", "Accuracy 93.5%", `Accuracy (\S+)`, 93.5},
		{"val loss", "val loss 2", `val loss (\S+)`, 2},
		{"loss", "val_loss 2\nlosses 3", `losses (\S+)`, 3},
		{"loss", "val_loss 2", "", 0},
		{"loss", "loss after 3 epochs and a very long while of 4", "", 0},
		{"loss", "no number for the loss", "", 0},
		{"loss", "", "", 0},
		{"", "final loss 0.31", "", 0},
	} {
		got, line := Pattern(c.metric, strings.Split(c.lines, "\n"))
		if got != c.want || (got == "") != (line == "") {
			t.Errorf("%s in %q: %q of the line %q, want %q", c.metric, c.lines, got, line, c.want)
		}
		if got == "" {
			continue
		}
		o, err := New(Config{Metrics: []string{c.metric}, Regex: []string{got}})
		if err != nil {
			t.Fatal(err)
		}
		o.Write("stdout", []byte(c.lines))
		rs, _ := o.Take(true)
		if len(rs) == 0 || rs[len(rs)-1].Value != c.value {
			t.Errorf("%s reads %v in %q, want %v", got, rs, c.lines, c.value)
		}
	}
}
