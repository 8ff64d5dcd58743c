package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli/sweepfile"
	"github.com/gotuner/tuner/suggest/space"
)

// workerFlags are the flags of tuner worker.
type workerFlags struct {
	jobs  int
	gpus  []string
	trust bool
	view  sweepFlags // how it shows what happens
}

func workerCommand(st *State, db *dbFlags) *cobra.Command {
	var f workerFlags
	c := &cobra.Command{
		Use:   "worker STUDY",
		Short: "Run trials of a server's study here, by the command that the server has for it",
		Long: `Runs trials of a study until it ends, as the sweep does that made it; Ctrl-C ends
it in the same stages. The command, its directory and its environment come from
the server, so whoever may change studies there decides what runs here: hence
--trust-server-commands. Who types the same tuner sweep --url instead runs what
was typed.`,
		Example: "  tuner worker --url http://127.0.0.1:7070 --token-file tuner.token --trust-server-commands mnist -j 2",
		Args:    wantArgs(1, 1, "worker STUDY"),
		RunE: func(c *cobra.Command, args []string) error {
			return f.work(c.Context(), st, db, args[0])
		},
	}
	fs := c.Flags()
	fs.IntVarP(&f.jobs, "jobs", "j", 0, "trials at once here (default: one for each GPU of --gpus, else 1)")
	fs.StringSliceVar(&f.gpus, "gpus", nil, "devices, one trial on each, such as 0,1")
	fs.BoolVar(&f.trust, "trust-server-commands", false, "run the command that the server has for the study")
	fs.BoolVar(&f.view.json, "json", false, "print one JSON object an event, and the result, on stdout")
	fs.BoolVarP(&f.view.quiet, "quiet", "q", false, "print the result only")
	return c
}

func (f *workerFlags) work(ctx context.Context, st *State, db *dbFlags, name string) error {
	url, err := db.server()
	if err != nil {
		return err
	}
	switch {
	case url == "":
		return usagef("a worker needs a server").WithField("--url").
			WithRemedy("name it with --url or TUNER_URL; with a database, tuner sweep --name %s does the same", quoted(name))
	case !f.trust:
		return usagef("what runs here would be what the server %s says", url).WithField("--trust-server-commands").
			WithRemedy("give it if you trust all who may change studies there, or type the sweep's own command with --url")
	case f.jobs < 0:
		return usagef("%d trials at once make no sense", f.jobs).WithField("--jobs (-j)")
	}
	c, err := db.client(ctx, url)
	if err != nil {
		return err
	}
	return join(f.workAt(ctx, st, db, remoteSite(c), name), c.Close())
}

func (f *workerFlags) workAt(ctx context.Context, st *State, db *dbFlags, at *site, name string) error {
	stored, err := db.find(ctx, at.reader, name)
	if err != nil {
		return err
	}
	if stored.Spec.Run == nil {
		return types.Errorf(types.Conflict, "the study %s has no command: its trials are told, not run", name).
			WithRemedy("run the program that asks for its trials")
	}
	study, err := at.Study(ctx, stored.ID)
	if err != nil {
		return err
	}
	study.Continued = true
	p := &plan{spec: study.Spec, jobs: max(f.jobs, len(f.gpus), 1)}
	if p.space, err = space.Parse(study.Spec.Space); err != nil {
		return err
	}
	if err := checkProgram(st, *study.Spec.Run); err != nil {
		return err
	}
	return runStudy(ctx, st, db, at, study, &f.view, sweepfile.File{GPUs: f.gpus}, p)
}
