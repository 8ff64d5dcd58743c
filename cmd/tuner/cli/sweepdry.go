package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli/sweepfile"
	"github.com/gotuner/tuner/suggest/space/grammar"
	"github.com/gotuner/tuner/trial/executor/argv"
	"github.com/gotuner/tuner/trial/local"
)

// saveSweep writes a sweep file.
func saveSweep(st *State, path string, file sweepfile.File) error {
	if !filepath.IsAbs(path) {
		path = filepath.Join(st.Dir, path)
	}
	b, err := sweepfile.Encode(&file)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err == nil {
		return usagef("%s exists", path).WithField("--save").WithRemedy("remove it, or choose another name")
	}
	tmp := path + ".tmp"
	err = os.WriteFile(tmp, b, 0o644)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp) // it may be half written, or not there at all
		return usagef("cannot write %s: %w", path, cause(err)).WithField("--save").WithRemedy("choose a folder that you can write to")
	}
	_, err = fmt.Fprintf(st.Stderr, "saved; run it with: tuner sweep -f %s\n", quoted(path))
	return err
}

// dryRun prints the commands of the first trials, from a study in memory.
func dryRun(ctx context.Context, st *State, p *plan, n int) error {
	if n < 1 {
		return usagef("%d is no number of trials", n).WithField("dry_run").WithRemedy("give the number of commands to print, as in --dry-run 3")
	}
	if p.space == nil || len(p.spec.Run.Command) == 0 || len(p.spec.Objectives) == 0 {
		return usagef("a dry run needs parameters, a metric and a command").WithField("dry_run").WithRemedy("give -p, --min or --max, and -- COMMAND")
	}
	if err := local.Check(p.spec, local.Processes{Environ: st.Environ}); err != nil {
		return err
	}
	l, err := local.Open(ctx, local.Config{DB: local.Memory})
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // it was in memory
	study, err := l.Engine.OpenStudy(ctx, p.spec)
	if err != nil {
		return err
	}
	if err := p.show(st); err != nil {
		return err
	}
	for range n {
		reply, err := l.Engine.Lease(ctx, types.LeaseRequest{Study: study.ID, Worker: "dry-run", Texts: true})
		if err != nil {
			return err
		}
		if reply.Status != types.LeaseGranted {
			reason, _, _ := strings.Cut(reply.Reason, ";") // behind it is that the others run, which they do not
			_, err := fmt.Fprintf(st.Stderr, "no more trials: %s\n", reason)
			return err
		}
		args, err := expand(p.template, study.Spec, reply.Leases[0])
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(st.Stdout, argv.Quote(args)); err != nil {
			return err
		}
	}
	return nil
}

// show prints how the parameters were understood, and what to know besides.
func (p *plan) show(st *State) error {
	if p.params != nil {
		if _, err := fmt.Fprintln(st.Stderr, strings.TrimRight(grammar.Table(p.params), "\n")); err != nil {
			return err
		}
	}
	for _, n := range p.notes {
		if _, err := fmt.Fprintln(st.Stderr, "note: "+n); err != nil {
			return err
		}
	}
	return nil
}
