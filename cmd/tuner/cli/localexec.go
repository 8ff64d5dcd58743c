package cli

import (
	"context"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/trial/local"
)

// localExecFlags say whether a server runs trials itself.
type localExecFlags struct {
	allow bool
	jobs  int
	env   []string
}

func (f *localExecFlags) register(fs *pflag.FlagSet) {
	fs.BoolVar(&f.allow, "allow-local-exec", false, "run the commands of studies on this machine: whoever may make studies decides what runs")
	fs.IntVarP(&f.jobs, "jobs", "j", 1, "with --allow-local-exec: trials at once, of all studies together")
	fs.StringSliceVar(&f.env, "exec-env", nil, "with --allow-local-exec: variables of the server's environment that trials get, such as HF_HOME or CUDA_*")
}

func (f *localExecFlags) check(fs *pflag.FlagSet) error {
	for _, name := range []string{"jobs", "exec-env"} {
		if fs.Changed(name) && !f.allow {
			return usagef("a server runs no trials").WithField("--" + name).WithRemedy("add --allow-local-exec, if it is to run what the studies say")
		}
	}
	if f.jobs < 1 {
		return usagef("%d trials at once make no sense", f.jobs).WithField("--jobs (-j)")
	}
	for _, name := range f.env {
		if name == "" || strings.ContainsAny(name, "= ") || strings.Contains(strings.TrimSuffix(name, "*"), "*") {
			return usagef("%q is no name of a variable", name).WithField("--exec-env").WithRemedy("write it as in --exec-env HF_HOME,CUDA_*")
		}
	}
	return nil
}

// host is what runs the trials; nil if nothing may.
func (f *localExecFlags) host(st *State, db *dbFlags, home *local.Local) *local.Host {
	if !f.allow {
		return nil
	}
	return home.NewHost(local.ExecConfig{Slots: f.jobs, Environ: local.AllowEnv(st.Environ, f.env),
		Supervisor: []string{st.Executable, superviseCommand}, Logger: db.logger()})
}

// running runs the trials of a host, if there is one, until stop is called, which
// leaves those that run to their supervisors.
func running(ctx context.Context, h *local.Host) (stop func()) {
	if h == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Run(ctx)
	}()
	return func() { cancel(); <-done }
}
