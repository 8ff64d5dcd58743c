package store

import (
	"context"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// Workers keeps who runs the trials of a project.
type Workers interface {
	// ChangeWorker stores what change makes of the worker of a project with a
	// name, all at once: two calls never lose what the other did. A worker that
	// is not there comes with Project and Name only and a zero Created, which
	// change sets; the project is made if it is missing. If change fails, nothing
	// is stored and its error is returned. It may be called more than once, and
	// must not use the store.
	ChangeWorker(ctx context.Context, project, name string, change func(w *Worker) error) error
	// ListWorkers returns the workers of a project ("": of all), by project and
	// name.
	ListWorkers(ctx context.Context, project string) ([]Worker, error)
	// DropWorkers removes those that were last seen before a time and are not put
	// aside.
	DropWorkers(ctx context.Context, before time.Time) error
}

// Worker is one that asked for trials.
type Worker struct {
	Project string
	Name    string // unique within the project, at most 512 bytes
	Created time.Time
	Seen    time.Time
	Info    types.WorkerInfo
}

// Normal is w as a store keeps it.
func (w Worker) Normal() Worker {
	w.Project, w.Name = Text(w.Project), Text(w.Name)
	w.Created, w.Seen, w.Info.AsideSince = Time(w.Created), Time(w.Seen), Time(w.Info.AsideSince)
	return w
}
