package cli

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/gotuner/tuner/api/types"
)

// The exit codes, which scripts rely on.
const (
	exitDone        = 0
	exitInternal    = 1
	exitUsage       = 2
	exitNoneDone    = 3 // no trial completed
	exitFailures    = 4 // stopped by failures
	exitInterrupted = 130
)

// exitError ends the program with a code; an empty message was said already.
type exitError struct {
	code    int
	message string
}

func (e *exitError) Error() string { return e.message }

// usagef is an error in what the user typed.
func usagef(format string, args ...any) *types.Error {
	return types.Errorf(types.Invalid, format, args...)
}

// exitCode maps an error to the program's exit code.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	switch types.CodeOf(err) {
	case types.Invalid, types.NotFound, types.Conflict, types.Superseded, types.Exhausted, types.Unsupported, types.Unauthenticated, types.Forbidden:
		return exitUsage // refused, with nothing wrong in tuner
	case types.Unavailable, types.Internal:
	}
	return exitInternal
}

// complain prints an error as the user sees it: what was wrong, then what to do.
func complain(st *State, err error) {
	if msg := sentence(err); msg != "" {
		fmt.Fprintf(st.Stderr, "tuner: %s\n", msg)
	}
}

func sentence(err error) string {
	msg := err.Error()
	if e, ok := errors.AsType[*types.Error](err); ok {
		msg = e.Message
		if e.Field != "" {
			msg = e.Field + ": " + msg
		}
		if e.Remedy != "" {
			msg += "\n  " + e.Remedy
		}
	}
	return msg
}

// cause is the reason of a failed operation on a file, whose path the caller
// names in its own words.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// asTyped finds the tuner error in err.
func asTyped(err error) (*types.Error, bool) { return errors.AsType[*types.Error](err) }
