package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/export"
	"github.com/gotuner/tuner/trial/local"
)

// How often a followed log is looked at, and how often the database is asked
// whether its attempt goes on.
const (
	followFile  = 100 * time.Millisecond
	followState = 10 // times followFile
)

// errStarting is why an attempt that was only handed out has no log.
var errStarting = errors.New("is about to start and has no log yet")

// logFlags are the flags of tuner log.
type logFlags struct {
	attempt int
	stderr  bool
	follow  bool
	lines   int
}

func logCommand(st *State, db *dbFlags) *cobra.Command {
	var f logFlags
	c := &cobra.Command{
		Use:   "log NAME NUMBER",
		Short: "Print what a trial wrote",
		Long: `Prints the output of a trial, which lies on the machine where it ran. Elsewhere it
says where that is, and what is stored: how the trial went and its last reports.`,
		Example: `  tuner log mnist 17 --stderr -n 20
  tuner log mnist 17 -f`,
		Args: wantArgs(1, 2, "log NAME NUMBER"),
		RunE: func(c *cobra.Command, args []string) error {
			name, number, err := studyAndTrial(args)
			if err != nil {
				return err
			}
			if number < 0 {
				return usagef("log needs the number of a trial: tuner log NAME NUMBER").WithRemedy("tuner trials %s lists them", name)
			}
			if f.lines < 0 {
				return usagef("%d is no number of lines", f.lines).WithField("-n")
			}
			ctx := c.Context()
			return db.looking(ctx, func(s reader) error {
				study, err := db.find(ctx, s, name)
				if err != nil {
					return err
				}
				return f.print(ctx, st, s, study, number)
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	fs := c.Flags()
	fs.IntVar(&f.attempt, "attempt", 0, "which attempt (default: the last)")
	fs.BoolVar(&f.stderr, "stderr", false, "its stderr instead of its stdout")
	fs.BoolVarP(&f.follow, "follow", "f", false, "go on as it grows, until the attempt ends")
	fs.IntVarP(&f.lines, "lines", "n", 0, "the last N lines only (default: all)")
	return c
}

func (f *logFlags) print(ctx context.Context, st *State, db reader, study trial.Study, number int64) error {
	a, err := f.find(ctx, db, study, number)
	for errors.Is(err, errStarting) && f.follow {
		if err := wait(ctx, followFile); err != nil {
			return err
		}
		a, err = f.find(ctx, db, study, number)
	}
	if err != nil {
		return err
	}
	name, other := "stdout", "stderr"
	if f.stderr {
		name, other = other, name
	}
	if !isAttemptDir(study.Spec, a) {
		if host, err := os.Hostname(); err == nil && machineOf(a.Node) != host {
			return f.missing(ctx, st, db, study, a, filepath.Join(a.Dir, name+".log"))
		}
		return types.Errorf(types.NotFound, "attempt %d of trial %d is said to be in %s, which is no folder of an attempt", a.Number, a.Trial, printable(a.Dir)).
			WithRemedy("whoever ran it has told the server so; look for its log there")
	}
	path := filepath.Join(a.Dir, name+".log")
	file, err := os.Open(path)
	for errors.Is(err, fs.ErrNotExist) && f.follow && !a.State.Finished() {
		// The attempt starts in this moment.
		if err := wait(ctx, followFile); err != nil {
			return err
		}
		if a, err = attemptOf(ctx, db, study.ID, number, a.Number); err != nil {
			return err
		}
		file, err = os.Open(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return f.missing(ctx, st, db, study, a, path)
	}
	if err != nil {
		return types.Errorf(types.Unavailable, "read the log: %w", err)
	}
	defer file.Close()
	if err := f.skip(file); err != nil {
		return types.Errorf(types.Unavailable, "read %s: %w", path, err)
	}
	n, err := io.Copy(st.Stdout, file)
	if err != nil {
		return types.Errorf(types.Unavailable, "copy %s: %w", path, err)
	}
	if f.follow {
		return follow(ctx, st, db, study.ID, a, file)
	}
	if n == 0 {
		return hintOther(st, a.Dir, name, other)
	}
	return nil
}

// find returns the attempt whose log is asked for.
func (f *logFlags) find(ctx context.Context, db reader, study trial.Study, number int64) (trial.Attempt, error) {
	t, err := findTrial(ctx, db, study, number)
	if err != nil {
		return trial.Attempt{}, err
	}
	if t.Attempts == 0 {
		return trial.Attempt{}, types.Errorf(types.NotFound, "trial %d of %s is %s and never ran here: it has no log", number, study.Spec.Name, t.State)
	}
	n := t.Attempts
	if f.attempt != 0 {
		n = f.attempt
	}
	a, err := attemptOf(ctx, db, study.ID, number, n)
	if types.CodeOf(err) == types.NotFound {
		return a, types.Errorf(types.NotFound, "trial %d of %s has no attempt %d", number, study.Spec.Name, n).
			WithField("--attempt").WithRemedy("its attempts are 1 to %d", t.Attempts)
	}
	if err == nil && a.Dir == "" {
		if !a.State.Finished() {
			return a, types.Errorf(types.NotFound, "attempt %d of trial %d %w", n, number, errStarting).WithRemedy("wait for it with -f")
		}
		if a.Executor == local.ProcessExecutor {
			return a, types.Errorf(types.NotFound, "attempt %d of trial %d did not start and has no log: %s", n, number, orDefault(printable(a.Reason), "the reason is not known"))
		}
		return a, types.Errorf(types.NotFound, "attempt %d of trial %d ran inside a program (%s) and has no log", n, number, orDefault(a.Executor, "in-process"))
	}
	return a, err
}

func attemptOf(ctx context.Context, db reader, study, number int64, n int) (trial.Attempt, error) {
	as, err := db.Attempts(ctx, study, number)
	if err != nil {
		return trial.Attempt{}, err
	}
	for _, a := range as {
		if a.Number == n {
			return a, nil
		}
	}
	return trial.Attempt{}, types.Errorf(types.NotFound, "there is no attempt %d", n)
}

// missing says why there is no log file.
func (f *logFlags) missing(ctx context.Context, st *State, db reader, study trial.Study, a trial.Attempt, path string) error {
	host, err := os.Hostname()
	switch node := machineOf(a.Node); {
	case err == nil && node != "" && node != host:
		if err := f.stored(ctx, st, db, study, a); err != nil {
			return err
		}
		verb := "ran"
		if !a.State.Finished() {
			verb = "runs"
		}
		return types.Errorf(types.NotFound, "attempt %d of trial %d %s on %s, and its log is there", a.Number, a.Trial, verb, node).
			WithRemedy("look at it there: %s", path)
	case !a.State.Finished():
		return types.Errorf(types.NotFound, "attempt %d of trial %d has not written anything yet", a.Number, a.Trial).
			WithRemedy("wait for it with -f")
	}
	return types.Errorf(types.NotFound, "%s is gone", path).
		WithRemedy("tuner gc or --keep removed it; tuner show %s %d has what is stored", study.Spec.Name, a.Trial)
}

// logPoints is how many reports of a metric stand in for a log.
const logPoints = 10

// stored tells on stderr what is known of an attempt whose log is elsewhere.
func (f *logFlags) stored(ctx context.Context, st *State, db reader, study trial.Study, a trial.Attempt) error {
	t, err := db.Trial(ctx, study.ID, a.Trial)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("trial %d is %s", a.Trial, t.State)
	if why := cmp.Or(a.Reason, t.Reason); why != "" {
		text += ": " + why
	}
	fmt.Fprintln(st.Stderr, printable(text))
	if a.Number != t.Attempts {
		return nil // reports are of the last attempt
	}
	rs, err := db.Reports(ctx, study.ID, a.Trial, "", logPoints)
	if err != nil {
		return err
	}
	for _, r := range rs {
		fmt.Fprintf(st.Stderr, "step=%d %s=%s\n", r.Step, printable(r.Metric), export.MetricText(r.Value))
	}
	return nil
}

// skip moves the file to the start of its last f.lines lines.
func (f *logFlags) skip(file *os.File) error {
	if f.lines == 0 {
		return nil
	}
	at, err := lastLines(file, f.lines)
	if err != nil {
		return err
	}
	_, err = file.Seek(at, io.SeekStart)
	return err
}

// lastLines is the offset at which the last n lines begin; a last line without
// an end counts. It reads backwards, so that a long log costs nothing.
func lastLines(file *os.File, n int) (int64, error) {
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	size := end
	for end > 0 {
		k := min(int64(len(buf)), end)
		chunk := buf[:k]
		if _, err := file.ReadAt(chunk, end-k); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if end == size {
			chunk = bytes.TrimSuffix(chunk, []byte("\n")) // it ends the last line and begins none
		}
		for i := bytes.LastIndexByte(chunk, '\n'); i >= 0; i = bytes.LastIndexByte(chunk[:i], '\n') {
			if n--; n == 0 {
				return end - k + int64(i) + 1, nil
			}
		}
		end -= k
	}
	return 0, nil
}

// follow copies what is added to the file until the attempt has ended.
func follow(ctx context.Context, st *State, db reader, study int64, a trial.Attempt, file *os.File) error {
	for tick := 1; ; tick++ {
		ended := a.State.Finished()
		// What was written before the attempt was seen to have ended is read
		// after that.
		if _, err := io.Copy(st.Stdout, file); err != nil {
			return types.Errorf(types.Unavailable, "copy the log: %w", err)
		}
		if ended {
			return nil
		}
		if err := wait(ctx, followFile); err != nil {
			return err
		}
		if tick%followState == 0 {
			var err error
			if a, err = attemptOf(ctx, db, study, a.Trial, a.Number); err != nil {
				return err
			}
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hintOther says that the other stream has something when this one is empty.
func hintOther(st *State, dir, name, other string) error {
	info, err := os.Stat(filepath.Join(dir, other+".log"))
	text := name + " is empty"
	if err == nil && info.Size() > 0 {
		flag := " (--stderr)"
		if other == "stdout" {
			flag = " (without --stderr)"
		}
		text += "; " + other + " has " + formatBytes(info.Size()) + flag
	}
	_, err = fmt.Fprintln(st.Stderr, text)
	return err
}
