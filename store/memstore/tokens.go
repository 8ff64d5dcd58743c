package memstore

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/gotuner/tuner/store"
)

// AddToken implements store.Tokens.
func (s *Store) AddToken(_ context.Context, t store.Token) (store.Token, error) {
	if err := t.Validate(); err != nil {
		return store.Token{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.Token{}, errClosed()
	}
	t = keptToken(t)
	for _, o := range s.tokens {
		if (o.Project == t.Project && o.Name == t.Name) || bytes.Equal(o.Hash, t.Hash) {
			return store.Token{}, store.TokenTaken(t.Project, t.Name)
		}
	}
	s.makeProject(t.Project, t.Created)
	s.lastToken++
	t.ID = s.lastToken
	s.tokens = append(s.tokens, t)
	return keptToken(t), nil
}

// Token implements store.Tokens.
func (s *Store) Token(_ context.Context, hash []byte) (store.Token, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.Token{}, errClosed()
	}
	for _, t := range s.tokens {
		if bytes.Equal(t.Hash, hash) {
			return keptToken(t), nil
		}
	}
	return store.Token{}, store.NoToken("", "")
}

// ListTokens implements store.Tokens.
func (s *Store) ListTokens(_ context.Context, project string) ([]store.Token, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed()
	}
	var out []store.Token
	for _, t := range s.tokens {
		if project == "" || t.Project == project {
			out = append(out, keptToken(t))
		}
	}
	slices.SortFunc(out, func(a, b store.Token) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// DropToken implements store.Tokens.
func (s *Store) DropToken(_ context.Context, project, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	at := slices.IndexFunc(s.tokens, func(t store.Token) bool { return t.Project == project && t.Name == name })
	if at < 0 {
		return store.NoToken(project, name)
	}
	s.tokens = slices.Delete(s.tokens, at, at+1)
	return nil
}

// keptToken is t as a database would give it back.
func keptToken(t store.Token) store.Token {
	t.Project, t.Name = store.Text(t.Project), store.Text(t.Name)
	t.Hash, t.Projects = bytes.Clone(t.Hash), slices.Clone(t.Projects)
	t.Owner = store.Text(t.Owner)
	if len(t.Projects) == 0 {
		t.Projects = nil
	}
	t.Created, t.Expires = store.Time(t.Created), store.Time(t.Expires)
	return t
}
