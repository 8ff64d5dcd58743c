package agent

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// gpuFile in an attempt's directory names the device that it was given.
const gpuFile = "gpu"

// gpu is the GPU of a slot as --gpus names it, "" for none.
func (p *Processes) gpu(slot int) string {
	if len(p.GPUs) == 0 {
		return ""
	}
	return p.GPUs[slot%len(p.GPUs)]
}

// device is the device of a slot, "" for none.
func (p *Processes) device(slot int) (string, error) {
	g := p.gpu(slot)
	if g == "" {
		return "", nil
	}
	ds, err := p.Env.Devices([]string{g})
	if err != nil {
		return "", err
	}
	return ds[0], nil
}

// noteGPU keeps the device of an attempt for whoever adopts it.
func (p *Processes) noteGPU(attemptDir string, slot int) error {
	d, err := p.device(slot)
	if err != nil || d == "" {
		return err
	}
	return writeFile(filepath.Join(attemptDir, gpuFile), []byte(d+"\n"))
}

// Place gives each adopted attempt the slot of the GPU that it runs on, so that
// no new trial gets that GPU while it runs. One whose GPU no slot has, or that
// has none, goes where the fewest are.
func (p *Processes) Place(adopted []types.Adopted, slots int) []int {
	places, load := make([]int, len(adopted)), make([]int, slots)
	put := func(i int, fits func(slot int) bool) bool {
		best := -1
		for s := range slots {
			if fits(s) && (best < 0 || load[s] < load[best]) {
				best = s
			}
		}
		if places[i] = best; best >= 0 {
			load[best]++
		}
		return best >= 0
	}
	var others []int
	for i, a := range adopted {
		// A file that cannot be read leaves what is the case without GPUs.
		b, _ := os.ReadFile(filepath.Join(p.attemptDir(a.Lease.Ref), gpuFile))
		used := strings.TrimSpace(string(b))
		if used == "" || !put(i, func(s int) bool { d, err := p.device(s); return err == nil && d == used }) {
			others = append(others, i)
		}
	}
	for _, i := range others {
		put(i, func(int) bool { return true })
	}
	return places
}
