// Package procenv builds the environment of a trial's process: the caller's
// own, the user's additions, and the TUNER_ variables that tell the process
// what it runs (docs/guide/process-contract.md).
//
// It is pure: it reads no environment and no files.
package procenv

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// Trial is what a process is told about the attempt that it is.
type Trial struct {
	Project string
	Study   string
	Number  int64
	Attempt int
	// Dir is the trial's directory, ParamsFile the file in it that holds the
	// parameters as JSON.
	Dir        string
	ParamsFile string
	// CheckpointDir is where this attempt may write checkpoints; ResumeFrom is
	// the last sealed one of an earlier attempt, "" if there is none.
	CheckpointDir string
	ResumeFrom    string
	Seed          int64
	// Budget is what the trial may spend, in the study's own unit; 0 means that
	// the study gives its trials no budget.
	Budget float64
	// Objective is the metric that the study optimises first; "" is not told.
	Objective string
	// Texts holds the text of each active parameter by name.
	Texts map[string]string
	// TokenFile holds the token with which the process can call the server; ""
	// without a server.
	TokenFile string
}

// BudgetText is the budget as a process sees it: a plain decimal, without a
// point if it is a whole number (so that it can count epochs), "" for none.
func (t *Trial) BudgetText() string {
	if t.Budget == 0 {
		return ""
	}
	return strconv.FormatFloat(t.Budget, 'f', -1, 64)
}

// Config is what the environments of one study's processes have in common.
type Config struct {
	// Base is the caller's environment as KEY=VALUE. Its TUNER_ variables are
	// not passed on, so that a sweep inside a trial is not taken for the trial.
	Base []string
	// Extra are the user's additions (--env) as KEY=VALUE. They replace
	// variables of Base.
	Extra []string
	// URL tells a process where its server is, "" for none, and Pin how to know it
	// (client.Config.Pin).
	URL string
	Pin string
}

// Env builds environments. It is immutable and safe for concurrent use.
type Env struct {
	base    []variable
	devices []string // of CUDA_VISIBLE_DEVICES in Base; nil if it is not set
	server  []string
	fixed   bool // Extra sets CUDA_VISIBLE_DEVICES
}

type variable struct{ key, pair string }

const (
	prefix      = "TUNER_"
	paramPrefix = "TUNER_PARAM_"
	cuda        = "CUDA_VISIBLE_DEVICES"
	unbuffered  = "PYTHONUNBUFFERED"
)

// New checks c and prepares what all its environments share.
func New(c Config) (*Env, error) {
	extra, err := parseExtra(c.Extra)
	if err != nil {
		return nil, err
	}
	e := &Env{}
	// A later entry wins, as it does in os/exec; it keeps the earlier's place.
	at := map[string]int{}
	set := func(key, pair string) {
		if i, ok := at[key]; ok {
			e.base[i].pair = pair
			return
		}
		at[key] = len(e.base)
		e.base = append(e.base, variable{key, pair})
	}
	for _, pair := range c.Base {
		key, value, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(key, prefix) {
			continue
		}
		if key == cuda {
			e.devices = splitDevices(value)
		}
		set(key, pair)
	}
	for _, v := range extra {
		e.fixed = e.fixed || v.key == cuda
		set(v.key, v.pair)
	}
	if _, ok := at[unbuffered]; !ok {
		set(unbuffered, unbuffered+"=1")
	}
	for _, v := range []variable{{"TUNER_URL", c.URL}, {"TUNER_PIN", c.Pin}} {
		if v.pair != "" {
			e.server = append(e.server, v.key+"="+v.pair)
		}
	}
	return e, nil
}

// For returns the environment of one attempt. gpu is the attempt's GPU slot, an
// index or a device name from --gpus; "" leaves the devices as they are. The
// result belongs to the caller.
func (e *Env) For(t Trial, gpu string) ([]string, error) {
	device := ""
	if gpu != "" {
		resolved, err := e.Devices([]string{gpu})
		if err != nil {
			return nil, err
		}
		device = resolved[0]
	}
	names := slices.Sorted(maps.Keys(t.Texts))
	if err := CheckNames(names); err != nil {
		return nil, err
	}
	out := make([]string, 0, len(e.base)+len(e.server)+len(names)+12)
	for _, v := range e.base {
		if device != "" && v.key == cuda {
			continue
		}
		out = append(out, v.pair)
	}
	if device != "" {
		out = append(out, cuda+"="+device)
	}
	out = append(out, e.server...)
	out = append(out,
		"TUNER_PROJECT="+t.Project,
		"TUNER_STUDY="+t.Study,
		"TUNER_TRIAL="+strconv.FormatInt(t.Number, 10),
		"TUNER_ATTEMPT="+strconv.Itoa(t.Attempt),
		"TUNER_TRIAL_DIR="+t.Dir,
		"TUNER_PARAMS_FILE="+t.ParamsFile,
		"TUNER_SEED="+strconv.FormatInt(t.Seed, 10),
		"TUNER_CHECKPOINT_DIR="+t.CheckpointDir,
	)
	if t.TokenFile != "" {
		out = append(out, "TUNER_TOKEN_FILE="+t.TokenFile)
	}
	if t.Objective != "" {
		out = append(out, "TUNER_OBJECTIVE="+t.Objective)
	}
	if b := t.BudgetText(); b != "" {
		out = append(out, "TUNER_BUDGET="+b)
	}
	if t.ResumeFrom != "" {
		out = append(out, "TUNER_RESUME_FROM="+t.ResumeFrom)
	}
	for _, name := range names {
		out = append(out, ParamVar(name)+"="+t.Texts[name])
	}
	return out, checkNUL(out)
}

// Devices turns the GPU slots of --gpus into device names. Without a
// CUDA_VISIBLE_DEVICES in the caller's environment they stay as they are; with
// one, an index counts within it, as it does for every CUDA program, and a name
// must be in it. Call it once before anything runs: it reports every slot that
// is not there.
func (e *Env) Devices(gpus []string) ([]string, error) {
	if e.fixed && len(gpus) > 0 {
		return nil, types.Errorf(types.Invalid, "--env sets %s, and --gpus would set it again", cuda).
			WithField("gpus").WithRemedy("give one of the two")
	}
	out := make([]string, 0, len(gpus))
	for _, g := range gpus {
		device, ok := e.device(g)
		if !ok && !wellFormed(g) {
			return nil, types.Errorf(types.Invalid, "%q is no GPU", g).WithField("gpus").
				WithRemedy("write their indices or names, as in 0,1")
		}
		if !ok {
			return nil, types.Errorf(types.Invalid, "GPU %q is not among the %d of %s=%s",
				g, len(e.devices), cuda, strings.Join(e.devices, ",")).WithField("gpus").
				WithRemedy("give indices from 0 to %d, or change %s", max(len(e.devices)-1, 0), cuda)
		}
		if slices.Contains(out, device) {
			return nil, types.Errorf(types.Invalid, "GPU %q is given twice", g).WithField("gpus").
				WithRemedy("give each GPU once; -j sets how many trials run at once")
		}
		out = append(out, device)
	}
	return out, nil
}

func (e *Env) device(gpu string) (string, bool) {
	if !wellFormed(gpu) {
		return "", false
	}
	if e.devices == nil {
		return gpu, true
	}
	if i, err := strconv.Atoi(gpu); err == nil {
		if i < 0 || i >= len(e.devices) {
			return "", false
		}
		return e.devices[i], true
	}
	return gpu, slices.Contains(e.devices, gpu)
}

func wellFormed(gpu string) bool {
	return strings.TrimSpace(gpu) != "" && !strings.ContainsAny(gpu, ",\x00")
}

// splitDevices reads CUDA_VISIBLE_DEVICES. CUDA ignores everything from the
// first invalid entry on (CUDA C++ Programming Guide, "CUDA Environment
// Variables"); "-1" and "" hide all devices.
func splitDevices(value string) []string {
	out := []string{}
	for d := range strings.SplitSeq(value, ",") {
		d = strings.TrimSpace(d)
		if d == "" || strings.HasPrefix(d, "-") {
			break
		}
		out = append(out, d)
	}
	return out
}

// ParamVar is the name of the variable that holds a parameter: TUNER_PARAM_
// and the name in upper case, everything but ASCII letters and digits as "_".
func ParamVar(name string) string {
	mangled := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
	return paramPrefix + mangled
}

// CheckNames refuses parameters whose variables would have the same name. Call
// it once before anything runs.
func CheckNames(names []string) error {
	by := make(map[string]string, len(names))
	for _, name := range names {
		v := ParamVar(name)
		if other, ok := by[v]; ok && other != name {
			return types.Errorf(types.Invalid, "parameters %q and %q would both be the environment variable %s", other, name, v).
				WithField(name).WithRemedy("rename one of them")
		}
		by[v] = name
	}
	return nil
}

// parseExtra checks the KEY=VALUE list of --env.
func parseExtra(extra []string) ([]variable, error) {
	out := make([]variable, 0, len(extra))
	seen := map[string]bool{}
	for _, pair := range extra {
		key, _, ok := strings.Cut(pair, "=")
		fault := ""
		switch {
		case !ok:
			fault = "has no ="
		case key == "" || strings.ContainsAny(key, " \t\n"):
			fault = "has no name before the ="
		case strings.ContainsRune(pair, 0):
			fault = "has a NUL byte, which no environment can hold"
		case strings.HasPrefix(key, prefix):
			return nil, types.Errorf(types.Invalid, "%s is set by tuner itself", key).WithField("env").
				WithRemedy("use a name that does not begin with %s", prefix)
		case seen[key]:
			return nil, types.Errorf(types.Invalid, "%s is given twice", key).WithField("env").
				WithRemedy("give it once")
		}
		if fault != "" {
			return nil, types.Errorf(types.Invalid, "%q %s", pair, fault).WithField("env").
				WithRemedy("write NAME=VALUE")
		}
		seen[key] = true
		out = append(out, variable{key, pair})
	}
	return out, nil
}

// checkNUL finds the variable that no process can be given.
func checkNUL(env []string) error {
	for _, pair := range env {
		if strings.ContainsRune(pair, 0) {
			key, _, _ := strings.Cut(pair, "=")
			return types.Errorf(types.Invalid, "the value of %s has a NUL byte, which no environment can hold", key).
				WithRemedy("take the NUL byte out of the value")
		}
	}
	return nil
}
