package peers

import (
	"context"
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/runner"
)

// embedded are the drivers and the pinned versions.
//
//go:embed *.py requirements-*.txt
var embedded embed.FS

// Config says where the tuners are.
type Config struct {
	// Dir is the folder that install.sh filled; "" is $TUNER_PEERS, else
	// tuner-peers in $XDG_CACHE_HOME or ~/.cache.
	Dir string
}

func (c Config) dir() string {
	if c.Dir != "" {
		return c.Dir
	}
	if dir := os.Getenv("TUNER_PEERS"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "tuner-peers")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "tuner-peers"
	}
	return filepath.Join(home, ".cache", "tuner-peers")
}

// peer is a tuner with a driver.
type peer struct {
	name string
	// driver is its file with arguments.
	driver []string
	// venv is the virtual environment, which requirements-VENV.txt fills.
	venv string
	// pkg is the package whose pinned version is the tuner's.
	pkg string
	doc string
	// revision counts the changes of the driver after which its results differ,
	// from 0.
	revision int
}

// peers are the contenders. Their drivers say what their settings are; all are
// the tuners' own defaults unless the name says otherwise.
var peers = []peer{
	{name: "optuna-tpe", driver: []string{"driver_optuna.py", "tpe"}, venv: "core", pkg: "optuna", doc: "Optuna's default sampler"},
	{name: "optuna-gp", driver: []string{"driver_optuna.py", "gp"}, venv: "core", pkg: "optuna", doc: "Optuna's Gaussian process"},
	{name: "optuna-cmaes", driver: []string{"driver_optuna.py", "cmaes"}, venv: "core", pkg: "optuna", doc: "Optuna's CMA-ES"},
	{name: "optuna-auto", driver: []string{"driver_optuna.py", "auto"}, venv: "core", pkg: "optuna", doc: "the rule of OptunaHub's AutoSampler"},
	{name: "optuna-random", driver: []string{"driver_optuna.py", "random"}, venv: "core", pkg: "optuna", doc: "Optuna's random sampler"},
	{name: "optuna-tpe+none", driver: []string{"driver_optuna.py", "tpe"}, venv: "core", pkg: "optuna", doc: "Optuna's default sampler on learning curves"},
	{name: "optuna-tpe+median", driver: []string{"driver_optuna.py", "tpe", "median"}, venv: "core", pkg: "optuna", doc: "the same with its MedianPruner"},
	{name: "optuna-tpe+halving", driver: []string{"driver_optuna.py", "tpe", "halving"}, venv: "core", pkg: "optuna", doc: "the same with its SuccessiveHalvingPruner"},
	{name: "optuna-tpe+hyperband", driver: []string{"driver_optuna.py", "tpe", "hyperband"}, venv: "core", pkg: "optuna", doc: "the same with its HyperbandPruner"},
	{name: "cmaes-ipop", driver: []string{"driver_cmaes.py", "ipop"}, venv: "core", pkg: "cmaes", doc: "the cmaes package, populations doubled at restarts"},
	{name: "cmaes-bipop", driver: []string{"driver_cmaes.py", "bipop"}, venv: "core", pkg: "cmaes", doc: "the cmaes package, large and small populations in turn"},
	{name: "hyperopt-tpe", driver: []string{"driver_hyperopt.py", "tpe"}, venv: "core", pkg: "hyperopt", doc: "Hyperopt's TPE"},
	{name: "nevergrad", driver: []string{"driver_nevergrad.py", "NGOpt"}, venv: "nevergrad", pkg: "nevergrad", doc: "Nevergrad's choice of its own, NGOpt"},
	{name: "rustuna-tpe", driver: []string{"driver_rustuna.py", "tpe"}, venv: "core", pkg: "rustuna", doc: "Rustuna's TPE"},
	{name: "rustuna-cmaes", driver: []string{"driver_rustuna.py", "cmaes"}, venv: "core", pkg: "rustuna", doc: "Rustuna's CMA-ES"},
	{name: "ax", driver: []string{"driver_ax.py"}, venv: "core", pkg: "ax-platform", doc: "Ax's default strategy (Sobol, then a Gaussian process)"},
	{name: "smac", driver: []string{"driver_smac.py", "hpo"}, venv: "smac", pkg: "smac", doc: "SMAC3's facade for hyperparameters (random forest)"},
	{name: "smac-bb", driver: []string{"driver_smac.py", "bb"}, venv: "smac", pkg: "smac", doc: "SMAC3's facade for black boxes (Gaussian process)"},
	{name: "hebo", driver: []string{"driver_hebo.py"}, venv: "hebo", pkg: "HEBO", doc: "HEBO's default (warped Gaussian process)"},
}

// Contenders lists the peers, installed or not: Check says what is missing. The
// children of a contender that are idle stay until its Close; it can be used
// again afterwards.
func Contenders(config Config) []runner.Contender {
	out := make([]runner.Contender, len(peers))
	for i, p := range peers {
		python := filepath.Join(config.dir(), p.venv, "bin", "python")
		pool := &pool{peer: p, python: python, version: pinned(p)}
		out[i] = pool.contender()
	}
	return out
}

// pinned is the version in the requirements.
func pinned(p peer) string {
	list, err := embedded.ReadFile("requirements-" + p.venv + ".txt")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(list)) {
		if name, version, ok := strings.Cut(strings.TrimSpace(line), "=="); ok && strings.EqualFold(name, p.pkg) {
			return version
		}
	}
	return ""
}

// pool has the children of one peer. It is safe for concurrent use.
type pool struct {
	peer    peer
	python  string
	version string

	mu   sync.Mutex
	idle []*child
	dir  string // has the drivers; "" before the first child
}

func (p *pool) contender() runner.Contender {
	c := runner.Contender{
		Name: p.peer.name, Version: p.version, Doc: p.peer.doc, Peer: true,
		Check: p.check, Open: p.open, Close: p.close, Curves: runner.HasStopper(p.peer.name),
	}
	if p.peer.revision > 0 {
		c.Version += "+driver" + strconv.Itoa(p.peer.revision)
	}
	return c
}

// check looks whether the tuner is installed.
func (p *pool) check(context.Context) error {
	if _, err := os.Stat(p.python); err != nil {
		return types.Errorf(types.NotFound, "%s is not installed: %w", p.peer.name, err).
			WithRemedy("run benchmarks/peers/install.sh, or name its folder by TUNER_PEERS")
	}
	return nil
}

// open starts a study in an idle child, or in a new one.
func (p *pool) open(ctx context.Context, study runner.Study) (runner.Searcher, error) {
	c, err := p.take()
	if err != nil {
		return nil, err
	}
	s, version, err := open(ctx, c, study, p.give)
	if err != nil {
		return nil, err
	}
	if p.version != "" && version != p.version {
		_ = s.Close() // the version is what matters
		return nil, types.Errorf(types.Conflict, "%s is installed in version %s, and the harness compares with %s", p.peer.name, version, p.version).
			WithRemedy("run benchmarks/peers/install.sh again")
	}
	return s, nil
}

func (p *pool) take() (*child, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return c, nil
	}
	if err := p.check(context.Background()); err != nil {
		return nil, err
	}
	if p.dir == "" {
		dir, err := unpack()
		if err != nil {
			return nil, err
		}
		p.dir = dir
	}
	command := slices.Clone(p.peer.driver)
	command[0] = filepath.Join(p.dir, command[0])
	return start(p.peer.name, append([]string{p.python}, command...), environment())
}

// give takes a child back. One that is broken is ended.
func (p *pool) give(c *child) error {
	if c.broken {
		return c.retire()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
	return nil
}

// close ends the idle children and removes the drivers.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var first error
	for _, c := range p.idle {
		if err := c.retire(); err != nil && first == nil {
			first = err
		}
	}
	p.idle = nil
	if p.dir != "" {
		if err := os.RemoveAll(p.dir); err != nil && first == nil {
			first = err
		}
		p.dir = ""
	}
	return first
}

// unpack writes the drivers to a new folder.
func unpack() (string, error) {
	dir, err := os.MkdirTemp("", "tuner-peers-")
	if err != nil {
		return "", err
	}
	files, err := fs.Glob(embedded, "*.py")
	for _, name := range files {
		var text []byte
		if text, err = embedded.ReadFile(name); err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			break
		}
	}
	if err != nil {
		_ = os.RemoveAll(dir) // the first error counts
		return "", err
	}
	return dir, nil
}

// environment is that of this process with one thread for each library, no
// accelerator, and nothing that makes runs differ.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PYTHON")
	})
	return append(env,
		"OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1", "NUMEXPR_NUM_THREADS=1",
		"VECLIB_MAXIMUM_THREADS=1", "NUMBA_NUM_THREADS=1", "CUDA_VISIBLE_DEVICES=",
		"PYTHONHASHSEED=0", "PYTHONDONTWRITEBYTECODE=1", "PYTHONNOUSERSITE=1", "PYTHONUTF8=1",
	)
}
