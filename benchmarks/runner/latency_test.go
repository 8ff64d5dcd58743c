package runner

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
)

func TestLatencyIsMeasuredAndStored(t *testing.T) {
	var said []string
	rows, err := LatencyTest{
		Contenders: []Contender{own(t, "tpe"), own(t, "random")}, Sizes: []int{300, 100}, Params: 5, Asks: 4, Seed: 1,
		Progress: func(s string) { said = append(said, s) },
	}.Run(t.Context())
	if err != nil || len(said) == 0 {
		t.Fatal(err, said)
	}
	type what struct {
		Contender string
		Trials    int
	}
	var got []what
	for _, r := range rows {
		got = append(got, what{r.Contender, r.Trials})
		if r.Status != Done || r.Params != 5 || r.Asks != 4 || !(r.P50 > 0) || r.P99 < r.P50 || math.IsNaN(r.Allocs) {
			t.Errorf("%+v", r)
		}
	}
	if d := cmp.Diff([]what{{"tpe", 100}, {"random", 100}, {"tpe", 300}, {"random", 300}}, got); d != "" {
		t.Error(d)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := WriteLatencies(dir, rows); err != nil {
		t.Fatal(err)
	}
	back, err := ReadLatencies(dir)
	if err != nil || len(back) != len(rows) || back[3].Contender != "random" || back[0].Trials != 100 {
		t.Errorf("read back: %+v, %v", back, err)
	}
	if all, err := ReadResults(dir); err != nil || len(all) != 0 {
		t.Errorf("latencies are taken for results: %v, %v", all, err)
	}
	if none, err := ReadLatencies(t.TempDir()); err != nil || none != nil {
		t.Errorf("no file: %v, %v", none, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("there are %v, %v", files, err)
	}
}

// slow hides that a searcher can be given a history, counts asks, and breaks or
// dawdles where it is told to.
type slow struct {
	Searcher
	asks    int
	breakAt int
	delay   bool
}

func (s *slow) Ask(ctx context.Context, n int) ([]Trial, error) {
	s.asks++
	if s.asks == s.breakAt {
		return nil, errors.New("it broke")
	}
	if s.delay {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Searcher.Ask(ctx, n)
}

// noHistory says that it takes none only when it is offered one.
type noHistory struct{ *slow }

func (noHistory) Preload(context.Context, []space.Point, []float64) error {
	return types.Errorf(types.Unsupported, "it takes no history")
}

func TestLatencyOfTunersWithoutHistory(t *testing.T) {
	var plain, offered, broken slow
	wrap := func(name string, s *slow, as Searcher) Contender {
		c := own(t, "random")
		open := c.Open
		c.Name, c.InProcess = name, false
		c.Open = func(ctx context.Context, study Study) (Searcher, error) {
			var err error
			s.Searcher, err = open(ctx, study)
			return as, err
		}
		return c
	}
	broken.breakAt = 40 // in the asks after the first history
	dawdling := slow{delay: true}
	absent := own(t, "random")
	absent.Name, absent.Check = "absent", func(context.Context) error { return errors.New("it is not installed") }
	rows, err := LatencyTest{
		Contenders: []Contender{
			wrap("plain", &plain, &plain), wrap("offered", &offered, noHistory{&offered}), wrap("broken", &broken, &broken),
			wrap("dawdling", &dawdling, &dawdling), absent,
		},
		Sizes: []int{30, 60}, Params: 3, Asks: 10, Seed: 1, Patience: 500 * time.Millisecond,
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		got = append(got, strings.TrimSuffix(r.Contender+" "+string(r.Status)+" "+r.Note, " "))
		if r.Status == Done && (!(r.P50 > 0) || !math.IsNaN(r.Allocs)) {
			t.Errorf("%+v", r)
		}
	}
	late := "dawdling unsupported make a history of 30 trials: after 500ms it had 0"
	want := []string{
		"plain done", "offered done", "broken failed it broke", late, "absent failed it is not installed",
		"plain done", "offered done", "broken failed it broke", late, "absent failed it is not installed",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// 30 and one more before, 10 timed, then up to 60, one more, 10 timed.
	if plain.asks != 71 || offered.asks != 71 {
		t.Errorf("%d and %d asks, want 71", plain.asks, offered.asks)
	}
}

func TestLatencyRefuses(t *testing.T) {
	for _, sizes := range [][]int{nil, {0, 100}, {100, 110}} {
		_, err := LatencyTest{Contenders: []Contender{own(t, "random")}, Sizes: sizes}.Run(t.Context())
		if types.CodeOf(err) != types.Invalid {
			t.Errorf("%v: %v", sizes, err)
		}
	}
}

// A run that takes too long is one that failed, and not the end of the set.
func TestRunTimesOut(t *testing.T) {
	dawdling := Contender{Name: "dawdling", Open: func(context.Context, Study) (Searcher, error) {
		return &slow{Searcher: &script{}, delay: true}, nil
	}}
	res, err := Run(t.Context(), dawdling, problem(t, "branin"), Config{Seed: 1, Budget: 5, Timeout: 10 * time.Millisecond})
	if err != nil || res.Status != Failed || !strings.Contains(res.Note, "not done after 10ms") {
		t.Errorf("%+v, %v", res, err)
	}
}
