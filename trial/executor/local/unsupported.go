//go:build !linux && !darwin

package local

import (
	"context"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor"
)

// Executor cannot be made on this platform.
type Executor struct{}

var _ executor.Executor = (*Executor)(nil)

func unsupported() error {
	return types.Errorf(types.Unsupported, "the local executor needs Linux or macOS").
		WithRemedy("on Windows use tuner as client or the SDK")
}

// New returns an Unsupported error.
func New(Config) (*Executor, error) { return nil, unsupported() }

// Supervise returns an Unsupported error.
func Supervise(context.Context, []string) error { return unsupported() }

// FindExecutable returns an Unsupported error.
func FindExecutable(string, string, []string) (string, error) { return "", unsupported() }

// CheckProgram returns an Unsupported error.
func CheckProgram(string, string, []string) error { return unsupported() }

// Start returns an Unsupported error.
func (*Executor) Start(context.Context, executor.Spec) (string, error) { return "", unsupported() }

// Status returns an Unsupported error.
func (*Executor) Status(context.Context, []string) ([]executor.Status, error) {
	return nil, unsupported()
}

// Wait returns an Unsupported error.
func (*Executor) Wait(context.Context, string) (executor.Status, error) {
	return executor.Status{}, unsupported()
}

// Stop returns an Unsupported error.
func (*Executor) Stop(context.Context, string, string, time.Duration) error { return unsupported() }

// Close does nothing.
func (*Executor) Close() error { return nil }

// Reclaim has nothing to do: no attempt was ever started here.
func Reclaim(context.Context, string) error { return nil }
