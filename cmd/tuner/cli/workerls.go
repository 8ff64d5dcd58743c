package cli

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/engine"
)

func workerLsCommand(st *State, db *dbFlags) *cobra.Command {
	var asJSON, each bool
	c := &cobra.Command{
		Use:   "ls",
		Short: "List who asked for trials of the project, and who is put aside",
		Long: `Lists who asked for trials of the project. The sweeps and workers of a machine are
one line, but for those that are put aside; --each lists all by name.`,
		Args: wantArgs(0, 0, "worker ls"),
		RunE: func(c *cobra.Command, _ []string) error {
			return db.looking(c.Context(), func(r reader) error {
				ws, err := workersOf(c.Context(), r, db.project)
				if err != nil {
					return err
				}
				return st.printing(func(w *bufio.Writer) error {
					if asJSON {
						return writeJSON(w, ws)
					}
					workerTable(w, st, ws, each)
					return nil
				})
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&each, "each", false, "list each worker by its name")
	return c
}

func workersOf(ctx context.Context, db reader, project string) ([]types.Worker, error) {
	rows, err := db.ListWorkers(ctx, project)
	out := []types.Worker{}
	for _, w := range rows {
		out = append(out, engine.WorkerView(w))
	}
	return out, err
}

func workerTable(w *bufio.Writer, st *State, ws []types.Worker, each bool) {
	if len(ws) == 0 {
		fmt.Fprintln(w, "nobody has asked for trials of this project yet")
		return
	}
	now := st.now()
	rows := [][]string{{"worker", "on", "executor", "of them", "last study", "seen", "whose", ""}}
	for _, g := range grouped(ws, each) {
		x, state, many := g.last, "", ""
		if x.Aside != "" {
			state = "put aside"
		}
		name, on := x.Name, machineOf(x.Node)
		if g.n > 1 {
			name, many = on, strconv.Itoa(g.n)
		}
		rows = append(rows, []string{name, on, x.Executor, many, x.Study, formatAge(x.Seen, now), x.Owner, state})
	}
	tableFit(w, withoutEmpty(rows), terminalWidth(st.Stdout), st.outStyle())
	for _, x := range ws {
		if s := asideText(x); s != "" {
			fmt.Fprintln(w, s)
		}
	}
}

// crowd are workers that are one line: last is the one that was seen last.
type crowd struct {
	last types.Worker
	n    int
}

// grouped puts the workers of a machine together whose names tuner made: each
// study and each folder has one, and they differ in a path.
func grouped(ws []types.Worker, each bool) (out []crowd) {
	at := map[[3]string]int{}
	for _, w := range ws {
		key := [3]string{machineOf(w.Node), w.Executor, w.Owner}
		i, known := at[key]
		switch alone := each || w.Aside != "" || key[0] == "" || !strings.Contains(w.Name, "/.agents/"); {
		case alone || !known:
			if !alone {
				at[key] = len(out)
			}
			out = append(out, crowd{w, 1})
		default:
			out[i].n++
			if w.Seen.After(out[i].last.Seen) {
				out[i].last = w
			}
		}
	}
	return out
}

// asideText is the sentence about a worker that is put aside; "" for any other.
func asideText(w types.Worker) string {
	if w.Aside == "" {
		return ""
	}
	return printable(fmt.Sprintf("put aside: %s: %s; tuner worker allow %s lets it back", w.Name, w.Aside, quoted(w.Name)))
}

// aside are the sentences about the workers of a project that are put aside.
func aside(ctx context.Context, db reader, project string) ([]string, error) {
	ws, err := workersOf(ctx, db, project)
	var out []string
	for _, w := range ws {
		if s := asideText(w); s != "" {
			out = append(out, s)
		}
	}
	return out, err
}

// workers warns of those that are put aside, in any project.
func (d *doctor) workers(ctx context.Context, s store.Store) error {
	ws, err := s.ListWorkers(ctx, "")
	for _, w := range ws {
		if w.Info.Aside == "" {
			continue
		}
		project := ""
		if w.Project != "default" {
			project = "--project " + quoted(w.Project) + " "
		}
		d.add("workers", checkWarn, w.Name+" is put aside: "+w.Info.Aside, "mend what is wrong there, then: tuner worker allow "+project+quoted(w.Name))
	}
	return err
}

func workerAllowCommand(st *State, db *dbFlags) *cobra.Command {
	return changeWorkerCommand(st, db, &cobra.Command{
		Use:   "allow WORKER",
		Short: "Let a worker back that was put aside",
		Long: `Lets a worker back that was put aside; it is judged anew from then on. WORKER is its
name, or that of its machine if that has one only.`,
	}, false)
}

func workerAsideCommand(st *State, db *dbFlags) *cobra.Command {
	return changeWorkerCommand(st, db, &cobra.Command{
		Use:   "aside WORKER",
		Short: "Give a worker no more trials",
		Long: `Puts a worker aside: what it runs may end, and it gets no more trials until tuner
worker allow. WORKER is its name, or that of its machine if that has one only.`,
	}, true)
}

func changeWorkerCommand(st *State, db *dbFlags, c *cobra.Command, away bool) *cobra.Command {
	p := types.WorkerPatch{Aside: away}
	name := c.Name()
	c.Args = wantArgs(1, 1, "worker "+name+" WORKER")
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx := c.Context()
		return db.at(ctx, db.exists, func(at *site) error {
			ws, err := workersOf(ctx, at.reader, db.project)
			if err != nil {
				return err
			}
			if p.Worker, err = workerName(ws, args[0]); err != nil {
				return err
			}
			if _, err := at.setAside(ctx, db, p); err != nil {
				return err
			}
			verb := "gets trials again"
			if away {
				verb = "gets no more trials"
			}
			_, err = fmt.Fprintf(st.Stdout, "%s %s, within some seconds\n", p.Worker, verb)
			return err
		})
	}
	if away {
		c.Flags().StringVar(&p.Reason, "reason", "", "why, for those who look later")
	}
	db.completeWorker(c, func(aside bool) bool { return aside != away })
	return c
}

// completeWorker completes names of workers, by whether they are put aside.
func (f *dbFlags) completeWorker(c *cobra.Command, fit func(aside bool) bool) {
	c.ValidArgsFunction = func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		return f.complete(c, args, word, func(ctx context.Context, r reader, add func(name, about string)) error {
			ws, err := r.ListWorkers(ctx, f.project)
			for _, w := range ws {
				if fit(w.Info.Aside != "") {
					add(w.Name, machineOf(w.Info.Node))
				}
			}
			return err
		})
	}
}

func workerRmCommand(st *State, db *dbFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "rm WORKER",
		Short: "Forget a worker, so that another owner may use its name",
		Long: `Forgets a worker. On a server the name of a worker belongs to the owner of the
token that used it first, and nobody else may use it; after this it belongs to
whoever asks next. A worker that runs goes on, and is listed again. WORKER is its
name, or that of its machine if that has one only.`,
		Args: wantArgs(1, 1, "worker rm WORKER"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return db.at(ctx, db.exists, func(at *site) error {
				ws, err := workersOf(ctx, at.reader, db.project)
				if err != nil {
					return err
				}
				name, err := workerName(ws, args[0])
				if err == nil {
					err = at.forgetWorker(ctx, db, name)
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(st.Stdout, "%s is forgotten: its name belongs to whoever asks next, within some seconds\n", name)
				return err
			})
		},
	}
	db.completeWorker(c, func(aside bool) bool { return !aside })
	return c
}

var _ reader = store.Store(nil)
