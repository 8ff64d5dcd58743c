package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/gotuner/tuner/store"
)

// ChangeWorker implements store.Workers.
func (s *Store) ChangeWorker(_ context.Context, project, worker string, change func(w *store.Worker) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	n := name{store.Text(project), store.Text(worker)}
	w, ok := s.workers[n]
	if !ok {
		w = store.Worker{Project: n.project, Name: n.study}
	}
	if err := change(&w); err != nil {
		return err
	}
	w.Project, w.Name = n.project, n.study
	s.workers[n] = w.Normal()
	return nil
}

// Worker implements store.Workers.
func (s *Store) Worker(_ context.Context, project, worker string) (store.Worker, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.Worker{}, errClosed()
	}
	w, ok := s.workers[name{store.Text(project), store.Text(worker)}]
	if !ok {
		return w, store.NoWorker(project, worker)
	}
	return w, nil
}

// DropWorker implements store.Workers.
func (s *Store) DropWorker(_ context.Context, project, worker string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	n := name{store.Text(project), store.Text(worker)}
	w, ok := s.workers[n]
	switch {
	case !ok:
		return store.NoWorker(project, worker)
	case w.Info.Aside != "":
		return store.WorkerAside(w.Name, w.Info.Aside)
	}
	delete(s.workers, n)
	return nil
}

// ListWorkers implements store.Workers.
func (s *Store) ListWorkers(_ context.Context, project string) ([]store.Worker, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed()
	}
	var out []store.Worker
	for n, w := range s.workers {
		if project == "" || n.project == project {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b store.Worker) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// DropWorkers implements store.Workers.
func (s *Store) DropWorkers(_ context.Context, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	for n, w := range s.workers {
		if w.Info.Aside == "" && w.Seen.Before(before) {
			delete(s.workers, n)
		}
	}
	return nil
}
