package collect

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gotuner/tuner/api/types"
)

// result is all that a Collector says of its input.
type result struct {
	Reports    []string
	Seen       []Seen
	Infeasible bool
	Reason     string
	Cursor     string
}

func finish(o *Output, before []types.Report) result {
	reports, cursor := o.Take(true)
	r := result{Reports: texts(append(before, reports...)), Seen: o.Seen(), Cursor: cursor}
	r.Reason, r.Infeasible = o.Infeasible()
	return r
}

// segment is a run of bytes of one stream.
type segment struct {
	stream string
	data   []byte
}

func whole(cfg Config, segments []segment) result {
	o, err := New(cfg)
	if err != nil {
		panic(err)
	}
	for _, s := range segments {
		o.Write(s.stream, s.data)
	}
	return finish(o, nil)
}

// cut feeds the same bytes in pieces, takes reports between them, and goes on
// from the cursor with a new Output, whose missing bytes it feeds again, as an
// agent does that adopts a running attempt.
func cut(cfg Config, segments []segment, r *rand.Rand) result {
	o, err := New(cfg)
	if err != nil {
		panic(err)
	}
	var reports []types.Report
	logs := map[string][]byte{}
	for _, s := range segments {
		for rest := s.data; ; {
			n := min(len(rest), r.IntN(40))
			o.Write(s.stream, rest[:n])
			logs[s.stream] = append(logs[s.stream], rest[:n]...)
			rest = rest[n:]
			if r.IntN(3) == 0 {
				got, cursor := o.Take(false)
				reports = append(reports, got...)
				if r.IntN(2) == 0 {
					if o, err = Restore(cfg, cursor); err != nil {
						panic(err)
					}
					for name, offset := range o.Offsets() {
						o.Write(name, logs[name][offset:])
					}
				}
			}
			if len(rest) == 0 {
				break
			}
		}
	}
	return finish(o, reports)
}

// cutConfigs are the configurations under which cuts must not matter.
func cutConfigs() []Config {
	return []Config{
		{Metrics: []string{"loss"}, MaxLine: 60},
		{Metrics: []string{"val loss", "loss"}, Step: "k", Others: 1},
		{Metrics: []string{"loss"}, Regex: []string{`loss (\S+)`, `(?P<acc>\d+)%`}, Others: 2},
		{FileOnly: true},
	}
}

func checkCuts(t interface {
	Helper()
	Fatalf(string, ...any)
}, segments []segment, r *rand.Rand) {
	t.Helper()
	for _, cfg := range cutConfigs() {
		want, got := whole(cfg, segments), cut(cfg, segments, r)
		if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
			t.Fatalf("%+v, %q: cutting changes the result (-whole +cut):\n%s", cfg, segments, diff)
		}
	}
}

var vocabulary = []string{
	"loss=0.5", "loss: nan", "val loss: 3", "val_loss=2", "acc=1", "step=3", "k=7", "epoch=0.5", "Epoch 3/10", "[4] ",
	`{"loss": 0.3, "epoch": 4}`, `{'loss': np.float64(1), 'k': 2}`, `{"tuner":"infeasible","reason":"x"}`, "loss 5", "93%",
	"\x1b[1m", "\x1b[", "\x00", "\xff", "é", " ", "\t", ",", ";", "%", "\n", "\r", "\r\n", "\n\n", strings.Repeat("y", 50),
}

func TestCutsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var segments []segment
		for range rapid.IntRange(1, 6).Draw(t, "segments") {
			words := rapid.SliceOfN(rapid.SampledFrom(vocabulary), 0, 40).Draw(t, "words")
			segments = append(segments, segment{
				stream: rapid.SampledFrom([]string{"stdout", "stderr", "file"}).Draw(t, "stream"),
				data:   []byte(strings.Join(words, "")),
			})
		}
		seed := rapid.Uint64().Draw(t, "seed")
		checkCuts(t, segments, rand.New(rand.NewPCG(seed, 1)))
	})
}

// TestCutsOfLongCurves covers the thinning of other metrics across restores.
func TestCutsOfLongCurves(t *testing.T) {
	line := []byte("other=1 loss=2\n")
	segments := []segment{{"stdout", bytes.Repeat(line, 1300)}}
	checkCuts(t, segments, rand.New(rand.NewPCG(1, 2)))
}

func FuzzOutput(f *testing.F) {
	for _, v := range vocabulary {
		f.Add([]byte(v+"\n"), []byte(v), uint64(1))
	}
	f.Add([]byte("Epoch 1: 10%|█ | loss=0.3]\r"), []byte("{'a': {'b': (1, 2)}}"), uint64(3))
	f.Fuzz(func(t *testing.T, a, b []byte, seed uint64) {
		if len(a)+len(b) > 1<<12 {
			return // feeding long lines again and again takes too long
		}
		r := rand.New(rand.NewPCG(seed, 2))
		checkCuts(t, []segment{{"stdout", a}, {"stderr", b}, {"file", a}, {"stdout", b}}, r)
	})
}

func BenchmarkWrite(b *testing.B) {
	for _, bb := range []struct{ name, line string }{
		{"prose", "Loading the data from the shard and shuffling it, this takes a while on slow disks"},
		{"log", "2024-01-01 12:00:05,123 - trainer.py - INFO - wrote checkpoint to /data/run/ckpt"},
		{"metrics", "epoch=3 step=120 loss=0.1234 acc=0.9876"},
		{"json", `{"epoch": 3, "step": 120, "loss": 0.1234, "acc": 0.9876}`},
	} {
		data := []byte(strings.Repeat(bb.line+"\n", 64<<10/(len(bb.line)+1)))
		b.Run(bb.name, func(b *testing.B) {
			o, err := New(Config{Metrics: []string{"loss"}})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				o.Write("stdout", data)
				o.reports = o.reports[:0]
			}
		})
	}
}
