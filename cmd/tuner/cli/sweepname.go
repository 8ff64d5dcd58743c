package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor/argv"
)

var noName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// nameOf makes a study's name of a command: the script if an interpreter runs
// one, else the program.
func nameOf(command []string) string {
	base := func(s string) string { return strings.TrimSuffix(filepath.Base(s), filepath.Ext(s)) }
	name := base(command[0])
	if interpreter.MatchString(filepath.Base(command[0])) {
		for i, arg := range command[1:] {
			if arg == "-m" && i+2 < len(command) {
				name = command[i+2]
				break
			}
			if !strings.HasPrefix(arg, "-") && !strings.ContainsAny(arg, "{} \n;") {
				name = base(arg)
				break
			}
		}
	}
	return cmp.Or(cleanName(name), "sweep")
}

// cleanName leaves of a text what can be in the name of a study.
func cleanName(text string) string { return strings.Trim(noName.ReplaceAllString(text, "-"), "-._") }

var interpreter = regexp.MustCompile(`^(python[0-9.]*|node|ruby|perl|Rscript|julia|bash|sh|zsh|java|go|env|nice|timeout|stdbuf)$`)

// namesake explains the refusal of a sweep whose name was made from its command
// if the study of that name is another project's: one of another folder, or one
// without a command. A name that was typed is taken for what was meant.
func namesake(ctx context.Context, st *State, db reader, p *plan, refusal error) error {
	if !p.unnamed || types.CodeOf(refusal) != types.Conflict {
		return refusal
	}
	stored, err := db.Study(ctx, p.spec.Project, p.spec.Name)
	if err != nil {
		return refusal
	}
	if stored.Spec.Run != nil && stored.Spec.Run.Dir == p.spec.Run.Dir {
		return withFreeNumber(ctx, db, p, refusal)
	}
	of := "a program that asks for its trials itself"
	if stored.Spec.Run != nil {
		of = "another folder, " + stored.Spec.Run.Dir
	}
	name, err := freeName(ctx, db, p)
	if err != nil {
		return err
	}
	e := types.Errorf(types.Conflict, "the study %s exists and is that of %s; without --name a sweep is named after its program", p.spec.Name, of).
		WithRemedy("give this one a name of its own:\n  %s", withName(st.Args, name))
	if _, server := db.(remoteReader); server && stored.Spec.Run != nil {
		e.Remedy += "\n  or take part in that study:\n  " + withName(st.Args, p.spec.Name)
	}
	return e
}

// withFreeNumber is the refusal of a sweep whose name was made from its command,
// with a name that is free: another search of the same program.
func withFreeNumber(ctx context.Context, db reader, p *plan, refusal error) error {
	e, ok := errors.AsType[*types.Error](refusal)
	if !ok {
		return refusal
	}
	const most = 100
	for n := 2; n < most; n++ {
		name := fmt.Sprintf("%s-%d", p.spec.Name, n)
		if _, err := db.Study(ctx, p.spec.Project, name); types.CodeOf(err) == types.NotFound {
			named := *e
			named.Remedy = strings.Replace(e.Remedy, "another name", "another name, as in --name "+name, 1)
			return &named
		}
	}
	return refusal
}

// freeName is the name of the plan's study with the names of its folders before
// it: as many as it takes for a name that no study of another folder has.
func freeName(ctx context.Context, db reader, p *plan) (string, error) {
	name := p.spec.Name
	for dir := p.spec.Run.Dir; ; dir = filepath.Dir(dir) {
		part := cleanName(filepath.Base(dir))
		if part == "" {
			return name, nil // not even the whole path makes a difference
		}
		name = part + "-" + name
		other, err := db.Study(ctx, p.spec.Project, name)
		if types.CodeOf(err) == types.NotFound {
			return name, nil
		}
		if err != nil {
			return "", err
		}
		if other.Spec.Run != nil && other.Spec.Run.Dir == p.spec.Run.Dir {
			return name, nil // goes on with what was named so before
		}
	}
}

// withName is the command line that was typed, with a name.
func withName(args []string, name string) string {
	at := slices.Index(args, "sweep") + 1
	return argv.Quote(slices.Concat([]string{"tuner"}, args[:at], []string{"--name", name}, args[at:]))
}
