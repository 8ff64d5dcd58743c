package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	executor "github.com/gotuner/tuner/trial/executor/local"
)

// superviseCommand is the hidden command by which the local executor starts its
// supervisor.
const superviseCommand = "__supervise"

// version is set by the linker; an unreleased build says what it was made from.
var version = ""

// Main runs the command line and returns the exit code.
func Main(st State) int {
	if len(st.Args) > 0 && st.Args[0] == superviseCommand {
		if err := executor.Supervise(context.Background(), st.Args[1:]); err != nil {
			complain(&st, err)
			return exitInternal
		}
		return exitDone
	}
	root := newRoot(&st)
	root.SetArgs(st.Args)
	root.SetIn(st.Stdin)
	root.SetOut(st.Stdout)
	root.SetErr(st.Stderr)
	err := root.ExecuteContext(context.Background())
	if err != nil {
		complain(&st, err)
	}
	return exitCode(err)
}

// otherWords are what the commands are called elsewhere.
var otherWords = map[string][]string{
	"sweep": {"run", "start", "tune", "optimize", "optimise", "search", "minimize", "maximize"}, "ls": {"ps", "studies"},
	"show": {"status", "info", "describe", "get"}, "rm": {"delete", "remove", "del"}, "create": {"create-study", "new", "init"},
	"best": {"best-trial", "best-trials"}, "worker": {"agent"}, "serve": {"server", "dashboard", "ui"},
}

// newRoot builds the command tree.
func newRoot(st *State) *cobra.Command {
	root := &cobra.Command{
		Use:   "tuner",
		Short: "Find the best settings of anything that prints a number",
		Long: `tuner runs your command many times with settings that it chooses, reads the
numbers that the command prints, stops hopeless runs early, and shows the best.

  tuner sweep --min loss -p lr=1e-5..1e-1:log -p layers=1..8 -n 50 -j 2 -- python train.py {args}

tuner help sweep     all options of a sweep
tuner help contract  what your program gets and what it has to print`,
		Version:       Version(),
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: false},
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			e := usagef("there is no command %q", args[0])
			if s := suggestName(args[0], commandNames(c)); s != "" {
				return e.WithRemedy("%s", s)
			}
			for name, words := range otherWords {
				if slices.Contains(words, strings.ToLower(args[0])) {
					return e.WithRemedy("did you mean %s? tuner help lists all", name)
				}
			}
			return e.WithRemedy("tuner help lists them")
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagError(st, c, err) })
	db := &dbFlags{st: st}
	db.register(root.PersistentFlags())
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error { return db.applyProfile(c.Flags()) }
	for _, add := range []func(*State, *dbFlags) *cobra.Command{
		sweepCommand, createCommand, askCommand, reportCommand, tellCommand, lsCommand, showCommand, trialsCommand, bestCommandLine, logCommand, exportCommand, importCommand,
		enqueueCommand, stopCommand, pauseCommand, resumeCommand, editCommand, rmCommand, gcCommand, planCommand,
		serveCommand, workerCommand, tokenCommand, backupCommand, restoreCommand, doctorCommand, benchCommand, versionCommand,
	} {
		root.AddCommand(add(st, db))
	}
	root.SetHelpCommand(helpCommand(st))
	return root
}
