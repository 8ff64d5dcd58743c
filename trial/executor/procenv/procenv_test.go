package procenv

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
)

func mustNew(t *testing.T, c Config) *Env {
	t.Helper()
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustFor(t *testing.T, e *Env, tr Trial, gpu string) []string {
	t.Helper()
	env, err := e.For(tr, gpu)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func sample() Trial {
	return Trial{
		Project: "default", Study: "digits", Number: 12, Attempt: 2,
		Dir: "/d/12", ParamsFile: "/d/12/params.json", CheckpointDir: "/d/12/checkpoint/2",
		ResumeFrom: "/d/12/checkpoint/1", Seed: 99, Budget: 27,
		Texts: map[string]string{"weight-decay": "0.1", "lr": "1e-3"},
	}
}

func TestWholeEnvironment(t *testing.T) {
	e := mustNew(t, Config{
		Base:  []string{"HOME=/h", "TUNER_TRIAL=7", "TUNER_PARAM_OLD=1", "A=1", "EMPTY="},
		Extra: []string{"A=2", "B=x=y"},
		URL:   "http://localhost:1", Pin: "sha256:aa",
	})
	want := []string{
		"HOME=/h", "A=2", "EMPTY=", "B=x=y", "PYTHONUNBUFFERED=1",
		"TUNER_URL=http://localhost:1", "TUNER_PIN=sha256:aa",
		"TUNER_PROJECT=default", "TUNER_STUDY=digits", "TUNER_TRIAL=12", "TUNER_ATTEMPT=2",
		"TUNER_TRIAL_DIR=/d/12", "TUNER_PARAMS_FILE=/d/12/params.json", "TUNER_SEED=99",
		"TUNER_CHECKPOINT_DIR=/d/12/checkpoint/2", "TUNER_TOKEN_FILE=/d/12/2/token", "TUNER_OBJECTIVE=loss", "TUNER_BUDGET=27",
		"TUNER_RESUME_FROM=/d/12/checkpoint/1",
		"TUNER_PARAM_LR=1e-3", "TUNER_PARAM_WEIGHT_DECAY=0.1",
	}
	tr := sample()
	tr.TokenFile, tr.Objective = "/d/12/2/token", "loss"
	if d := cmp.Diff(want, mustFor(t, e, tr, "")); d != "" {
		t.Errorf("environment (-want +got):\n%s", d)
	}
}

func TestAbsentFactsAreUnset(t *testing.T) {
	e := mustNew(t, Config{})
	tr := sample()
	tr.Budget, tr.ResumeFrom = 0, ""
	for _, pair := range mustFor(t, e, tr, "") {
		for _, key := range []string{"TUNER_BUDGET", "TUNER_OBJECTIVE", "TUNER_RESUME_FROM", "TUNER_URL", "TUNER_TOKEN_FILE", "TUNER_PIN"} {
			if strings.HasPrefix(pair, key+"=") {
				t.Errorf("%s is set", pair)
			}
		}
	}
}

func TestPythonUnbufferedIsTheUsers(t *testing.T) {
	for _, c := range []Config{{Base: []string{"PYTHONUNBUFFERED="}}, {Extra: []string{"PYTHONUNBUFFERED="}}} {
		env := mustFor(t, mustNew(t, c), sample(), "")
		if !slices.Contains(env, "PYTHONUNBUFFERED=") || slices.Contains(env, "PYTHONUNBUFFERED=1") {
			t.Errorf("%v: %v", c, env)
		}
	}
}

func TestLastOfDoubleBaseWins(t *testing.T) {
	env := mustFor(t, mustNew(t, Config{Base: []string{"A=1", "B=1", "A=2"}}), sample(), "")
	if d := cmp.Diff([]string{"A=2", "B=1"}, env[:2]); d != "" {
		t.Error(d)
	}
}

func TestResultBelongsToTheCaller(t *testing.T) {
	e := mustNew(t, Config{Base: []string{"A=1"}})
	first := mustFor(t, e, sample(), "")
	first[0] = "broken"
	if second := mustFor(t, e, sample(), ""); second[0] != "A=1" {
		t.Errorf("changed by the caller of For: %v", second[0])
	}
}

func TestBudgetText(t *testing.T) {
	for budget, want := range map[float64]string{0: "", 3: "3", 0.5: "0.5", 1e21: "1000000000000000000000"} {
		tr := Trial{Budget: budget}
		if got := tr.BudgetText(); got != want {
			t.Errorf("BudgetText(%v) = %q, want %q", budget, got, want)
		}
	}
}

func TestParamVar(t *testing.T) {
	for name, want := range map[string]string{
		"lr": "TUNER_PARAM_LR", "weight-decay": "TUNER_PARAM_WEIGHT_DECAY",
		"model.layers.2": "TUNER_PARAM_MODEL_LAYERS_2", "größe": "TUNER_PARAM_GR__E", "A": "TUNER_PARAM_A",
	} {
		if got := ParamVar(name); got != want {
			t.Errorf("ParamVar(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestGPUSlots(t *testing.T) {
	for _, tt := range []struct {
		name    string
		base    []string
		gpu     string
		want    string // "" : refused
		visible bool
	}{
		{"no list: as it is", nil, "3", "3", true},
		{"no list: a name", nil, "GPU-8932f937", "GPU-8932f937", true},
		{"index within the list", []string{"CUDA_VISIBLE_DEVICES=4,6"}, "1", "6", true},
		{"index within names", []string{"CUDA_VISIBLE_DEVICES=GPU-a, GPU-b"}, "1", "GPU-b", true},
		{"a name of the list", []string{"CUDA_VISIBLE_DEVICES=GPU-a,GPU-b"}, "GPU-b", "GPU-b", true},
		{"beyond the list", []string{"CUDA_VISIBLE_DEVICES=4,6"}, "2", "", false},
		{"a name not in the list", []string{"CUDA_VISIBLE_DEVICES=4"}, "GPU-b", "", false},
		{"all hidden", []string{"CUDA_VISIBLE_DEVICES="}, "0", "", false},
		{"cut at the first invalid", []string{"CUDA_VISIBLE_DEVICES=0,-1,2"}, "1", "", false},
		{"no list in a slot", nil, "0,1", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := mustNew(t, Config{Base: tt.base})
			env, err := e.For(sample(), tt.gpu)
			if (err == nil) != tt.visible {
				t.Fatalf("error %v, want accepted %v", err, tt.visible)
			}
			if err != nil {
				if types.CodeOf(err) != types.Invalid || !strings.Contains(err.Error(), tt.gpu) {
					t.Errorf("error %v does not name the slot", err)
				}
				return
			}
			n := 0
			for _, pair := range env {
				if v, ok := strings.CutPrefix(pair, "CUDA_VISIBLE_DEVICES="); ok {
					n++
					if v != tt.want {
						t.Errorf("device %q, want %q", v, tt.want)
					}
				}
			}
			if n != 1 {
				t.Errorf("%d settings of CUDA_VISIBLE_DEVICES", n)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	newErr := func(c Config) func() error {
		return func() error { _, err := New(c); return err }
	}
	for _, tt := range []struct {
		name string
		do   func() error
		want string
	}{
		{"no =", newErr(Config{Extra: []string{"FOO"}}), `env: "FOO" has no =; write NAME=VALUE`},
		{"no name", newErr(Config{Extra: []string{"=x"}}), `env: "=x" has no name before the =; write NAME=VALUE`},
		{"NUL", newErr(Config{Extra: []string{"A=\x00"}}), `env: "A=\x00" has a NUL byte, which no environment can hold; write NAME=VALUE`},
		{"reserved", newErr(Config{Extra: []string{"TUNER_SEED=1"}}), `env: TUNER_SEED is set by tuner itself; use a name that does not begin with TUNER_`},
		{"twice", newErr(Config{Extra: []string{"A=1", "A=2"}}), `env: A is given twice; give it once`},
		{"colliding", func() error { return CheckNames([]string{"a.b", "x", "a-b"}) },
			`a-b: parameters "a.b" and "a-b" would both be the environment variable TUNER_PARAM_A_B; rename one of them`},
		{"GPU twice", func() error {
			_, err := mustNew(t, Config{}).Devices([]string{"0", "0"})
			return err
		}, `gpus: GPU "0" is given twice; give each GPU once; -j sets how many trials run at once`},
		{"GPU and env", func() error {
			_, err := mustNew(t, Config{Extra: []string{"CUDA_VISIBLE_DEVICES=1"}}).Devices([]string{"0"})
			return err
		}, `gpus: --env sets CUDA_VISIBLE_DEVICES, and --gpus would set it again; give one of the two`},
		{"GPU outside", func() error {
			_, err := mustNew(t, Config{Base: []string{"CUDA_VISIBLE_DEVICES=4,6"}}).Devices([]string{"0", "2"})
			return err
		}, `gpus: GPU "2" is not among the 2 of CUDA_VISIBLE_DEVICES=4,6; give indices from 0 to 1, or change CUDA_VISIBLE_DEVICES`},
		{"GPU without a name", func() error {
			_, err := mustNew(t, Config{}).Devices([]string{"0", ""})
			return err
		}, `gpus: "" is no GPU; write their indices or names, as in 0,1`},
		{"NUL in a value", func() error {
			_, err := mustNew(t, Config{}).For(Trial{Texts: map[string]string{"a": "x\x00"}}, "")
			return err
		}, `the value of TUNER_PARAM_A has a NUL byte, which no environment can hold; take the NUL byte out of the value`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.do()
			if err == nil {
				t.Fatal("accepted")
			}
			if err.Error() != tt.want {
				t.Errorf("error\n %s, want\n %s", err, tt.want)
			}
			if types.CodeOf(err) != types.Invalid {
				t.Errorf("code %s", types.CodeOf(err))
			}
		})
	}
}
