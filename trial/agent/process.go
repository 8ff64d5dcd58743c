package agent

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/collect"
	"github.com/gotuner/tuner/trial/executor"
	"github.com/gotuner/tuner/trial/executor/argv"
	"github.com/gotuner/tuner/trial/executor/procenv"
)

// DefaultGrace is the time between the stop signal and KILL.
const DefaultGrace = 30 * time.Second

// Processes launches trials as processes, each in a directory of its own:
//
//	Root/12/params.json          the parameters
//	Root/12/1/stdout.log …       what attempt 1 of trial 12 wrote
//	Root/12/1/checkpoint/        TUNER_CHECKPOINT_DIR of that attempt
//	Root/12/inherited/           a copy of another trial's checkpoint (types.Copy)
//	Root/12/1/token              with Served: what TUNER_TOKEN_FILE names
type Processes struct {
	Project, Study string
	Run            types.RunSpec
	Root           string // absolute
	Template       *argv.Template
	Env            *procenv.Env
	// Served says that there is a server, which Env names: each process gets a
	// token for its own attempt and may report there itself.
	Served bool
	// GPUs are the devices of --gpus, which the slots use in turn; empty for none.
	GPUs []string
	// NewCollector makes the reader of one attempt's output, from a cursor that
	// an earlier one gave ("" for the start).
	NewCollector func(cursor string) (collect.Collector, error)
	// Objectives are the metrics that a trial must report, that of a limited cost
	// included.
	Objectives []string
	Now        func() time.Time
	// Free reports whether nobody holds the lock of a file. It is given because
	// locks need more than the standard library, which is all that the SDK links.
	Free func(lockFile string) bool
	// Warn is told what the user should know about the program; may be nil.
	Warn func(string)
	// Missing is told that a trial ended well but without an objective, and which
	// metrics its output has; may be nil.
	Missing func(l types.Lease, attemptDir, objective string, seen []string)
}

var _ Launcher = (*Processes)(nil)

// Launch makes the attempt's directories and its command line.
func (p *Processes) Launch(l types.Lease, slot int) (*Job, error) {
	if len(l.Texts) != len(l.Params) {
		return nil, types.Errorf(types.Internal, "the lease has %d texts for %d parameters", len(l.Texts), len(l.Params))
	}
	if l.ResumeFrom == "" || p.Served { // a server's word is no place on this machine
		var err error
		if l.ResumeFrom, err = p.resumeFrom(l); err != nil {
			return nil, err
		}
	}
	t := p.trial(l)
	if err := p.Template.Fits(t); err != nil {
		return nil, err
	}
	dir := p.attemptDir(l.Ref)
	if err := os.MkdirAll(t.CheckpointDir, 0o700); err != nil {
		return nil, diskFault("make the trial's directory", err)
	}
	params, err := l.Params.MarshalJSON()
	if err != nil {
		return nil, err
	}
	if err := writeFile(t.ParamsFile, append(params, '\n')); err != nil {
		return nil, err
	}
	spec := executor.Spec{ID: p.id(l.Ref), Ref: l.Ref, AttemptDir: dir, Lease: l}
	if spec.Argv, err = p.Template.Expand(t); err != nil {
		return nil, err
	}
	if spec.Env, err = p.Env.For(t, p.gpu(slot)); err != nil {
		return nil, err
	}
	if err := p.noteGPU(dir, slot); err != nil {
		return nil, err
	}
	if err := p.writeToken(l.Ref); err != nil {
		return nil, err
	}
	spec.Dir = p.Run.Dir
	if spec.Dir == "{trial.dir}" {
		spec.Dir = t.Dir
	}
	spec.Env = append(spec.Env, "PWD="+spec.Dir) // the last of a name counts
	return p.job(spec, t, "")
}

// writeToken puts the attempt's token where its process finds it. The lease of
// an adopted attempt has a new one.
func (p *Processes) writeToken(r types.AttemptRef) error {
	if !p.Served {
		return nil
	}
	return writeFile(p.tokenFile(r), []byte(r.Bearer()+"\n"))
}

func (p *Processes) tokenFile(r types.AttemptRef) string {
	return filepath.Join(p.attemptDir(r), "token")
}

// Resume watches an attempt that runs already.
func (p *Processes) Resume(a types.Adopted) (*Job, error) {
	spec := executor.Spec{ID: p.id(a.Lease.Ref), Ref: a.Lease.Ref, Lease: a.Lease, AttemptDir: p.attemptDir(a.Lease.Ref)}
	if a.Dir != "" && a.Dir != spec.AttemptDir { // somebody else has used this worker's name
		return nil, types.Errorf(types.Invalid, "the attempt is said to be in %s, and this worker keeps it in %s", a.Dir, spec.AttemptDir)
	}
	if err := p.writeToken(a.Lease.Ref); err != nil && p.Warn != nil { // no reason to end what runs
		p.Warn(fmt.Sprintf("trial %d cannot report to the server itself any more: %v", a.Lease.Ref.Trial, err))
	}
	if a.Lease.ResumeFrom == "" || p.Served {
		a.Lease.ResumeFrom = p.resumedFrom(a.Lease.Ref)
	}
	return p.job(spec, p.trial(a.Lease), a.Cursor)
}

func (p *Processes) id(r types.AttemptRef) string {
	return fmt.Sprintf("%s/%s/%d/%d", p.Project, p.Study, r.Trial, r.Attempt)
}

func (p *Processes) attemptDir(r types.AttemptRef) string {
	return filepath.Join(p.Root, strconv.FormatInt(r.Trial, 10), strconv.Itoa(r.Attempt))
}

// trial is what the process is told.
func (p *Processes) trial(l types.Lease) procenv.Trial {
	dir := filepath.Join(p.Root, strconv.FormatInt(l.Ref.Trial, 10))
	t := procenv.Trial{Project: p.Project, Study: p.Study, Number: l.Ref.Trial, Attempt: l.Ref.Attempt,
		Dir: dir, ParamsFile: filepath.Join(dir, "params.json"),
		CheckpointDir: filepath.Join(p.attemptDir(l.Ref), "checkpoint"), ResumeFrom: l.ResumeFrom,
		Seed: l.Seed, Budget: l.Budget, Texts: make(map[string]string, len(l.Params))}
	if len(p.Objectives) > 0 {
		t.Objective = p.Objectives[0]
	}
	if p.Served {
		t.TokenFile = p.tokenFile(l.Ref)
	}
	for i, q := range l.Params {
		if i < len(l.Texts) { // the other side may be of another version
			t.Texts[q.Name] = l.Texts[i]
		}
	}
	return t
}

func (p *Processes) job(spec executor.Spec, t procenv.Trial, cursor string) (*Job, error) {
	col, err := p.NewCollector(cursor)
	if err != nil {
		return nil, err
	}
	out := &processOutput{col: col, open: map[string]*os.File{}, now: p.Now, paths: map[string]string{
		"stdout": filepath.Join(spec.AttemptDir, "stdout.log"),
		"stderr": filepath.Join(spec.AttemptDir, "stderr.log"),
	}}
	if f := p.Run.MetricFile; f != "" {
		f = strings.ReplaceAll(f, "{trial.dir}", t.Dir)
		if !filepath.IsAbs(f) {
			f = filepath.Join(cmp.Or(spec.Dir, p.Run.Dir), f)
		}
		out.paths["file"] = f
	}
	j := &Job{Spec: spec, Output: out, Timeout: time.Duration(p.Run.Timeout), Grace: time.Duration(p.Run.Grace),
		StopSignal: cmp.Or(p.Run.StopSignal, "TERM")}
	if j.Grace == 0 {
		j.Grace = DefaultGrace
	}
	var absent func() // tells p.Missing that the output had no objective
	j.Finish = func(st executor.Status) types.FinishRequest {
		req, missing := p.finish(spec, out, st)
		absent = missing
		return req
	}
	j.Told = func(reply types.FinishReply) {
		p.unsaved(spec.Lease, reply)
		if !p.Served {
			return
		}
		_ = os.Remove(p.tokenFile(spec.Ref)) // it is good for nothing any more
		if absent != nil && reply.State == types.Failed {
			absent()
		}
	}
	return j, nil
}

// finish is what the end of a process means, if nobody asked for it. absent, which
// may be nil, is for the case that the trial failed for want of an objective.
func (p *Processes) finish(spec executor.Spec, out *processOutput, st executor.Status) (req types.FinishRequest, absent func()) {
	req = types.FinishRequest{Signal: st.Signal}
	if st.Phase == executor.Gone {
		req.Outcome = types.OutcomeLost
		req.Reason = cmp.Or(st.Err, "its process is gone and left no exit status: it, its supervisor or the machine was killed")
		return req, nil
	}
	full := sync.OnceValue(func() bool { return st.NoRoom || executor.NoRoom(spec.AttemptDir) })
	elapsed := st.Ended.Sub(st.Started)
	req.Metrics = map[string]types.Float{
		"trial.elapsed": types.Float(elapsed.Seconds()),
		"trial.cpu":     types.Float(st.CPU.Seconds()),
		"trial.maxrss":  types.Float(st.MaxRSS),
	}
	if st.Signal == "" {
		exit := st.Exit
		req.Exit = &exit
	}
	why, infeasible := out.col.Infeasible()
	switch {
	case infeasible:
		req.Outcome, req.Reason = types.OutcomeInfeasible, cmp.Or(why, "the program declared it infeasible")
	case st.Signal != "":
		req.Outcome, req.Reason = types.OutcomeFailed, "killed by signal "+st.Signal+hint(st.Signal)+lastLine(spec.AttemptDir)
	case st.Exit != 0 && st.Exit == p.Run.InfeasibleExit:
		req.Outcome, req.Reason = types.OutcomeInfeasible, fmt.Sprintf("exit code %d, which means infeasible", st.Exit)
	case st.Exit != 0:
		req.Outcome, req.Reason = types.OutcomeFailed, fmt.Sprintf("exit code %d%s", st.Exit, lastLine(spec.AttemptDir))
	default:
		req.Outcome = types.OutcomeCompleted
		// A trial that goes on may have nothing left to do, and its earlier attempts
		// have reported; the engine knows.
		if o, names := p.missing(out, req.Metrics); o != "" && spec.Lease.ResumeFrom == "" {
			req.Outcome, req.Reason = types.OutcomeFailed, withoutMetric(o, names)
			if st.Stopped == "" && !full() {
				absent = func() {
					if p.Missing != nil {
						p.Missing(spec.Lease, spec.AttemptDir, o, names)
					}
				}
			}
		} else if st.NoRoom { // the value that was read last may be no more than an older one
			req.Outcome, req.Reason = types.OutcomeFailed, "its last lines may not have been written"
		}
		p.buffers(out, st)
	}
	switch {
	case req.Outcome != types.OutcomeFailed:
	case st.Stopped != "":
		// Why is known by whoever stopped it, and overrides this; an agent that
		// could not store it is gone.
		req.Outcome, req.Reason = types.OutcomeInterrupted, "stopped by signal "+st.Stopped
	case full():
		req.Outcome, req.Reason = types.OutcomeLost, "the disk of its directory was full when it ended ("+req.Reason+")"
	case absent != nil && p.Served: // the server knows whether the process has told it the objective
		req.Outcome, req.Reason = types.OutcomeCompleted, ""
	case absent != nil:
		absent()
	}
	return req, absent
}

func hint(signal string) string {
	if signal == "KILL" {
		return " (by hand, or the machine ran out of memory)"
	}
	return ""
}

// missing is the first objective that was not seen and the metrics that were,
// "" if all objectives were.
func (p *Processes) missing(out *processOutput, measured map[string]types.Float) (objective string, seen []string) {
	for _, s := range out.col.Seen() {
		seen = append(seen, s.Metric)
	}
	for _, o := range p.Objectives {
		if _, ok := measured[o]; !ok && !slices.Contains(seen, o) {
			return o, seen
		}
	}
	return "", seen
}

func withoutMetric(objective string, seen []string) string {
	if len(seen) == 0 {
		return fmt.Sprintf("it ended without the metric %s: its output has no metric at all", objective)
	}
	return fmt.Sprintf("it ended without the metric %s; its output has %s", objective, strings.Join(seen, ", "))
}

// buffers warns of a program whose reports all come at its end.
func (p *Processes) buffers(out *processOutput, st executor.Status) {
	var most int64
	for _, s := range out.col.Seen() {
		most = max(most, s.Count)
	}
	if p.Warn != nil && out.reports > 0 && buffered(most, st.Ended.Sub(st.Started), st.Ended.Sub(out.first)) {
		p.Warn("all reports of a trial arrived at its very end: your program seems to buffer its output; flush after each line, or run it under stdbuf -oL")
	}
}

// buffered reports whether a curve that came as one is due to a buffer. values
// is the length of its longest metric, took the time of the attempt, and left
// what of it was left when the first report was read. Two values are no curve:
// many programs print the result of their start and of their end.
func buffered(values int64, took, left time.Duration) bool {
	const curve, long, last = 3, 2 * time.Second, time.Second
	return values >= curve && took >= long && left < min(last, took/10)
}

// lastLine quotes the last line of stderr, which usually says what went wrong.
func lastLine(attemptDir string) string {
	lines := Tail(filepath.Join(attemptDir, "stderr.log"), 1)
	if len(lines) == 0 {
		return ""
	}
	l := lines[0]
	if r := []rune(l); len(r) > 200 {
		l = string(r[:200]) + "…"
	}
	return ": " + l
}

// Tail returns up to n last lines of a file that are not empty, from its last
// 64 KiB; none if it cannot be read.
func Tail(path string, n int) []string {
	const window = 64 << 10
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	b := make([]byte, min(info.Size(), window))
	k, err := f.ReadAt(b, info.Size()-int64(len(b)))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	var lines []string
	for l := range bytes.Lines(b[:k]) {
		if l = bytes.TrimRight(l, "\r\n \t"); len(l) > 0 {
			lines = append(lines, strings.ToValidUTF8(string(l), "�"))
		}
	}
	return lines[max(0, len(lines)-n):]
}

// writeFile writes a small file that appears whole or not at all.
func writeFile(path string, b []byte) error {
	tmp := path + ".tmp"
	err := os.WriteFile(tmp, b, 0o600)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp) // half written, or not there
		return diskFault("write the trial's "+filepath.Base(path), err)
	}
	return nil
}

// diskFault is a fault of the machine, after which the trial can be started
// again.
func diskFault(what string, err error) error {
	return types.Errorf(types.Unavailable, "%s: %w", what, err).
		WithRemedy("make room on the disk (df, tuner gc), and see that the folder is there and writable")
}

// processOutput reads the files that a process writes.
type processOutput struct {
	col     collect.Collector
	paths   map[string]string
	open    map[string]*os.File
	buf     []byte
	now     func() time.Time
	first   time.Time // of the first report
	reports int
}

// Poll implements Output.
func (o *processOutput) Poll(final bool) ([]types.Report, string, error) {
	var errs []error
	offsets := o.col.Offsets()
	streams := []string{"stdout", "stderr", "file"} // a fixed order: the later line of a step counts
	ends := map[string]int64{}
	for _, stream := range slices.Backward(streams) {
		// Of the later streams no more is read than was there before the earlier ones
		// are: what a program says on stdout first is read first.
		end, err := o.size(stream)
		if err != nil {
			errs = append(errs, err)
		}
		ends[stream] = end
	}
	for _, stream := range streams {
		if err := o.read(stream, offsets[stream], ends[stream]); err != nil {
			errs = append(errs, err)
		}
	}
	rs, cursor := o.col.Take(final)
	if len(rs) > 0 && o.reports == 0 {
		o.first = o.now()
	}
	o.reports += len(rs)
	return rs, cursor, errors.Join(errs...)
}

// size is how much there is of a stream, whose file it opens: 0 if there is none.
func (o *processOutput) size(stream string) (int64, error) {
	f := o.open[stream]
	if path, ok := o.paths[stream]; f == nil && ok {
		var err error
		if f, err = os.Open(path); errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		} else if err != nil {
			return 0, err
		}
		o.open[stream] = f
	}
	if f == nil {
		return 0, nil
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// read feeds the collector what a stream has from an offset to an end.
func (o *processOutput) read(stream string, offset, end int64) error {
	f := o.open[stream]
	if o.buf == nil {
		o.buf = make([]byte, 64<<10)
	}
	for offset < end {
		n, err := f.ReadAt(o.buf[:min(int64(len(o.buf)), end-offset)], offset)
		offset += int64(n)
		if n > 0 {
			o.col.Write(stream, o.buf[:n])
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Close implements Output.
func (o *processOutput) Close() error {
	var errs []error
	for _, f := range o.open {
		errs = append(errs, f.Close())
	}
	o.open = map[string]*os.File{}
	return errors.Join(errs...)
}
