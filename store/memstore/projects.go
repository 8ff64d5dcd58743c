package memstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/gotuner/tuner/store"
)

// AddProject implements store.Projects.
func (s *Store) AddProject(_ context.Context, name string, now time.Time) (p store.Project, created bool, err error) {
	if err := store.CheckProject(name); err != nil {
		return p, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return p, false, errClosed()
	}
	created = s.makeProject(name, now)
	return store.Project{Name: name, Created: s.projects[name]}, created, nil
}

// makeProject makes a project if it is missing; the caller holds the lock.
func (s *Store) makeProject(name string, now time.Time) (created bool) {
	if _, ok := s.projects[name]; ok {
		return false
	}
	if s.projects == nil {
		s.projects = map[string]time.Time{}
	}
	s.projects[name] = store.Time(now)
	return true
}

// ListProjects implements store.Projects.
func (s *Store) ListProjects(_ context.Context, after string, limit int) ([]store.Project, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed()
	}
	studies := map[string]int64{}
	for n := range s.byName {
		studies[n.project]++
	}
	var out []store.Project
	for _, name := range slices.Sorted(maps.Keys(s.projects)) {
		if name > after && len(out) < cmp.Or(limit, 1000) {
			out = append(out, store.Project{Name: name, Created: s.projects[name], Studies: studies[name]})
		}
	}
	return out, nil
}
