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
	// Worker returns the worker of a project with a name; NotFound if there is none.
	Worker(ctx context.Context, project, name string) (Worker, error)
	// ListWorkers returns the workers of a project ("": of all), by project and
	// name.
	ListWorkers(ctx context.Context, project string) ([]Worker, error)
	// DropWorkers removes those that were last seen before a time and are not put
	// aside.
	DropWorkers(ctx context.Context, before time.Time) error
	// DropWorker forgets a worker, and whose its name is; NotFound if there is
	// none, Conflict while it is put aside.
	DropWorker(ctx context.Context, project, name string) error
}

// Worker is one that asked for trials.
type Worker struct {
	Project string
	Name    string // unique within the project, at most 512 bytes
	// Owner is the owner of the token that used the name first; "" if none has.
	Owner   string
	Created time.Time
	Seen    time.Time
	Info    types.WorkerInfo
}

// Normal is w as a store keeps it.
func (w Worker) Normal() Worker {
	w.Project, w.Name, w.Owner = Text(w.Project), Text(w.Name), Text(w.Owner)
	w.Created, w.Seen, w.Info.AsideSince = Time(w.Created), Time(w.Seen), Time(w.Info.AsideSince)
	return w
}

// NoWorker is the error for a worker that is not there.
func NoWorker(project, name string) error {
	return types.Errorf(types.NotFound, "the project %s has no worker %q", project, name).WithField("worker").
		WithRemedy("list the workers of the project for their names")
}

// WorkerAside is the error for a worker that cannot be forgotten, since with it
// the reason would be forgotten why it gets no trials.
func WorkerAside(name, why string) error {
	return types.Errorf(types.Conflict, "the worker %s is put aside: %s", name, why).WithField("worker").
		WithRemedy("let it back first: tuner worker allow '%s'", name)
}
