package collect

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gotuner/tuner/api/types"
)

// read feeds text as stdout and returns the reports as "metric@step=value".
func read(t *testing.T, cfg Config, text string) []string {
	t.Helper()
	o, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	o.Write("stdout", []byte(text))
	reports, _ := o.Take(true)
	return texts(reports)
}

func texts(reports []types.Report) []string {
	var s []string
	for _, r := range reports {
		s = append(s, fmt.Sprintf("%s@%d=%v", r.Metric, r.Step, float64(r.Value)))
	}
	return s
}

func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '|' })
}

// TestLines has a text and the reports of its wanted metrics, by default loss.
func TestLines(t *testing.T) {
	for _, tt := range []struct{ name, metrics, text, want string }{
		{"equals", "loss", "loss=0.5", "loss@0=0.5"},
		{"colon", "loss", "loss: 0.5", "loss@0=0.5"},
		{"spaces", "loss", "  loss \t= 0.5 ", "loss@0=0.5"},
		{"several", "loss|acc", "loss=0.5 acc: 0.9", "loss@0=0.5|acc@0=0.9"},
		{"comma between", "loss|acc", "loss=0.5,acc=0.9;", "loss@0=0.5|acc@0=0.9"},
		{"trailing", "a|b|c", "a=1, b=2; c=93.5%", "a@0=1|b@0=2|c@0=93.5"},
		{"number forms", "loss", "loss=-1.5e-3\nloss=+.5\nloss=5.\nloss=1E6\nloss: 0.3.", "loss@0=-0.0015|loss@1=0.5|loss@2=5|loss@3=1e+06|loss@4=0.3"},
		{"not finite", "loss", "loss=nan\nloss: -inf\nloss=Infinity\nloss=NaN\nloss=1e999", "loss@0=NaN|loss@1=-Inf|loss@2=+Inf|loss@3=NaN|loss@4=+Inf"},
		{"words that begin like numbers", "loss", "loss=info\nloss=nano\nloss=none\nloss=infinite", ""},
		{"whole names", "loss", "val_loss=1 train/loss=1 a-loss=1 a.loss: 1 xloss=1 loss2=1 loss_=1 --loss=1 élosse=1 éloss=1", ""},
		{"names with signs", "val/loss|f1@10|train-rmse|précision", "val/loss=1 f1@10=2 train-rmse:3 précision=4", "val/loss@0=1|f1@10@0=2|train-rmse@0=3|précision@0=4"},
		{"no metrics", "loss", "loss\nloss 0.3\nloss==0.3\nloss!=0.3\nloss<=0.3\n=0.3\n:0.3\nloss=\nloss=mse\nloss = = 3", ""},
		{"other things", "loss", "loss=2024-01-01\nloss=12:30\nloss=1/2\nloss=1.2.3\nloss=5ms\nloss=1,5\nloss=1,234.5\nloss=0x10\nloss=3e\nloss=1_000", ""},
		{"around", "loss", "[INFO] (loss=0.5) |loss=0.25|\nINFO:root:loss: 0.5\n2024-01-01 12:00:05,123 - train - INFO - loss: 0.25", "loss@0=0.25|loss@1=0.5|loss@2=0.25"},
		{"last on the line", "loss", "train loss: 0.5, val loss: 0.7", "loss@0=0.7"},
		{"phrase", "val loss|loss", "train loss: 0.5, val loss: 0.7\ninterval loss: 3", "loss@0=0.7|val loss@0=0.7|loss@1=3"},
		{"parentheses after", "loss", "loss: 0.5(0.6)\nloss=0.25 (0.3)\nloss: 0.125*\nloss: 0.5±0.1", "loss@0=0.5|loss@1=0.25|loss@2=0.125|loss@3=0.5"},
		{"quoted value", "loss", `level=info loss="0.5" msg="loss='x'"`, "loss@0=0.5"},
		{"tensor", "loss", "loss: tensor(0.5, device='cuda:0')\nloss=np.float64(0.25)\nloss: Array(2., dtype=float32)\nloss: mean(3)", "loss@0=0.5|loss@1=0.25|loss@2=2"},

		{"json", "loss", `{"loss": 0.5, "epoch": 4}`, "loss@4=0.5"},
		{"json bare", "loss|acc", `{"loss": NaN, "acc": -Infinity}`, "loss@0=NaN|acc@0=-Inf"},
		{"json strings", "loss|acc", `{"loss": "0.5", "acc": "Infinity", "x": "y"}`, "loss@0=0.5|acc@0=+Inf"},
		{"json nested", "val.loss|loss", `{"val": {"loss": 0.5}, "s": [{"loss": 3}, 4], "loss": 1}`, "val.loss@0=0.5|loss@0=1"},
		{"json names", `a b|x"y`, `{"a b": 1, "x\"y": 2, "": 3}`, `a b@0=1|x"y@0=2`},
		{"json not numbers", "a|b|c|d", `{"a": true, "b": null, "c": [1], "d": {}}`, ""},
		{"json twice", "a", `{"a": 1, "a": 2}`, "a@0=2"},
		{"json after text", "loss", `12:00:05 INFO step=7 {"loss": 0.5, "v": {"loss": 9}}`, "loss@7=0.5"},
		{"json with trailing comma", "loss", `{"loss": 0.5},`, "loss@0=0.5"},
		{"json and text after", "loss", `{"loss": 0.5} done`, "loss@0=0.5"},
		{"pretty json", "loss", "{\n  \"loss\": 0.5,\n  \"epoch\": 4\n}", "loss@0=0.5"},
		{"broken json", "loss", `{"loss": 0.5, "a": `, "loss@0=0.5"},
		{"dict", "loss", `{'loss': 0.3, 'epoch': 4}`, "loss@4=0.3"},
		{"dict values", "loss|nan|big", `{'loss': np.float64(0.3), 'nan': nan, 'ok': True, 'none': None, 't': (1, 2), 'big': inf, 'step': tensor(3, device='cuda:0')}`, "loss@3=0.3|nan@3=NaN|big@3=+Inf"},
		{"dict odd values", "loss", `{'when': datetime.date(2024, 1, 1), 'who': 'it\'s "me"', 3: 4, 'loss': 0.5}`, "loss@0=0.5"},
		{"hugging face", "loss|eval_loss", "{'loss': 0.7, 'learning_rate': 5e-05, 'epoch': 0.5}\n{'loss': 0.6, 'epoch': 1.0}\n{'eval_loss': 0.65, 'epoch': 1.0}\n{'loss': 0.5, 'epoch': 1.5}\n{'eval_loss': 0.55, 'epoch': 2.0}",
			"loss@0=0.7|loss@1=0.6|eval_loss@1=0.65|loss@2=0.5|eval_loss@2=0.55"},

		{"ansi", "loss", "\x1b[1mloss\x1b[0m: \x1b[38;5;196m0.5\x1b[0m\x1b[K", "loss@0=0.5"},
		{"ansi link and title", "loss", "\x1b]0;title loss=9\x07loss=0.5\n\x1b]8;;http://x\x1b\\loss\x1b]8;;\x1b\\=0.25\n\x1b(Bloss=1\x1b", "loss@0=0.5|loss@1=0.25|loss@2=1"},
		{"carriage return", "loss", "loss=3\rloss=2\r\nloss=1", "loss@0=3|loss@1=2|loss@2=1"},
		{"backspaces", "loss", "loss=3\b\b\b\b\b\b\rloss=2", "loss@0=3|loss@1=2"},
		{"binary", "loss", "\x00\xff\xfeloss=\x001\n\x00loss=2\x00\nloss=3\xff", "loss@0=2|loss@1=3"},

		{"step words", "loss", "Epoch 3/10: loss=0.3\nepoch 4, loss=0.3\nEpoch [5/10], Step [100/600], loss: 0.1\nEpoch: [6][10/20] loss: 1\nSTEP #7 loss=1\nEpoch 00008: loss=1\nepoch=9/10 loss=1",
			"loss@3=0.3|loss@4=0.3|loss@100=0.1|loss@6=1|loss@7=1|loss@8=1|loss@9=1"},
		{"step order", "loss", "iteration=1 epoch=2 step=3 loss=1\niteration=1 epoch=2 loss=1\niter 5: loss: 1", "loss@3=1|loss@2=1|loss@5=1"},
		{"no steps", "loss", "epochs 3 loss=1\nstep took 5 loss=1\n5ms/step loss=1\nmax_epoch=7 loss=1\nstep 5ms loss=1\nepoch=-1 loss=1", "loss@0=1|loss@1=1|loss@2=1|loss@3=1|loss@4=1|loss@5=1"},
		{"counted goes on after a step", "loss", "step=5 loss=1\nloss=2\nstep=2 loss=3\nloss=4", "loss@5=1|loss@6=2|loss@2=3|loss@7=4"},
		{"same step again", "loss", "step=5 loss=1\nstep=5 loss=2", "loss@5=1|loss@5=2"},
		{"counted per metric", "a|b", "a=1\nb=1\na=2 b=2", "a@0=1|b@0=1|a@1=2|b@1=2"},
		{"brackets", "train-rmse|val-rmse", "[0]\ttrain-rmse:0.48\tval-rmse:0.52\n[10]\ttrain-rmse:0.4", "train-rmse@0=0.48|val-rmse@0=0.52|train-rmse@10=0.4"},
		{"lightgbm", "valid_0's l2|l2", "[10]\tvalid_0's l2: 0.24", "l2@10=0.24|valid_0's l2@10=0.24"},
		{"sklearn", "loss|score", "Iteration 1, loss = 2.30245\n[CV 1/5] END ....C=1, gamma=0.1;, score=0.950 total time=   0.1s", "loss@1=2.30245|score@0=0.95"},
		{"keras", "val_loss|loss", "Epoch 1/2\n\r\x1b[1m 1/32\x1b[0m \x1b[32m━\x1b[0m \x1b[1m3s\x1b[0m 100ms/step - accuracy: 0.1250 - loss: 2.5\r\x1b[1m32/32\x1b[0m \x1b[32m━━\x1b[0m \x1b[1m0s\x1b[0m 2ms/step - accuracy: 0.5 - loss: 1.5 - val_accuracy: 0.6 - val_loss: 1.25\n",
			"loss@0=2.5|loss@1=1.5|val_loss@0=1.25"},
		{"lightning", "val_loss", "Epoch 3: 100%|██████████| 938/938 [00:05<00:00, 170.33it/s, v_num=0, train_loss=0.012, val_loss=0.045]", "val_loss@3=0.045"},
		{"nanogpt", "val loss", "step 250: train loss 1.9, val loss: 2.1", "val loss@250=2.1"},
		{"tuner's own example", "error", "997 training, 400 validation and 400 test images\nepoch=1 error=0.0725 loss=0.9183\ntest_error=0.03", "error@1=0.0725"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(t, Config{Metrics: fields(tt.metrics), Others: -1}, tt.text)
			if diff := cmp.Diff(fields(tt.want), got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%q (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

func TestStepKey(t *testing.T) {
	text := "epoch=1 global_step=100 loss=3\nepoch=2 loss=2\n{\"loss\": 1, \"global_step\": 300}\nglobal_step 400 loss=0\nGlobal_Step=7 loss=-1"
	want := []string{"loss@100=3", "loss@2=2", "loss@300=1", "loss@400=0", "loss@401=-1"}
	if diff := cmp.Diff(want, read(t, Config{Metrics: []string{"loss"}, Step: "global_step", Others: -1}, text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRegex(t *testing.T) {
	for _, tt := range []struct {
		name    string
		metrics []string
		regex   string
		text    string
		want    []string
	}{
		{"first group", []string{"loss", "b"}, `val (\S+)`, "val 0.5, loss=9 b=2", []string{"b@0=2", "loss@0=0.5"}},
		{"named", []string{"loss", "acc"}, `round (?P<step>\d+): (?P<loss>\S+)/(?<acc>\S+)`, "round 7: 0.5/0.9", []string{"loss@7=0.5", "acc@7=0.9"}},
		{"step from the line", []string{"loss"}, `loss (\S+)`, "Epoch 3/10 loss 0.5%", []string{"loss@3=0.5"}},
		{"optional group", []string{"a", "b"}, `x(?:a(?P<a>\d))?(?:b(?P<b>\d))?`, "xa1\nxb2", []string{"a@0=1", "b@0=2"}},
		{"no number", []string{"loss"}, `loss (\S+)`, "loss is computed\nloss 2", []string{"loss@0=2"}},
		{"several on a line", []string{"loss"}, `loss (\S+)`, "loss 1 loss 2", []string{"loss@0=2"}},
		{"after ansi", []string{"loss"}, `^loss (\S+)$`, "\x1b[1mloss\x1b[0m 1", []string{"loss@0=1"}},
		{"without signs", []string{"loss"}, `^(\S+)$`, "3\r\n4", []string{"loss@0=3", "loss@1=4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(t, Config{Metrics: tt.metrics, Regex: []string{tt.regex}, Others: -1}, tt.text)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadConfig(t *testing.T) {
	loss := []string{"loss"}
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{Metrics: loss, Regex: []string{"("}}, `metric_regex: the metric regex "(" is wrong`},
		{Config{Metrics: loss, Regex: []string{`(?=a)(\d)`}}, "no look-around"},
		{Config{Metrics: loss, Regex: []string{`loss \S+`}}, `put the number in parentheses`},
		{Config{Metrics: loss, Regex: []string{`(?P<step>\d+) (\S+)`}}, "names a step but no metric"},
		{Config{Regex: []string{`loss (\S+)`}}, "does not say which metric"},
		{Config{MaxLine: -1}, "must not be negative"},
		{Config{Others: -2}, "must not be negative"},
	} {
		_, err := New(tt.cfg)
		if err == nil || !strings.Contains(err.Error(), tt.want) || types.CodeOf(err) != types.Invalid {
			t.Errorf("%+v: error %v, want %q", tt.cfg, err, tt.want)
		}
	}
}

func TestInfeasible(t *testing.T) {
	for _, tt := range []struct {
		text, reason string
		ok           bool
	}{
		{`{"tuner":"infeasible","reason":"no mem\u00f6ry"}`, "no memöry", true},
		{"12:00 {'tuner': 'infeasible', 'reason': 'it\\'s \"bad\"'}", `it's "bad"`, true},
		{`{"tuner":"infeasible"}`, "the program declared it infeasible without a reason", true},
		{"{\"tuner\":\"infeasible\",\"reason\":\"first\"}\n{\"tuner\":\"infeasible\",\"reason\":\"second\"}", "first", true},
		{`{"a":{"tuner":"infeasible"}}`, "", false},
		{`{"tuner":"infeasible"} it is not`, "", false},
		{`{"tuner":"fine","reason":"x"}`, "", false},
	} {
		for _, stream := range []string{"stdout", "stderr", "file"} {
			o, err := New(Config{FileOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			o.Write(stream, []byte(tt.text))
			if _, early := o.Infeasible(); early && !strings.Contains(tt.text, "\n") {
				t.Errorf("%s: a partial line declared it", tt.text)
			}
			o.Take(true)
			if reason, ok := o.Infeasible(); reason != tt.reason || ok != tt.ok {
				t.Errorf("%s: %q, %v", tt.text, reason, ok)
			}
		}
	}
}

func TestFileOnly(t *testing.T) {
	o, err := New(Config{Metrics: []string{"loss"}, FileOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	o.Write("stdout", []byte("loss=1\n"))
	o.Write("file", []byte("loss=2\n"))
	o.Write("stderr", []byte("loss=3\n"))
	reports, _ := o.Take(true)
	if diff := cmp.Diff([]string{"loss@0=2"}, texts(reports)); diff != "" {
		t.Error(diff)
	}
}

// TestTheProgramsOwnWord: marked lines count whatever metrics are read from, and no
// metric twice. A cursor between any two lines changes nothing.
func TestTheProgramsOwnWord(t *testing.T) {
	loss := []string{"loss"}
	regex := []string{`loss (\S+)`}
	for name, c := range map[string]struct {
		cfg   Config
		lines []string // stream, line
		want  []string
	}{
		"file": {Config{Metrics: loss, FileOnly: true},
			[]string{"stdout", `{"tuner":"trial","step":3,"loss":1}`, "file", "loss=2", "stdout", "loss=3", "stderr", `{"tuner":"trial","step":4,"loss":4}`, "file", "acc=5"},
			[]string{"loss@3=1", "loss@4=4", "acc@0=5"}},
		"file and tuner report": {Config{Metrics: loss, FileOnly: true},
			[]string{"stdout", `{"tuner":"report","step":3,"loss":1}`, "file", "loss=2"}, []string{"loss@3=1", "loss@4=2"}},
		"pattern": {Config{Metrics: loss, Regex: regex},
			[]string{"stdout", `{"tuner":"trial","step":3,"loss":1}`, "stdout", "loss 0.9", "stdout", `{"tuner":"trial","step":4,"loss":2,"acc":1}`, "stdout", "step=9 loss 2 acc=7"},
			[]string{"loss@3=1", "loss@4=2", "acc@4=1"}},
		"pattern and tuner report": {Config{Metrics: loss, Regex: regex},
			[]string{"stdout", `{"tuner":"report","step":3,"loss":1}`, "stdout", "loss 0.9"}, []string{"loss@3=1", "loss@4=0.9"}},
		"plain": {Config{Metrics: loss},
			[]string{"stdout", "loss=0", "stdout", `{"tuner":"trial","step":1,"loss":1}`, "stdout", "epoch=7 loss=1.25", "stdout", `{"step":2,"loss":3}`, "stdout", `{"tuner":"report","step":2,"loss":3}`},
			[]string{"loss@0=0", "loss@1=1"}},
		"without a mark": {Config{Metrics: loss},
			[]string{"stdout", `{"step":1,"loss":1}`, "stdout", "loss=2"}, []string{"loss@1=1", "loss@2=2"}},
		"its own step": {Config{Metrics: loss, Step: "round"},
			[]string{"stdout", `{"tuner":"trial","step":1,"loss":1,"round":8}`}, []string{"loss@1=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			cursor := ""
			for i := 0; i < len(c.lines); i += 2 {
				o, err := Restore(c.cfg, cursor)
				if err != nil {
					t.Fatal(err)
				}
				o.Write(c.lines[i], []byte(c.lines[i+1]+"\n"))
				var rs []types.Report
				rs, cursor = o.Take(false)
				got = append(got, texts(rs)...)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPartialLineWaits(t *testing.T) {
	o, err := New(Config{Metrics: []string{"loss"}})
	if err != nil {
		t.Fatal(err)
	}
	o.Write("stdout", []byte("loss=0.1"))
	if r, _ := o.Take(false); len(r) != 0 {
		t.Errorf("a partial line gave %v", texts(r))
	}
	o.Write("stderr", []byte("noise\n"))
	o.Write("stdout", []byte("25\nloss=3"))
	r, _ := o.Take(false)
	if diff := cmp.Diff([]string{"loss@0=0.125"}, texts(r)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int64{"stdout": 17, "stderr": 6}, o.Offsets()); diff != "" {
		t.Error(diff)
	}
	r, _ = o.Take(true)
	if diff := cmp.Diff([]string{"loss@1=3"}, texts(r)); diff != "" {
		t.Error(diff)
	}
	if r, _ = o.Take(true); len(r) != 0 {
		t.Errorf("the last line counted twice: %v", texts(r))
	}
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("x=1 ", 10<<20/4)
	for _, text := range []string{
		"loss=1\n" + long + "loss=9\nloss=2\n",
		"loss=1\n" + strings.Repeat("\x00", 10<<20) + "\nloss=2",
	} {
		o, err := New(Config{Metrics: []string{"loss"}})
		if err != nil {
			t.Fatal(err)
		}
		for rest := []byte(text); len(rest) > 0; {
			n := min(len(rest), 40_000)
			o.Write("stdout", rest[:n])
			rest = rest[n:]
			if held := cap(o.stream("stdout").partial); held > 3<<20 {
				t.Fatalf("%d bytes of a long line are held", held)
			}
		}
		reports, _ := o.Take(true)
		if diff := cmp.Diff([]string{"loss@0=1", "loss@1=2"}, texts(reports)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestDenseLines would take minutes if the work for a line grew with the square
// of its length.
func TestDenseLines(t *testing.T) {
	for _, unit := range []string{"a:", "=", ":", "a=1", "a=1 ", `"`, `a="`, `'a':`, "{", "[", "(", `{"a":`, `{"a":[`, "\x1b", "\x1b[", "\r", "1", "a", " ", "step", "{'a':1,"} {
		o, err := New(Config{Metrics: []string{"loss", "val loss"}})
		if err != nil {
			t.Fatal(err)
		}
		dense := strings.Repeat(unit, denseLine/len(unit))
		o.Write("stdout", []byte(dense+"}\nloss=1:"+dense+"\nloss=1 "+dense+"\nloss=2\n"))
		reports, _ := o.Take(true)
		if got := texts(reports); len(got) == 0 || !strings.HasSuffix(got[len(got)-1], "=2") {
			t.Errorf("lines full of %q: %d reports", unit, len(got))
		}
	}
	var names strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&names, "n%d=1 ", i)
	}
	o, err := New(Config{Metrics: []string{"loss"}, Others: -1})
	if err != nil {
		t.Fatal(err)
	}
	o.Write("stdout", []byte(names.String()+"loss=3\n"))
	reports, _ := o.Take(true)
	if diff := cmp.Diff([]string{"loss@0=3"}, texts(reports)); diff != "" {
		t.Error(diff)
	}
	if n := len(o.Seen()); n != maxSeen+1 {
		t.Errorf("%d names are kept", n)
	}
}

func TestOthers(t *testing.T) {
	text := "step=1 loss=1 acc=0.5 bad=nan\nstep=2 loss=nan acc=0.6 lr=0.1"
	got := read(t, Config{Metrics: []string{"loss"}}, text)
	if diff := cmp.Diff([]string{"loss@1=1", "acc@1=0.5", "loss@2=NaN", "acc@2=0.6", "lr@2=0.1"}, got); diff != "" {
		t.Error(diff)
	}
	got = read(t, Config{Metrics: []string{"loss"}, Others: 1}, text)
	if diff := cmp.Diff([]string{"loss@1=1", "acc@1=0.5", "loss@2=NaN", "acc@2=0.6"}, got); diff != "" {
		t.Error(diff)
	}
	if got = read(t, Config{}, text); len(got) != 4 {
		t.Errorf("without wanted metrics: %v", got)
	}
}

func TestOthersAreThinned(t *testing.T) {
	const n = 20_003
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "loss=%d other=%d\n", i, i)
	}
	o, err := New(Config{Metrics: []string{"loss"}})
	if err != nil {
		t.Fatal(err)
	}
	o.Write("stdout", []byte(b.String()))
	reports, _ := o.Take(false)
	wanted, others, last := 0, 0, types.Report{}
	for _, r := range reports {
		if r.Metric == "loss" {
			wanted++
		} else {
			others++
			last = r
		}
		if float64(r.Value) != float64(r.Step) {
			t.Fatalf("%+v", r)
		}
	}
	if wanted != n || others < 900 || others > 1300 || n-last.Step > 128 {
		t.Errorf("%d wanted, %d others, the last at %d", wanted, others, last.Step)
	}
	reports, _ = o.Take(true)
	if diff := cmp.Diff([]string{fmt.Sprintf("other@%d=%d", n-1, n-1)}, texts(reports)); diff != "" {
		t.Error(diff)
	}
}

func TestSeen(t *testing.T) {
	o, err := New(Config{Metrics: []string{"loss", "never"}, Others: 1})
	if err != nil {
		t.Fatal(err)
	}
	o.Write("stdout", []byte("epoch=1 val_loss=3\nval_loss=nan acc=1\nloss=2\n"))
	want := []Seen{{"loss", 1, 2}, {"val_loss", 2, math.NaN()}, {"acc", 1, 1}}
	if diff := cmp.Diff(want, o.Seen(), cmpopts.EquateNaNs()); diff != "" {
		t.Error(diff)
	}
}

func TestRestoreRefuses(t *testing.T) {
	for cursor, want := range map[string]string{
		"{":                                   "cannot be read",
		`{"v":9}`:                             "version 9",
		`{"v":1,"s":[{"n":"stdout","o":-1}]}`: "offset -1",
	} {
		if _, err := Restore(Config{}, cursor); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", cursor, err, want)
		}
	}
	if o, err := Restore(Config{}, ""); err != nil || len(o.Offsets()) != 0 {
		t.Errorf("an empty cursor: %v", err)
	}
}

// TestGuide reads the forms that the guide promises.
func TestGuide(t *testing.T) {
	page, err := os.ReadFile("../../docs/guide/process-contract.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Metrics\n")
	section, _, _ = strings.Cut(section, "\nDetails:\n")
	lines := 0
	for line := range strings.Lines(section) {
		text, example := strings.CutPrefix(line, "    ")
		if !example {
			continue
		}
		lines++
		// The remark begins after a wide gap.
		text, _, _ = strings.Cut(text, "    ")
		got := read(t, Config{Metrics: []string{"loss"}, Others: -1}, text)
		if len(got) != 1 || !strings.HasSuffix(got[0], "=0.31") {
			t.Errorf("%q gives %v", text, got)
		}
	}
	if lines != 5 {
		t.Errorf("the guide has %d forms", lines)
	}
}
