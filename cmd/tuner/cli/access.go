package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/builtin"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/engine"
)

// exists fails if the database is a file that is not there: only a sweep makes
// one, so that a mistyped --db leaves nothing behind.
func (f *dbFlags) exists() error {
	dsn, err := f.dsn()
	if err != nil || isPostgres(dsn) {
		return err
	}
	if _, err := os.Stat(dsn); errors.Is(err, fs.ErrNotExist) {
		return types.Errorf(types.NotFound, "there is no database %s", dsn).
			WithRemedy("the first tuner sweep makes it; --db or TUNER_DB names another")
	}
	return nil // whatever else is wrong, opening it says
}

// looking gives do what the command reads from: the database or the server.
func (f *dbFlags) looking(ctx context.Context, do func(db reader) error) error {
	url, err := f.server()
	if err != nil {
		return err
	}
	if url == "" {
		return f.reading(ctx, func(db store.Store) error { return do(db) })
	}
	c, err := f.client(ctx, url)
	if err != nil {
		return err
	}
	return join(do(remoteReader{c}), c.Close())
}

// reading opens the database for a command that only looks, and at more than a
// server shows. It never becomes the owner of a study.
func (f *dbFlags) reading(ctx context.Context, do func(db store.Store) error) (err error) {
	if err := f.exists(); err != nil {
		return err
	}
	db, err := f.read(ctx)
	if err != nil {
		return err
	}
	defer func() { err = join(err, db.Close()) }()
	return do(db)
}

// changing gives do what the command changes a study by: the database with an
// engine, which becomes the study's owner or asks the owner if another process
// is it, or the server.
func (f *dbFlags) changing(ctx context.Context, name string, do func(at *site, st trial.Study) error) error {
	return f.at(ctx, f.exists, func(at *site) error {
		st, err := f.find(ctx, at.reader, name)
		if err != nil {
			return err
		}
		return do(at, st)
	})
}

// at opens the database with an engine, unless check fails, or connects to the
// server.
func (f *dbFlags) at(ctx context.Context, check func() error, do func(at *site) error) (err error) {
	url, err := f.server()
	if err == nil && url == "" {
		err = check()
	}
	if err != nil {
		return err
	}
	at, err := f.site(ctx)
	if err != nil {
		return err
	}
	return join(do(at), at.Close())
}

// site opens the database with an engine, or connects to the server.
func (f *dbFlags) site(ctx context.Context) (*site, error) {
	url, err := f.server()
	if err != nil {
		return nil, err
	}
	if url != "" {
		c, err := f.client(ctx, url)
		if err != nil {
			return nil, err
		}
		return remoteSite(c), nil
	}
	l, err := f.open(ctx)
	if err != nil {
		return nil, err
	}
	return localSite(l), nil
}

// join is errors.Join that leaves a single error as it is.
func join(err, more error) error {
	if err == nil {
		return more
	}
	if more == nil {
		return err
	}
	return errors.Join(err, more)
}

// find returns a study by name; the error names one that is spelt alike.
func (f *dbFlags) find(ctx context.Context, db reader, name string) (trial.Study, error) {
	st, err := db.Study(ctx, f.project, name)
	if types.CodeOf(err) != types.NotFound {
		return st, err
	}
	url, serr := f.server()
	if serr != nil {
		return st, serr
	}
	var names []string
	if lerr := eachStudy(ctx, db, f.project, func(s store.StudySummary) error {
		names = append(names, s.Study.Spec.Name)
		return nil
	}); lerr != nil {
		return st, lerr
	}
	e := types.Errorf(types.NotFound, "there is no study %q %s", name, here(url))
	if f.project != "default" {
		e.Message = types.Errorf(types.NotFound, "there is no study %q in the project %s", name, f.project).Message
	}
	if s := suggestName(name, names); s != "" {
		return st, e.WithRemedy("%s", s)
	}
	if url != "" {
		return st, e.WithRemedy("tuner ls lists them; --url chooses another server, --db a database")
	}
	return st, e.WithRemedy("tuner ls lists them; --db chooses another database")
}

// here says where studies are looked for.
func here(url string) string {
	if url != "" {
		return "on the server " + url
	}
	return "in this database"
}

// eachStudy calls do for the studies of a project ("": of all) by name.
func eachStudy(ctx context.Context, db reader, project string, do func(store.StudySummary) error) error {
	const page = 500
	after := ""
	for {
		got, err := db.ListStudies(ctx, project, after, page)
		if err != nil {
			return err
		}
		for _, s := range got {
			if err := do(s); err != nil {
				return err
			}
			after = s.Study.Spec.Name
			if project == "" {
				after = s.Study.Spec.Project + "/" + after
			}
		}
		if len(got) < page {
			return nil
		}
	}
}

// spacesOf compiles all space versions of a study; version v is at v-1.
func spacesOf(ctx context.Context, db reader, study int64) ([]*space.Space, error) {
	texts, err := db.Spaces(ctx, study)
	if err != nil {
		return nil, err
	}
	out := make([]*space.Space, len(texts))
	for i, b := range texts {
		if out[i], err = space.Parse(b); err != nil {
			return nil, types.Errorf(types.Internal, "version %d of the stored space: %w", i+1, err)
		}
	}
	return out, nil
}

// studyView is a stored study as clients see it.
func studyView(ctx context.Context, db reader, st trial.Study, counts types.Counts) (types.Study, error) {
	v := types.Study{ID: st.ID, Spec: st.Spec, State: st.State, Reason: st.Reason, Created: st.Created, CreatedBy: st.CreatedBy,
		Counts: counts, SpaceVersion: st.SpaceVersion}
	var err error
	v.Best, err = engine.BestStored(ctx, db, st)
	return v, err
}

// printing gives do a buffered stdout and reports a write that failed.
func (s *State) printing(do func(w *bufio.Writer) error) error {
	w := bufio.NewWriter(s.Stdout)
	err := do(w)
	return join(err, w.Flush())
}

// writeJSON writes v for a program, indented so that people can read it too.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// wantArgs checks the number of arguments; most < 0 is any number.
func wantArgs(least, most int, usage string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least && len(args) == 0 && c.Parent() == c.Root() && strings.Contains(usage, " NAME"):
			return usagef("%s needs more: tuner %s", c.Name(), usage).WithRemedy("tuner ls lists the studies")
		case len(args) < least:
			return usagef("%s needs more: tuner %s", c.Name(), usage)
		case most >= 0 && len(args) > most:
			return usagef("%s does not know what to do with %q: tuner %s", c.Name(), args[most], usage)
		}
		return nil
	}
}

// trialNumber reads the number of a trial.
func trialNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, usagef("%q is no number of a trial", text).WithRemedy("trials are numbered from 0; tuner trials NAME lists them")
	}
	return n, nil
}

// studyAndTrial reads NAME, NAME NUMBER or NAME/NUMBER; number is -1 without
// one.
func studyAndTrial(args []string) (name string, number int64, err error) {
	name = args[0]
	var text string
	switch slash := strings.LastIndexByte(name, '/'); {
	case len(args) == 2:
		text = args[1]
	case slash >= 0:
		name, text = name[:slash], name[slash+1:]
	default:
		return name, -1, nil
	}
	number, err = trialNumber(text)
	return name, number, err
}

// findTrial returns a trial of a study.
func findTrial(ctx context.Context, db reader, st trial.Study, number int64) (trial.Trial, error) {
	t, err := db.Trial(ctx, st.ID, number)
	if types.CodeOf(err) != types.NotFound {
		return t, err
	}
	e := types.Errorf(types.NotFound, "the study %s has no trial %d", st.Spec.Name, number)
	if st.NextNumber == 0 {
		return t, e.WithRemedy("it has no trials yet")
	}
	return t, e.WithRemedy("its trials are 0 to %d", st.NextNumber-1)
}

// completionTime bounds how long a completion may take: a shell waits for it.
const completionTime = 2 * time.Second

// completeStudy completes the first argument with the names of the studies.
func (f *dbFlags) completeStudy(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	return f.complete(c, args, word, func(ctx context.Context, db reader, add func(name, about string)) error {
		return eachStudy(ctx, db, f.project, func(s store.StudySummary) error {
			add(s.Study.Spec.Name, string(s.Study.State))
			return nil
		})
	})
}

// complete completes the first argument with the names that list adds.
func (f *dbFlags) complete(c *cobra.Command, args []string, word string,
	list func(ctx context.Context, db reader, add func(name, about string)) error) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	var names []string
	err := f.looking(ctx, func(db reader) error {
		return list(ctx, db, func(name, about string) {
			if strings.HasPrefix(name, word) {
				names = append(names, cobra.CompletionWithDesc(name, about))
			}
		})
	})
	if err != nil {
		cobra.CompErrorln(err.Error()) // a shell that completes shows no errors
		return nil, cobra.ShellCompDirectiveError
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeChoice completes a flag that has few values.
func completeChoice(c *cobra.Command, flag string, values ...string) {
	err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag is not there: a fault of the command
	}
}

// completeComponents completes the names that --algorithm and --stopper may begin
// with, where the command has them.
func completeComponents(c *cobra.Command) {
	for flag, names := range map[string][]string{"algorithm": builtin.Algorithms().Names(), "stopper": earlystop.Rules().Names()} {
		if c.Flags().Lookup(flag) != nil {
			completeChoice(c, flag, names...)
		}
	}
}

// oneOf checks the value of such a flag.
func oneOf(flag, value string, values ...string) error {
	if slices.Contains(values, value) {
		return nil
	}
	e := usagef("%q is none of its values", value).WithField("--"+flag).WithRemedy("use one of %s", strings.Join(values, ", "))
	if s := suggestName(value, values); s != "" {
		e.Remedy = s + " Known are " + strings.Join(values, ", ")
	}
	return e
}
