package agent

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gotuner/tuner/api/types"
)

// resumeFrom is where an attempt finds the state to go on from; "" if it begins
// anew. That of another trial is copied first, so that nothing that happens to
// that trial's directory matters to this one.
func (p *Processes) resumeFrom(l types.Lease) (string, error) {
	if dir := p.resumedFrom(l.Ref); dir != "" || l.Copy == nil {
		return dir, nil
	}
	from := l.Ref
	from.Trial, from.Attempt = l.Copy.Of, l.Copy.Attempt+1
	source := p.resumedFrom(from)
	if source == "" {
		return "", p.without(l)
	}
	return p.inherit(l.Ref, source)
}

// resumedFrom is where an attempt finds the state of its own trial: what the last
// of the earlier attempts left that left anything in its checkpoint directory, else
// what the trial inherited; "" if there is neither. Those attempts have ended, so
// nobody writes there any more.
func (p *Processes) resumedFrom(r types.AttemptRef) string {
	for n := r.Attempt - 1; n > 0; n-- {
		earlier := r
		earlier.Attempt = n
		if dir := filepath.Join(p.attemptDir(earlier), "checkpoint"); !empty(dir) {
			return dir
		}
	}
	if dir := p.inherited(r); !empty(dir) {
		return dir
	}
	return ""
}

func (p *Processes) inherited(r types.AttemptRef) string {
	return filepath.Join(p.Root, strconv.FormatInt(r.Trial, 10), "inherited")
}

func empty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err != nil || len(entries) == 0
}

// inherit copies a checkpoint into the trial's directory, where it appears whole
// or not at all.
func (p *Processes) inherit(r types.AttemptRef, source string) (string, error) {
	dir := p.inherited(r)
	part := fmt.Sprintf("%s.%d.part", dir, r.Attempt) // an earlier attempt may not know yet that it is over
	err := os.RemoveAll(part)
	if err == nil {
		err = os.MkdirAll(part, 0o700)
	}
	if err == nil {
		err = os.CopyFS(part, os.DirFS(source))
	}
	if err == nil {
		err = os.Rename(part, dir)
	}
	if err != nil {
		_ = os.RemoveAll(part) // half copied
		if !empty(dir) {       // somebody else has done it
			return dir, nil
		}
		return "", diskFault("copy the checkpoint "+source, err)
	}
	return dir, nil
}

// without is the error of a trial whose inheritance is not here. If this machine
// knows the attempt that should have left it, the program is at fault, else the
// machine.
func (p *Processes) without(l types.Lease) error {
	from := l.Ref
	from.Trial, from.Attempt = l.Copy.Of, l.Copy.Attempt
	dir := p.attemptDir(from)
	if _, err := os.Stat(dir); err == nil {
		return types.Errorf(types.Invalid, "it goes on from trial %d at step %d, and that saved nothing in its TUNER_CHECKPOINT_DIR", l.Copy.Of, l.Copy.Step).
			WithRemedy("save the program's state there before it ends at its TUNER_BUDGET; tuner help early-stopping shows how")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return diskFault("look for the checkpoint of trial "+strconv.FormatInt(l.Copy.Of, 10), err)
	}
	return types.Errorf(types.Conflict, "trial %d goes on from the checkpoint of trial %d, which is not on this machine: there is no %s",
		l.Ref.Trial, l.Copy.Of, dir).
		WithRemedy("start the workers of this study with the same --dir, on a file system that they share")
}

// unsaved warns of a trial that is to go on later and has left no state.
func (p *Processes) unsaved(l types.Lease, reply types.FinishReply) {
	next := l.Ref
	next.Attempt++
	if reply.State == types.Paused && p.Warn != nil && cmp.Or(l.ResumeFrom, p.resumedFrom(next)) == "" {
		p.Warn("a trial was paused and has saved nothing in TUNER_CHECKPOINT_DIR: it will begin from its start again (tuner help early-stopping)")
	}
}
