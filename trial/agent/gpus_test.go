//go:build linux || darwin

package agent_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/agent"
	processes "github.com/gotuner/tuner/trial/executor/local"
	"github.com/gotuner/tuner/trial/executor/procenv"
	"github.com/gotuner/tuner/trial/local"
)

func TestAdoptedTrialsKeepTheirGPUs(t *testing.T) {
	env, err := procenv.New(procenv.Config{Base: []string{"CUDA_VISIBLE_DEVICES=4,6,8"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		gpus  []string
		slots int
		used  []string // of the adopted
		want  []int
	}{
		"another order":        {[]string{"0", "1", "2"}, 3, []string{"8", "4", "6"}, []int{2, 0, 1}},
		"two on one":           {[]string{"0", "1", "2"}, 3, []string{"6", "6", "4"}, []int{1, 1, 0}},
		"fewer slots":          {[]string{"0", "1"}, 2, []string{"8", "6"}, []int{0, 1}},
		"fewer slots, reverse": {[]string{"0", "1"}, 2, []string{"6", "8", "8"}, []int{1, 0, 0}},
		"two slots a GPU":      {[]string{"0", "1"}, 4, []string{"6", "6", "4", "6"}, []int{1, 3, 0, 1}},
		"no GPU before":        {[]string{"0", "1"}, 2, []string{"", "", "6"}, []int{0, 0, 1}},
		"no GPU now":           {nil, 2, []string{"6", "6", "6"}, []int{0, 1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &agent.Processes{Env: env, GPUs: c.gpus, Root: t.TempDir()}
			var adopted []types.Adopted
			for i, u := range c.used {
				a := types.Adopted{Lease: types.Lease{Ref: types.AttemptRef{Trial: int64(i), Attempt: 1}}, Dir: filepath.Join(p.Root, strconv.Itoa(i), "1")}
				if err := os.MkdirAll(a.Dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if u != "" {
					if err := os.WriteFile(filepath.Join(a.Dir, "gpu"), []byte(u+"\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				adopted = append(adopted, a)
			}
			if d := cmp.Diff(c.want, p.Place(adopted, c.slots)); d != "" {
				t.Error(d)
			}
		})
	}
}

// An index counts within CUDA_VISIBLE_DEVICES of the caller, once.
func TestGPUOfAProcess(t *testing.T) {
	t.Parallel()
	s := openShop(t, "echo loss=$CUDA_VISIBLE_DEVICES")
	w, err := s.local.Worker(s.local.Engine, s.study, local.Processes{GPUs: []string{"1"},
		Environ: append(os.Environ(), "CUDA_VISIBLE_DEVICES=4,6"), Supervisor: []string{os.Args[0], processes.SuperviseCommand}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Run(context.Background()); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	tr := s.trial()
	if s.curve() != "0:6" {
		t.Errorf("the trial is %s (%s), its reports are %q, want GPU 6", tr.State, tr.Reason, s.curve())
	}
	if b, err := os.ReadFile(filepath.Join(tr.Attempts[0].Dir, "gpu")); err != nil || string(b) != "6\n" {
		t.Errorf("the attempt's note says %q, %v", b, err)
	}
}
