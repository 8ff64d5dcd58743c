package progress

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gotuner/tuner/api/types"
)

func point(lr float64, hidden int64, act string) Point {
	return Point{Params: types.Params{{Name: "lr", Value: lr}, {Name: "hidden", Value: hidden}, {Name: "act", Value: act}}}
}

func sample() *View {
	return &View{
		Study: "digits", Objective: types.Objective{Metric: "error", Goal: types.Minimize},
		Algorithm: "tpe", Stopper: "median", Seed: 7,
		Counts: types.Counts{Running: 2, Completed: 11, Pruned: 6, Failed: 1}, Total: 30,
		Elapsed: 41 * time.Second, Left: 27 * time.Second,
		Running: []Running{
			{Number: 18, Point: point(0.0123, 64, "relu"), Step: new(int64(12)), Value: new(0.0843), Elapsed: 3200 * time.Millisecond},
			{Number: 19, Point: point(0.3, 8, "tanh"), Elapsed: 900 * time.Millisecond, Note: "starting"},
		},
		Best: &Best{
			Number: 11, Point: Point{Params: point(0.0412, 96, "relu").Params, Texts: []string{"0.0412", "96", "relu"}},
			Step: new(int64(20)), Value: 0.02713, Took: 5100 * time.Millisecond,
		},
		History: []float64{0.41, 0.3, 0.5, math.NaN(), 0.2, 0.12, 0.1, 0.1, 0.08, 0.05, 0.02713, 0.04},
		Recent: []Ended{
			{9, types.Pruned, "older than the last three"},
			{13, types.Pruned, "error 0.38 at step 2 is worse than the median 0.33 of 9 trials"},
			{15, types.Failed, "exit 1: ValueError: hidden must be even"},
			{17, types.Pruned, "error 0.42 at step 3 is worse than the median 0.31 of 12 trials"},
		},
	}
}

func TestBlock(t *testing.T) {
	interrupted := sample()
	interrupted.Notice = "Ctrl-C: waiting for 2 running trials; once more stops them"
	fresh := &View{
		Study: "s", Objective: types.Objective{Metric: "acc", Goal: types.Maximize}, Algorithm: "random", Stopper: "none", Seed: 1,
		Elapsed: 200 * time.Millisecond,
	}
	conditional := &View{
		Study: "s", Objective: types.Objective{Metric: "acc", Goal: types.Maximize}, Algorithm: "random", Elapsed: 3 * time.Hour,
		Counts: types.Counts{Completed: 3, Queued: 1, Infeasible: 2, Paused: 1},
		Running: []Running{
			{Number: 7, Point: Point{Params: types.Params{{Name: "opt", Value: "sgd"}, {Name: "momentum", Value: 0.9}}, Texts: []string{"sgd", "0.90"}}},
			{Number: 8, Point: Point{Params: types.Params{{Name: "opt", Value: "adam"}, {Name: "amsgrad", Value: true}}}},
			{Number: 10, Point: Point{Params: types.Params{{Name: "opt", Value: "日本語"}, {Name: "file", Value: strings.Repeat("path/", 9)}}}},
		},
	}
	for _, tt := range []struct {
		name string
		view *View
		o    Options
		want string
	}{
		{"wide", sample(), Options{Width: 100}, `
digits  min error  tpe, median, seed 7
███████████████░░░░░░░░░░  18/30  41s, 27s left  11 completed  6 pruned  1 failed

         trial  step    error  time       lr  hidden  act
best        11    20  0.02713  5.1s   0.0412      96  relu
running     18    12   0.0843  3.2s   0.0123      64  relu
running     19                 0.9s      0.3       8  tanh  starting

best so far  █▇▇▆▅▄▄▄▃▁▁  0.41 to 0.02713
pruned   13  error 0.38 at step 2 is worse than the median 0.33 of 9 trials
failed   15  exit 1: ValueError: hidden must be even
pruned   17  error 0.42 at step 3 is worse than the median 0.31 of 12 trials
`},
		{"narrow", sample(), Options{Width: 50}, `
digits  min error  tpe, median, seed 7
███████▎░░░░  18/30  41s, 27s left  11 completed …

         trial  step    error  time       lr  hid…
best        11    20  0.02713  5.1s   0.0412     …
running     18    12   0.0843  3.2s   0.0123     …
running     19                 0.9s      0.3     …

best so far  █▇▇▆▅▄▄▄▃▁  0.41 to 0.02713
pruned   13  error 0.38 at step 2 is worse than t…
failed   15  exit 1: ValueError: hidden must be e…
pruned   17  error 0.42 at step 3 is worse than t…
`},
		{"ten lines, ASCII", interrupted, Options{Width: 80, Height: 10, ASCII: true}, `
digits  min error  tpe, median, seed 7
############--------  18/30  41s, 27s left  11 completed  6 pruned  1 failed

         trial  step    error  time       lr  hidden  act
best        11    20  0.02713  5.1s   0.0412      96  relu
running     18    12   0.0843  3.2s   0.0123      64  relu
running     19                 0.9s      0.3       8  tanh  starting

pruned   17  error 0.42 at step 3 is worse than the median 0.31 of 12 trials
Ctrl-C: waiting for 2 running trials; once more stops them
`},
		{"eight lines", interrupted, Options{Width: 80, Height: 8}, `
digits  min error  tpe, median, seed 7
████████████░░░░░░░░  18/30  41s, 27s left  11 completed  6 pruned  1 failed

         trial  step    error  time       lr  hidden  act
         and 3 more

pruned   17  error 0.42 at step 3 is worse than the median 0.31 of 12 trials
Ctrl-C: waiting for 2 running trials; once more stops them
`},
		{"nothing yet", fresh, Options{}, `
s  max acc  random, seed 1
0 trials  0.2s
`},
		{"conditional parameters, no budget", conditional, Options{Width: 120}, `
s  max acc  random, seed 0
5 trials  3h00m  3 completed  2 infeasible  1 queued  1 paused

         trial  step  acc  time   opt     momentum  amsgrad  file
running      7             0.0s   sgd         0.90
running      8             0.0s   adam              true
running     10             0.0s   日本語                     path/path/path/path/pat…
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(Block(tt.view, tt.o), "\n") + "\n"
			if d := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), got); d != "" {
				t.Errorf("(-want +got):\n%s\n%s", d, got)
			}
		})
	}
}

func TestColors(t *testing.T) {
	v := &View{
		Study: "s", Objective: types.Objective{Metric: "e", Goal: types.Minimize}, Algorithm: "random", Seed: 1, Total: 2, Elapsed: time.Second,
		Counts: types.Counts{Failed: 1}, Recent: []Ended{{0, types.Failed, "exit 1"}}, Notice: "n",
	}
	want := []string{
		"\x1b[1ms\x1b[0m\x1b[2m  min \x1b[0m\x1b[36me\x1b[0m\x1b[2m  random, seed 1\x1b[0m",
		"\x1b[32m████\x1b[0m\x1b[2m░░░░\x1b[0m\x1b[1m  1/2\x1b[0m  1.0s  1 \x1b[31mfailed\x1b[0m",
		"",
		"\x1b[31mfailed \x1b[0m  0\x1b[2m  exit 1\x1b[0m",
		"\x1b[33mn\x1b[0m",
	}
	if d := cmp.Diff(want, Block(v, Options{Width: 30, Color: true})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestColorAllowed(t *testing.T) {
	for _, tt := range []struct {
		terminal      bool
		noColor, term string
		want          bool
	}{
		{true, "", "xterm", true}, {true, "", "", true}, {false, "", "xterm", false}, {true, "1", "xterm", false}, {true, "", "dumb", false},
	} {
		if got := ColorAllowed(tt.terminal, tt.noColor, tt.term); got != tt.want {
			t.Errorf("ColorAllowed(%v, %q, %q) = %v", tt.terminal, tt.noColor, tt.term, got)
		}
	}
}

func events() []*Event {
	return []*Event{
		{Elapsed: 100 * time.Millisecond, Total: 30, Trial: 0, State: types.Running, Point: point(0.0412, 96, "relu")},
		{
			Elapsed: 5 * time.Second, Done: 1, Total: 30, Trial: 0, State: types.Completed, Point: point(0.0412, 96, "relu"),
			Metric: "error", Value: new(0.02713), Step: new(int64(20)), Took: 4900 * time.Millisecond, NewBest: true,
		},
		{
			Elapsed: 41 * time.Second, Done: 18, Total: 30, Trial: 17, State: types.Pruned, Point: Point{Params: types.Params{{Name: "lr", Value: 1.0}}, Texts: []string{"1.00"}},
			Metric: "error", Value: new(0.42), Step: new(int64(3)), Took: 812345 * time.Microsecond, Reason: "error 0.42 at step 3 is worse than the median <0.31>",
		},
		{Elapsed: time.Minute, Done: 19, Trial: 18, State: types.Infeasible, Metric: "error", Value: new(math.NaN()), Reason: "error is NaN\nat step 4"},
		{Elapsed: 2 * time.Minute, Done: 19, Total: 30, Notice: "Ctrl-C: waiting for 2 running trials"},
	}
}

func TestLines(t *testing.T) {
	want := []string{
		"  0.1s  0/30  trial 0 running  lr=0.0412 hidden=96 act=relu",
		"  5.0s  1/30  trial 0 completed  error=0.02713 at step 20  best so far  4.9s  lr=0.0412 hidden=96 act=relu",
		"   41s  18/30  trial 17 pruned  error=0.42 at step 3  0.8s  lr=1.00  (error 0.42 at step 3 is worse than the median <0.31>)",
		" 1m00s  19  trial 18 infeasible  error=NaN  (error is NaN at step 4)",
		" 2m00s  19/30  Ctrl-C: waiting for 2 running trials",
	}
	for i, e := range events() {
		if got := Line(e, Options{Width: 10}); got != want[i] {
			t.Errorf("event %d\n got  %s\n want %s", i, got, want[i])
		}
	}
}

func TestJSON(t *testing.T) {
	want := []string{
		`{"event":"trial","elapsed":0.1,"done":0,"total":30,"trial":0,"state":"running","params":{"lr":0.0412,"hidden":96,"act":"relu"}}`,
		`{"event":"trial","elapsed":5,"done":1,"total":30,"trial":0,"state":"completed","params":{"lr":0.0412,"hidden":96,"act":"relu"},"metric":"error","value":0.02713,"step":20,"seconds":4.9,"best":true}`,
		`{"event":"trial","elapsed":41,"done":18,"total":30,"trial":17,"state":"pruned","params":{"lr":1.0},"metric":"error","value":0.42,"step":3,"seconds":0.812,"reason":"error 0.42 at step 3 is worse than the median <0.31>"}`,
		`{"event":"trial","elapsed":60,"done":19,"trial":18,"state":"infeasible","metric":"error","value":"NaN","reason":"error is NaN\nat step 4"}`,
		`{"event":"notice","elapsed":120,"done":19,"total":30,"message":"Ctrl-C: waiting for 2 running trials"}`,
	}
	for i, e := range events() {
		got, err := JSON(e)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want[i] || !json.Valid(got) {
			t.Errorf("event %d\n got  %s\n want %s", i, got, want[i])
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", -3: "-3", 0.5: "0.5", 0.02713: "0.02713", 0.123456: "0.1235", 12.3456: "12.35", 123456.7: "123457", 1e8: "100000000",
		1.5e9: "1.5e+09", 1e-7: "1e-07", -0.00012346: "-0.0001235", 99.999: "100", math.Inf(1): "Inf", math.Inf(-1): "-Inf", 9.9999: "10",
	} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 0: "0.0s", 840 * time.Millisecond: "0.8s", 9949 * time.Millisecond: "9.9s", 9950 * time.Millisecond: "10s",
		59600 * time.Millisecond: "1m00s", 185 * time.Second: "3m05s", 130 * time.Minute: "2h10m", 47*time.Hour + 59*time.Minute: "47h59m",
		76 * time.Hour: "3d04h",
	} {
		if got := duration(d); got != want {
			t.Errorf("duration(%v) = %s, want %s", d, got, want)
		}
	}
}

func TestLeft(t *testing.T) {
	for _, tt := range []struct {
		done, total int64
		want        time.Duration
	}{{0, 30, 0}, {10, 30, 20 * time.Second}, {30, 30, 0}, {31, 30, 0}, {5, 0, 0}} {
		if got := Left(10*time.Second, tt.done, tt.total); got != tt.want {
			t.Errorf("Left(10s, %d, %d) = %v, want %v", tt.done, tt.total, got, tt.want)
		}
	}
}

func TestSparkline(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		width  int
		want   string
	}{
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8}, 8, "▁▂▃▄▅▆▇█"},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8}, 4, "▁▃▆█"}, // the last of each pair
		{[]float64{5, 5, 5}, 8, "▁▁▁"},
		{[]float64{1000, 100, 10, 1}, 4, "█▆▃▁"}, // by the logarithm
		{[]float64{-math.MaxFloat64, 0, math.MaxFloat64}, 3, "▁▅█"},
	} {
		if got := sparkline(tt.values, tt.width, false); got != tt.want {
			t.Errorf("sparkline(%v, %d) = %s, want %s", tt.values, tt.width, got, tt.want)
		}
	}
}

func TestFrame(t *testing.T) {
	for _, tt := range []struct {
		before []string
		lines  []string
		want   string
	}{
		{nil, []string{"a", "b"}, "a\x1b[K\nb\x1b[K\n"},
		{[]string{"c", ""}, []string{"a", "b"}, "\x1b[2A\ra\x1b[K\nb\x1b[K\n"},
		{[]string{"c", "", "d"}, []string{"a"}, "\x1b[3A\ra\x1b[K\n\x1b[J"},
		{[]string{"c"}, nil, "\x1b[1A\r\x1b[J"},
		// Made narrower, to four columns: 2 + 1 + 3 rows.
		{[]string{"12345", "1234", "1\x1b[2m234567\x1b[0m89"}, []string{"a"}, "\x1b[6A\r\x1b[Ja\x1b[K\n"},
		{[]string{"日本語"}, []string{"a"}, "\x1b[2A\r\x1b[Ja\x1b[K\n"},
		{[]string{"1日本語日"}, []string{"a"}, "\x1b[3A\r\x1b[Ja\x1b[K\n"},
	} {
		if got := Frame(tt.before, 4, tt.lines); got != tt.want {
			t.Errorf("Frame(%q, 4, %q) = %q, want %q", tt.before, tt.lines, got, tt.want)
		}
	}
	if got := Frame([]string{"12345"}, 0, nil); got != "\x1b[1A\r\x1b[J" { // of an unknown width
		t.Errorf("%q", got)
	}
}

// Whatever widths a terminal takes that breaks its lines anew, nothing is left
// of an earlier block, and nothing above it is touched.
func TestNarrowerTerminal(t *testing.T) {
	v := sample()
	s := &screen{}
	s.write("$ tuner sweep with words that are broken, too\n", 120)
	var before []string
	for _, width := range []int{120, 100, 41, 40, 17, 90, 30, 120} {
		block := Block(v, Options{Width: width, Color: true})
		s.write(Frame(before, width, block), width)
		before = block
		want := []string{"$ tuner sweep with words that are broken, too"}
		for _, l := range block {
			want = append(want, uncolored(l))
		}
		if d := cmp.Diff(want, s.lines); d != "" {
			t.Fatalf("at %d columns (-want +got):\n%s", width, d)
		}
	}
}

// screen is as much of a terminal as a Frame needs: one that breaks its lines
// anew when it is made another width. Between writes the cursor is below lines.
type screen struct{ lines []string }

func (s *screen) write(text string, width int) {
	at := len(s.lines) // the line of the cursor, which stands at its beginning
	for text != "" {
		switch {
		case strings.HasPrefix(text, "\x1b[J"):
			s.lines, text = s.lines[:at], text[len("\x1b[J"):]
		case upward.MatchString(text):
			m := upward.FindStringSubmatch(text)
			text = text[len(m[0]):]
			n, _ := strconv.Atoi(m[1])
			for n > 0 {
				at--
				n -= max((len([]rune(s.lines[at]))+width-1)/width, 1) // its letters are one column wide
			}
			if n < 0 {
				panic("the cursor is in the middle of a broken line")
			}
		default:
			l, rest, _ := strings.Cut(text, "\n")
			s.lines = append(s.lines[:at:at], append([]string{uncolored(strings.TrimSuffix(l, "\x1b[K"))}, s.lines[min(at+1, len(s.lines)):]...)...)
			at, text = at+1, rest
		}
	}
	if at != len(s.lines) {
		panic("the cursor is not below the lines")
	}
}

var upward = regexp.MustCompile(`^\x1b\[([0-9]+)A\r`)

func TestRoundedParameters(t *testing.T) {
	p := Point{
		Params: types.Params{{Name: "a", Value: 0.03668502190260973}, {Name: "b", Value: 0.3}, {Name: "c", Value: 1.0e-5}, {Name: "d", Value: int64(1234567890)}, {Name: "e", Value: "0.123456789012"}},
		Texts:  []string{"0.03668502190260973", "0.30", "0.00001", "1234567890", "0.123456789012"},
	}
	want := []string{"0.03669", "0.30", "0.00001", "1234567890", "0.123456789012"}
	for i := range want {
		if got := p.text(i); got != want[i] {
			t.Errorf("%s is shown as %s, want %s", p.Texts[i], got, want[i])
		}
	}
}

// Whatever the study holds: no line is wider than the terminal or breaks it,
// there are not too many, and colour changes nothing else.
func TestBlockFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\x1b[2J", "a\nb", "\r", "日本語", "e\u0301", "\xff", strings.Repeat("x", 300)}))
		float := rapid.Float64()
		points := rapid.Custom(func(t *rapid.T) Point {
			return Point{Params: types.Params{{Name: text.Draw(t, "name"), Value: text.Draw(t, "text")}, {Name: "f", Value: float.Draw(t, "f")}}}
		})
		v := &View{
			Study: text.Draw(t, "study"), Objective: types.Objective{Metric: text.Draw(t, "metric"), Goal: types.Minimize},
			Counts: types.Counts{Completed: rapid.Int64Range(0, 1e6).Draw(t, "done")}, Total: rapid.Int64Range(0, 1e6).Draw(t, "total"),
			Elapsed: time.Duration(rapid.Int64().Draw(t, "elapsed")), History: rapid.SliceOfN(float, 0, 50).Draw(t, "history"), Notice: text.Draw(t, "notice"),
		}
		for i, p := range rapid.SliceOfN(points, 0, 12).Draw(t, "points") {
			v.Running = append(v.Running, Running{Number: int64(i), Point: p, Value: new(float.Draw(t, "value")), Note: text.Draw(t, "note")})
			v.Recent = append(v.Recent, Ended{int64(i), types.Failed, text.Draw(t, "reason")})
		}
		o := Options{Width: rapid.IntRange(1, 200).Draw(t, "width"), Height: rapid.IntRange(0, 40).Draw(t, "height"), ASCII: rapid.Bool().Draw(t, "ascii")}
		lines := Block(v, o)
		if o.Height > 0 && len(lines) > o.Height {
			t.Fatalf("%d lines, %d allowed", len(lines), o.Height)
		}
		for _, l := range lines {
			if n := columns(l); n > o.Width {
				t.Fatalf("%d columns, %d allowed: %q", n, o.Width, l)
			}
			if i := strings.IndexFunc(l, func(r rune) bool { return !unicode.IsGraphic(r) || o.ASCII && r > unicode.MaxASCII }); i >= 0 {
				t.Fatalf("%q at %d of %q", l[i:], i, l)
			}
		}
		o.Color = true
		for i, l := range Block(v, o) {
			if got := uncolored(l); got != lines[i] {
				t.Fatalf("colours change the text:\n%q\n%q", got, lines[i])
			}
		}
	})
}

// uncolored takes the SGR sequences out.
func uncolored(s string) string {
	var b strings.Builder
	for s != "" {
		before, after, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			break
		}
		_, s, _ = strings.Cut(after, "m")
	}
	return b.String()
}
