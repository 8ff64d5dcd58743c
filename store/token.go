package store

import (
	"context"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// Tokens keeps who may use a server. Of a token only a hash is stored, which
// the caller makes.
type Tokens interface {
	// AddToken stores a token (its ID is ignored; the project is made if it is
	// missing) and returns it with its ID. Conflict if the project has one of
	// that name, or any has that hash.
	AddToken(ctx context.Context, t Token) (Token, error)
	// Token returns the token with a hash; NotFound if there is none. Whether it
	// has expired is for the caller to see.
	Token(ctx context.Context, hash []byte) (Token, error)
	// ListTokens returns the tokens of a project ("": of all), by project and name.
	ListTokens(ctx context.Context, project string) ([]Token, error)
	// DropToken removes a token; NotFound if there is none of that name.
	DropToken(ctx context.Context, project, name string) error
}

// ScopeAdmin lets a token do everything in all projects.
const ScopeAdmin = "admin"

// Token is a right to use a server.
type Token struct {
	ID int64
	// Project is where the token belongs and its name is unique. What it may do
	// there and elsewhere is in Scopes.
	Project string
	Name    string
	Hash    []byte
	// Scopes are words without spaces, at least one; see ScopeAdmin.
	Scopes  []string
	Created time.Time
	Expires time.Time // zero: never
}

// Validate reports whether t can be stored.
func (t *Token) Validate() error {
	switch {
	case t.Project == "" || t.Name == "" || len(t.Hash) == 0:
		return types.Errorf(types.Internal, "a token needs a project, a name and a hash")
	case len(t.Scopes) == 0:
		return types.Errorf(types.Internal, "the token %s has no scope", t.Name)
	}
	for _, s := range t.Scopes {
		if s == "" || strings.ContainsAny(s, " \t\n") {
			return types.Errorf(types.Internal, "%q is no scope", s)
		}
	}
	return nil
}

// NoToken is the error for a token that is not there.
func NoToken(project, name string) error {
	return types.Errorf(types.NotFound, "the project %s has no token %q", project, name).
		WithRemedy("tuner token ls lists them")
}

// TokenTaken is the error for a token whose name is taken.
func TokenTaken(project, name string) error {
	return types.Errorf(types.Conflict, "the project %s has a token %q already", project, name).
		WithField("name").WithRemedy("choose another name, or revoke that one")
}
