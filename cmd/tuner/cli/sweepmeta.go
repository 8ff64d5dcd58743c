package cli

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"time"
)

// attributes notes where a study comes from, for people who look at it later.
func (p *plan) attributes(st *State) {
	a := map[string]string{"tuner.version": Version()}
	if host, err := os.Hostname(); err == nil {
		a["host"] = host
	}
	if p.spec.Run != nil {
		if commit, dirty, ok := gitState(st.Dir); ok {
			a["git.commit"] = commit
			if dirty {
				a["git.dirty"] = "true"
			}
		}
	}
	p.spec.Attributes = a
}

// gitState asks git, if it is there, for the commit of dir and whether tracked
// files were changed since.
func gitState(dir string) (commit string, dirty, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	git := func(args ...string) ([]byte, error) {
		c := exec.CommandContext(ctx, "git", args...)
		c.Dir = dir
		return c.Output()
	}
	out, err := git("rev-parse", "HEAD")
	if err != nil {
		return "", false, false
	}
	changes, err := git("status", "--porcelain", "--untracked-files=no")
	return strings.TrimSpace(string(out)), err == nil && len(bytes.TrimSpace(changes)) > 0, true
}
