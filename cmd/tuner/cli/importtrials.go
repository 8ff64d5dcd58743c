package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/bulk"
)

// importFlags are those of tuner import.
type importFlags struct {
	form string
	key  string
	json bool
}

func importCommand(st *State, db *dbFlags) *cobra.Command {
	var flags importFlags
	c := &cobra.Command{
		Use:   "import NAME FILE",
		Short: "Add results from elsewhere to a study",
		Long: `Adds the trials of a file as finished trials of a study, so that its algorithm
learns from them. The file is checked first: if a line is wrong, none is added.
They get new numbers; those that are not finished are left out.

The file is what tuner export writes as csv, json or jsonl, and may be of any
length. By hand, a CSV file with a column each parameter and one for the metric
is enough: state is "completed" where it is missing, and a column that is no
parameter is a metric. FILE - is standard input.

The same file again adds nothing: it is known by its content, for as long as
requests are remembered (7 days), and an import that broke off goes on where it
was. --key NAME knows it by a name of yours instead; with a new one, all of it is
added once more.`,
		Example: `  tuner import mnist old.csv
  tuner export old -o jsonl | tuner import mnist -`,
		Args: wantArgs(2, 2, "import NAME FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			if flags.form != "" {
				if err := oneOf("format", flags.form, "csv", "json", "jsonl"); err != nil {
					return err
				}
			}
			if c.Flags().Changed("key") && (flags.key == "" || len(flags.key) > 128) {
				return usagef("a key has 1 to 128 characters").WithField("--key")
			}
			return importFile(c.Context(), st, db, args[0], args[1], flags)
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return db.completeStudy(c, args, word)
		},
	}
	c.Flags().StringVar(&flags.form, "format", "", "csv, json or jsonl (default: seen from the file)")
	c.Flags().StringVar(&flags.key, "key", "", "name of this import, which is done once (default: made of the file's content)")
	c.Flags().BoolVar(&flags.json, "json", false, "print how many were added, and their numbers, as JSON")
	completeChoice(c, "format", "csv", "json", "jsonl")
	return c
}

func importFile(ctx context.Context, st *State, db *dbFlags, name, file string, flags importFlags) (err error) {
	f, done, err := openInput(st, file)
	if err != nil {
		return err
	}
	defer func() { err = join(err, done()) }()
	return db.changing(ctx, name, func(at *site, study trial.Study) error {
		sp, err := space.Parse(study.Spec.Space)
		if err != nil {
			return types.Errorf(types.Internal, "the stored space: %w", err)
		}
		r := importer{file: file, space: sp, objectives: study.Spec.Objectives}
		hash, n := sha256.New(), 0
		if err := r.read(flags.form, io.TeeReader(f, hash), func(int, types.FinishedTrial) error { n++; return ctx.Err() }); err != nil {
			return err
		}
		if n == 0 {
			return usagef("%s has no finished trial", file)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return usagef("read %s again: %w", file, err)
		}
		into := bulk.Into{Study: study.ID, Key: flags.key, Do: at.Control}
		if flags.key == "" {
			into.Key = "content-" + hex.EncodeToString(hash.Sum(nil)[:16])
		}
		into.Result.LeftOut = r.unfinished
		err = r.read(flags.form, f, func(line int, t types.FinishedTrial) error { return into.Add(ctx, line, t) })
		if err == nil {
			err = into.Flush(ctx)
		}
		if err != nil {
			return err
		}
		if flags.json {
			return writeJSON(st.Stdout, into.Result)
		}
		_, err = fmt.Fprintln(st.Stdout, importText(file, study.Spec.Name, into.Result))
		return err
	})
}

// openInput opens a file that is read twice: what cannot be, such as a pipe, is
// copied first.
func openInput(st *State, file string) (f *os.File, done func() error, err error) {
	in := st.Stdin
	if file != "-" {
		f, err := os.Open(st.path(file))
		if err != nil {
			return nil, nil, usagef("the file to import cannot be read: %s: %w", st.path(file), cause(err)).WithRemedy("check the path; - reads the standard input")
		}
		info, err := f.Stat()
		if err != nil {
			return nil, nil, join(usagef("read the file to import: %w", err), f.Close())
		}
		if info.Mode().IsRegular() {
			return f, f.Close, nil
		}
		defer f.Close()
		in = f
	}
	tmp, err := os.CreateTemp("", "tuner-import-*")
	if err != nil {
		return nil, nil, usagef("a copy of the input is needed, and cannot be made: %w", err).WithRemedy("set TMPDIR to a folder with room for it")
	}
	done = func() error { return join(tmp.Close(), os.Remove(tmp.Name())) }
	if _, err = io.Copy(tmp, in); err == nil {
		_, err = tmp.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, nil, join(usagef("read the input to import: %w", err), done())
	}
	return tmp, done, nil
}

// importText says what became of a file.
func importText(file, study string, r types.ImportResult) string {
	as := rangesText(r.Numbers)
	text := fmt.Sprintf("%s were added to %s as %s", plural(r.Added, "trial"), study, as)
	switch {
	case r.Added == 0:
		text = fmt.Sprintf("nothing was added: %s was imported before and is in %s as %s; --key NAME adds it once more", file, study, as)
	case r.Repeated > 0:
		text += fmt.Sprintf("; %d of these were there already, for the import of this file had broken off", r.Repeated)
		text = strings.Replace(text, plural(r.Added, "trial"), plural(r.Added+r.Repeated, "trial"), 1)
	case r.Added == 1:
		text = strings.Replace(text, "were", "was", 1)
	}
	if r.LeftOut > 0 {
		text += fmt.Sprintf("; %d that are not finished were left out", r.LeftOut)
	}
	return text
}

// rangesText is "trial 4" or "trials 4 to 9, 12"; of many ranges it has the ends.
func rangesText(ranges []types.NumberRange) string {
	if len(ranges) > 8 {
		return fmt.Sprintf("trials between %d and %d", ranges[0].First, ranges[len(ranges)-1].Last)
	}
	var parts []string
	for _, r := range ranges {
		if r.First == r.Last {
			parts = append(parts, strconv.FormatInt(r.First, 10))
			continue
		}
		parts = append(parts, fmt.Sprintf("%d to %d", r.First, r.Last))
	}
	if len(ranges) == 1 && ranges[0].First == ranges[0].Last {
		return "trial " + parts[0]
	}
	return "trials " + strings.Join(parts, ", ")
}
