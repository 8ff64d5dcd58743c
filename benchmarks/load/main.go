// Command load measures a tuner server from outside: a real process, real
// sockets on this machine, and the load made on the same processors.
//
//	go run ./benchmarks/load rest      trials a second over HTTP
//	go run ./benchmarks/load open      latency at a given rate (open loop)
//	go run ./benchmarks/load million   1,000,000 trials and 10,000,000 reports
//	go run ./benchmarks/load idle      memory of 5,000 callers that wait
//	go run ./benchmarks/load fill DB   only makes the database of million
//
// Each ends by itself, leaves nothing behind, and prints its figures with their
// goals. -h after the name lists the flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// longest is the time after which any command ends itself.
const longest = 30 * time.Minute

// bench is what all commands share.
type bench struct {
	flags *flag.FlagSet
	// tuner lists the binaries to measure, the first of which is the one to
	// compare with; "" builds the tree's.
	tuner  string
	rounds int
	dir    string
	scrap  string // removed at the end
	failed bool
}

type command struct {
	name string
	what string
	run  func(ctx context.Context, b *bench, args []string) error
}

func commands() []command {
	return []command{
		{"rest", "trials a second over HTTP", rest},
		{"million", "1,000,000 trials and 10,000,000 reports", million},
		{"fill", "only make the database of million", fill},
		{"open", "latency at a given rate (open loop)", openLoop},
		{"idle", "memory of 5,000 callers that wait", idle},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ctx, cancel := context.WithTimeout(ctx, longest)
	err := dispatch(ctx, os.Args[1:])
	cancel()
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) (err error) {
	for _, c := range commands() {
		if len(args) == 0 || c.name != args[0] {
			continue
		}
		b := &bench{flags: flag.NewFlagSet(c.name, flag.ContinueOnError)}
		b.flags.StringVar(&b.tuner, "tuner", "", "binaries to measure in turn, separated by commas (default: built from this tree)")
		b.flags.IntVar(&b.rounds, "rounds", 1, "how often each binary is measured")
		b.flags.StringVar(&b.dir, "dir", os.TempDir(), "folder in which a folder for the databases is made")
		if b.scrap, err = os.MkdirTemp(os.TempDir(), "tuner-load-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(b.scrap)) }()
		if err := c.run(ctx, b, args[1:]); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if b.failed {
			return fmt.Errorf("%s: a goal was missed", c.name)
		}
		return nil
	}
	for _, c := range commands() {
		fmt.Fprintf(os.Stderr, "  load %-8s %s\n", c.name, c.what)
	}
	return flag.ErrHelp
}

// parse reads the flags of a command and finds or builds the binaries.
func (b *bench) parse(ctx context.Context, args []string) (bins []string, err error) {
	if err := b.flags.Parse(args); err != nil {
		return nil, err
	}
	if b.dir != os.TempDir() {
		made, err := os.MkdirTemp(b.dir, "tuner-load-")
		if err != nil {
			return nil, err
		}
		if err := os.Remove(b.scrap); err != nil {
			return nil, err
		}
		b.scrap = made
	}
	if b.tuner != "" {
		return strings.Split(b.tuner, ","), nil
	}
	bin, err := build(ctx, b.scrap)
	return []string{bin}, err
}

// build makes the tree's tuner in a folder.
func build(ctx context.Context, dir string) (bin string, err error) {
	bin = filepath.Join(dir, "tuner")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "github.com/gotuner/tuner/cmd/tuner")
	cmd.Stderr = os.Stderr
	return bin, cmd.Run()
}

// goal prints a figure beside what it should be; a goal of 0 is none.
func (b *bench) goal(what string, got, want float64, unit string, atLeast bool) {
	verdict := ""
	if want != 0 {
		sign, good := "<", got < want
		if atLeast {
			sign, good = ">", got > want
		}
		verdict = fmt.Sprintf("  goal %s %s %s", sign, number(want), unit)
		if !good {
			verdict += "  MISSED"
			b.failed = true
		}
	}
	fmt.Printf("%-58s %10s %s%s\n", what, number(got), unit, verdict)
}

func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
