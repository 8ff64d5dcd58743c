// Package bulk imports finished trials from streams of any length: at constant
// memory, and so that what broke off can be repeated and goes on.
//
// The trials are handed over in batches, each of which is stored whole or not at
// all, under a key of its own that is made of the key of the whole. Where a batch
// ends depends on nothing but the trials in it. A stream that comes again with
// the same key therefore finds its first batches done and continues behind them.
package bulk

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// A batch ends where it has one of these.
const (
	batchTrials = 1000
	batchBytes  = 1 << 20 // about what the trials take as JSON
)

// Into adds trials to a study. The fields up to Do are set by its maker; it is
// for one goroutine.
type Into struct {
	Study int64
	// Key is the key of the whole; it must not be empty.
	Key string
	// Do carries out a batch. Unavailable is returned as it is: who can wait,
	// waits in Do.
	Do func(ctx context.Context, req types.ControlRequest) (types.ControlReply, error)

	// Result counts what has been stored, and what was left out.
	Result types.ImportResult

	trials  []types.FinishedTrial
	lines   []int
	bytes   int
	batches int
	stored  int // the line of the last trial that is stored
}

// Add hands over the trial of a line. One that is not finished is left out. The
// errors are those of Do, about a line of the batch where they are about a trial.
func (in *Into) Add(ctx context.Context, line int, t types.FinishedTrial) error {
	if !t.State.Finished() {
		in.Result.LeftOut++
		return nil
	}
	in.trials, in.lines = append(in.trials, t), append(in.lines, line)
	if in.bytes += size(t); len(in.trials) < batchTrials && in.bytes < batchBytes {
		return nil
	}
	return in.Flush(ctx)
}

// Flush stores what has been added; it is called at the end of the stream, and
// not after an error: the batch of a line that is wrong is not stored.
func (in *Into) Flush(ctx context.Context) error {
	if len(in.trials) == 0 {
		return nil
	}
	in.batches++
	reply, err := in.Do(ctx, types.ControlRequest{Study: in.Study, Kind: types.Import, Trials: in.trials,
		Key: in.Key + "/" + strconv.Itoa(in.batches)})
	if err != nil {
		return in.Fault(in.lineOf(err))
	}
	if n := int64(len(in.trials)); reply.Repeated {
		in.Result.Repeated += n
	} else {
		in.Result.Added += n
	}
	in.number(reply.Numbers)
	in.stored = in.lines[len(in.lines)-1]
	in.trials, in.lines, in.bytes = in.trials[:0], in.lines[:0], 0
	return nil
}

// number notes the numbers of a batch, which ascend.
func (in *Into) number(numbers []int64) {
	for _, n := range numbers {
		if k := len(in.Result.Numbers) - 1; k >= 0 && in.Result.Numbers[k].Last == n-1 {
			in.Result.Numbers[k].Last = n
			continue
		}
		in.Result.Numbers = append(in.Result.Numbers, types.NumberRange{First: n, Last: n})
	}
}

// lineOf is an error of a batch as one of its line.
func (in *Into) lineOf(err error) error {
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	if e.Code == types.Conflict && e.Field == "key" {
		return types.Errorf(types.Conflict, "the trials of the lines %d to %d are others than those that came with the key %q before",
			in.lines[0], in.lines[len(in.lines)-1], in.Key).WithField("key").
			WithRemedy("send what was sent then, or choose another key: with that all are added")
	}
	rest, ok := strings.CutPrefix(e.Field, "trials[")
	index, rest, closed := strings.Cut(rest, "]")
	i, bad := strconv.Atoi(index)
	if !ok || !closed || bad != nil || i < 0 || i >= len(in.lines) {
		return e
	}
	of := *e
	of.Field = strings.TrimPrefix(rest, ".")
	return AtLine(in.lines[i], &of)
}

// Fault completes an error that ends the import: it says what is stored.
func (in *Into) Fault(err error) error {
	if _, ok := errors.AsType[*types.Error](err); !ok { // whoever called has gone
		return err
	}
	e := asError(err)
	if e.Code == types.Conflict && e.Field == "key" {
		return e
	}
	then := "nothing is stored yet"
	if in.stored > 0 {
		then = fmt.Sprintf("the trials up to line %d are stored: send all again with the same key, and it goes on behind them", in.stored)
	}
	e.Remedy = strings.TrimPrefix(e.Remedy+"; "+then, "; ")
	return e
}

// AtLine is an error about a line, from 1.
func AtLine(line int, err error) error {
	e := asError(err)
	if f := strings.TrimPrefix(e.Field, "params."); f != "" && f != "params" {
		e.Message = f + ": " + e.Message
	}
	e.Field = "line " + strconv.Itoa(line)
	return e
}

// asError is a copy of err that may be changed.
func asError(err error) *types.Error {
	if e, ok := errors.AsType[*types.Error](err); ok {
		own := *e
		return &own
	}
	return types.Errorf(types.Internal, "%w", err)
}

// size is about what a trial takes as JSON.
func size(t types.FinishedTrial) int {
	const number = 24
	n := 64 + len(t.Reason)
	for _, p := range t.Params {
		n += len(p.Name) + number
		if s, ok := p.Value.(string); ok {
			n += len(s)
		}
	}
	for name := range t.Metrics {
		n += len(name) + number
	}
	return n
}
