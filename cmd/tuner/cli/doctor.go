package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/diskspace"
	"github.com/gotuner/tuner/internal/filelock"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
)

// What doctor warns about.
const (
	bigLog      = 256 << 20       // of a write-ahead log, in bytes
	littleDisk  = 1 << 30         // free, in bytes: a warning
	noDisk      = 64 << 20        // free, in bytes: a failure
	clockLimit  = 2 * time.Second // between this machine and a database's server
	futureLimit = 5 * time.Second // of a time that was stored
)

// The outcomes of a check.
const (
	checkOK   = "ok"
	checkWarn = "warn"
	checkFail = "fail"
)

// checkResult is one line of doctor.
type checkResult struct {
	Check  string `json:"check"`
	Result string `json:"result"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// doctor looks at everything that tuner stands on.
type doctor struct {
	st      *State
	db      *dbFlags
	dsn     string
	dir     string
	results []checkResult
}

func doctorCommand(st *State, db *dbFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check the database, the disk, the clock and what runs",
		Long: `Checks what tuner stands on and prints a line each: ok, warn or fail. The exit
code is 1 if one fails. The integrity check reads the whole database.`,
		Args: wantArgs(0, 0, "doctor"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := db.onDatabase(c); err != nil {
				return err
			}
			d := &doctor{st: st, db: db}
			if err := d.run(c.Context()); err != nil {
				return err
			}
			return d.report(asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (d *doctor) add(check, result, text, remedy string) {
	d.results = append(d.results, checkResult{check, result, text, remedy})
}

func (d *doctor) run(ctx context.Context) (err error) {
	if d.dsn, err = d.db.dsn(); err != nil {
		return err
	}
	if d.dir, err = d.db.trialsDir(d.dsn); err != nil {
		return err
	}
	d.add("version", checkOK, "tuner "+Version(), "")
	d.database(ctx)
	d.secrets()
	d.trials()
	d.supervisors()
	d.locks()
	return nil
}

func (d *doctor) report(asJSON bool) error {
	failed := 0
	for _, r := range d.results {
		if r.Result == checkFail {
			failed++
		}
	}
	err := d.st.printing(func(w *bufio.Writer) error {
		if asJSON {
			return writeJSON(w, d.results)
		}
		s := d.st.outStyle()
		for _, r := range d.results {
			mark := fmt.Sprintf("%-4s", r.Result)
			switch r.Result {
			case checkOK:
				mark = s.green(mark)
			case checkWarn:
				mark = s.yellow(mark)
			case checkFail:
				mark = s.red(mark)
			}
			fmt.Fprintf(w, "%s  %-11s  %s\n", mark, r.Check, printable(r.Text))
			if r.Remedy != "" {
				fmt.Fprintf(w, "      %11s  %s\n", "", printable(r.Remedy))
			}
		}
		return nil
	})
	if err == nil && failed > 0 {
		err = &exitError{exitInternal, ""}
	}
	return err
}

// fault adds what an error says.
func (d *doctor) fault(check string, err error) {
	if e, ok := errors.AsType[*types.Error](err); ok {
		d.add(check, checkFail, e.Message, e.Remedy)
		return
	}
	d.add(check, checkFail, err.Error(), "")
}

func (d *doctor) database(ctx context.Context) {
	where := d.dsn
	if isPostgres(d.dsn) {
		where = "PostgreSQL"
	} else {
		d.disk("database", filepath.Dir(d.dsn))
	}
	if err := d.db.exists(); err != nil {
		d.add("database", checkWarn, "there is no database "+d.dsn+" yet", "the first tuner sweep makes it; --db or TUNER_DB names another")
		return
	}
	s, err := d.db.read(ctx)
	if err != nil {
		d.fault("database", err)
		return
	}
	defer func() {
		if err := s.Close(); err != nil {
			d.fault("database", err)
		}
	}()
	d.add("database", checkOK, where+" can be read and written", "")
	if sq, ok := s.(*sqlstore.Store); ok {
		d.health(ctx, sq)
	}
	if err := d.studies(ctx, s); err != nil {
		d.fault("studies", err)
	}
	if err := d.workers(ctx, s); err != nil {
		d.fault("workers", err)
	}
}

// health checks the database itself.
func (d *doctor) health(ctx context.Context, s *sqlstore.Store) {
	h, err := s.Health(ctx)
	if err != nil {
		d.fault("integrity", err)
		return
	}
	switch {
	case h.Schema > h.Known:
		d.add("schema", checkWarn, fmt.Sprintf("schema %d, newer than the %d of this build, which can use it", h.Schema, h.Known), "use the newest tuner for all processes of a database")
	default:
		d.add("schema", checkOK, fmt.Sprintf("schema %d, %s", h.Schema, h.Backend), "")
	}
	if isPostgres(d.dsn) {
		d.skew(h.Skew)
		return
	}
	if len(h.Faults) > 0 {
		d.add("integrity", checkFail, "the database is damaged: "+strings.Join(h.Faults, "; "),
			"restore a backup (tuner restore), or try: sqlite3 FILE .recover | sqlite3 NEWFILE")
	} else {
		d.add("integrity", checkOK, "SQLite's integrity check found nothing", "")
	}
	d.files(h.Journal)
}

func (d *doctor) skew(seconds float64) {
	by := time.Duration(math.Abs(seconds) * float64(time.Second))
	if by > clockLimit {
		d.add("clock", checkWarn, "this machine's clock and the database server's differ by "+formatDuration(by),
			"nothing is lost, for tuner goes by the database's; the logs of the machines do not agree until they are synchronised (NTP)")
		return
	}
	d.add("clock", checkOK, "this machine's clock and the database server's agree", "")
}

// files looks at the sizes of the database's files.
func (d *doctor) files(journal string) {
	size := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	wal := size(d.dsn + "-wal")
	text := fmt.Sprintf("database %s, write-ahead log %s", formatBytes(size(d.dsn)), formatBytes(wal))
	switch {
	case wal > bigLog:
		d.add("log size", checkWarn, text, "a process that reads for long keeps the log from being emptied: see which one (fuser or lsof), and end it")
	case !strings.EqualFold(journal, "wal"):
		d.add("log size", checkWarn, text+", journal mode "+journal, "the file is on a network file system: one process at a time can use it")
	default:
		d.add("log size", checkOK, text, "")
	}
}

// studies looks for owners and leases that are over, and for times that lie
// ahead.
func (d *doctor) studies(ctx context.Context, s store.Store) error {
	now := d.st.now()
	var ahead time.Duration
	n, running := 0, 0
	err := eachStudy(ctx, s, "", func(x store.StudySummary) error {
		n++
		name := x.Study.Spec.Project + "/" + x.Study.Spec.Name
		ahead = max(ahead, x.Study.Created.Sub(now))
		if o := d.db.ownerOf(x.Study); o != "" {
			running++
			d.add("owner", checkOK, name+" is run by "+o, "")
		} else {
			d.left(x, name, now)
		}
		if x.Counts.Running == 0 {
			return nil
		}
		return d.leases(ctx, s, x, name, now)
	})
	if err != nil {
		return err
	}
	d.add("studies", checkOK, fmt.Sprintf("%s, %d of them run now", plural(int64(n), "study"), running), "")
	if ahead > futureLimit {
		d.add("clock", checkWarn, "a study was made "+formatDuration(ahead)+" in the future of this clock", "set the clock (NTP): leases are counted in time")
	} else if !isPostgres(d.dsn) {
		d.add("clock", checkOK, "no stored time lies ahead of the clock", "")
	}
	return nil
}

// left tells of a study that a process has left, if anything of it is to be done.
func (d *doctor) left(x store.StudySummary, name string, now time.Time) {
	st := x.Study
	by, over := d.db.leftBy(st), st.State == types.StudyFinished || st.State == types.StudyStopped
	if by == "" || over && x.Counts.Running == 0 {
		return
	}
	silent := "which has ended"
	if late := now.Sub(st.LeaseUntil); late > 0 {
		silent = "which gave no sign of life for " + formatDuration(late)
	}
	switch {
	case !isServer(by):
		d.add("owner", checkWarn, fmt.Sprintf("%s was run by %s, %s", name, by, silent), "nothing is lost: the next "+sweepOf(st.Spec)+" takes over")
	case x.Counts.Running > 0:
		d.add("owner", checkWarn, fmt.Sprintf("%s was run by the server %s, %s; %s marked as running", name, by, silent, isAre(x.Counts.Running, "trial")),
			"nothing is lost: the server takes it over when somebody asks it for a trial")
	default:
		d.add("owner", checkOK, name+" is run by nobody now: the server "+by+" takes it over when somebody asks it for a trial", "")
	}
}

// heir is who takes over what a process left.
func heir(by string, spec types.StudySpec) string {
	if isServer(by) {
		return "the server, when somebody asks it for a trial of this study,"
	}
	return "the next " + sweepOf(spec)
}

// leases looks for attempts whose holder gave no sign of life.
func (d *doctor) leases(ctx context.Context, s store.Store, x store.StudySummary, name string, now time.Time) error {
	page, _, err := s.ListTrials(ctx, x.Study.ID, store.TrialFilter{States: []types.State{types.Running}, Limit: 1000})
	if err != nil {
		return err
	}
	for i := range page {
		t := &page[i]
		a, err := attemptOf(ctx, s, x.Study.ID, t.Number, t.Attempts)
		if types.CodeOf(err) == types.NotFound {
			continue // it has moved on
		}
		if err != nil {
			return err
		}
		if late := now.Sub(a.Expires); !a.State.Finished() && late > 0 {
			d.add("lease", checkWarn, fmt.Sprintf("trial %d of %s: its lease ended %s ago (%s)", t.Number, name, formatDuration(late), cmp.Or(a.Node, a.Worker)),
				heir(d.db.leftBy(x.Study), x.Study.Spec)+" finds or repeats it")
		}
	}
	return nil
}

// disk checks the room where something is written.
func (d *doctor) disk(what, dir string) {
	dir = existing(dir)
	free, total, err := diskspace.Of(dir)
	if err != nil {
		d.add("disk", checkWarn, fmt.Sprintf("the room in %s is not known: %v", dir, err), "")
		return
	}
	text := fmt.Sprintf("%s of %s free for the %s (%s)", formatBytes(free), formatBytes(total), what, dir)
	switch {
	case free < noDisk:
		d.add("disk", checkFail, text, "make room")
	case free < littleDisk:
		d.add("disk", checkWarn, text, "make room, for example with tuner gc --keep best")
	default:
		d.add("disk", checkOK, text, "")
	}
}

// existing is dir, or what is nearest above it and there.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return dir
		}
		dir = up
	}
}

// trials checks that trial directories can be made.
func (d *doctor) trials() {
	d.disk("trials", d.dir)
	at := existing(d.dir)
	tmp, err := os.MkdirTemp(at, ".tuner-doctor-*")
	if err == nil {
		err = os.Remove(tmp)
	}
	if err != nil {
		d.add("trials", checkFail, fmt.Sprintf("directories of trials cannot be made: %v", err), "make "+at+" writable, or choose another folder with --dir")
		return
	}
	d.add("trials", checkOK, d.dir+" can be written", "")
}

// supervisors looks for those that live without an agent, and for what dead
// ones left.
func (d *doctor) supervisors() {
	locks, err := filepath.Glob(filepath.Join(d.dir, "*", "*", ".agents", "*", "supervisor.*.lock"))
	if err != nil {
		d.add("supervisors", checkFail, err.Error(), "")
		return
	}
	alive, alone := 0, 0
	for _, l := range locks {
		if filelock.Free(l) {
			continue
		}
		alive++
		folder := filepath.Dir(l)
		if _, err := os.Stat(filepath.Join(folder, "agent.lock")); err == nil && filelock.Free(filepath.Join(folder, "agent.lock")) {
			alone++
			study := filepath.Base(filepath.Dir(filepath.Dir(folder)))
			d.add("supervisors", checkWarn, fmt.Sprintf("process %s looks after trials of %s, but no sweep does", supervisorPid(l), study),
				"tuner sweep --name "+quoted(study)+" takes its trials over; without trials it ends by itself")
		}
	}
	if alone == 0 {
		d.add("supervisors", checkOK, plural(int64(alive), "supervisor")+", none without its sweep", "")
	}
}

// supervisorPid is the process that holds the lock, as its own file says.
func supervisorPid(lock string) string {
	b, err := os.ReadFile(strings.TrimSuffix(lock, ".lock") + ".json")
	var p struct {
		Pid int `json:"pid"`
	}
	if err != nil || json.Unmarshal(b, &p) != nil || p.Pid == 0 {
		return "?"
	}
	return fmt.Sprint(p.Pid)
}

func (d *doctor) locks() {
	dead, err := deadLocks(d.dir, d.st.Now())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.add("locks", checkFail, err.Error(), "")
		return
	}
	if len(dead) > 0 {
		d.add("locks", checkOK, plural(int64(len(dead)), "lock file")+" of processes that were killed; tuner gc removes them", "")
	}
}
