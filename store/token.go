package store

import (
	"context"
	"slices"
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

// Role says what a token may do; package api has the table.
type Role string

// The roles.
const (
	// RoleAdmin may do everything.
	RoleAdmin Role = "admin"
	// RoleSubmit makes studies, and changes and runs its owner's.
	RoleSubmit Role = "submit"
	// RoleWorker runs trials of all studies.
	RoleWorker Role = "worker"
	// RoleViewer reads.
	RoleViewer Role = "viewer"
)

// Roles are all roles, the mightiest first.
func Roles() []Role { return []Role{RoleAdmin, RoleSubmit, RoleWorker, RoleViewer} }

// Token is a right to use a server.
type Token struct {
	ID int64
	// Project is where the token is kept and its name is unique. It says nothing
	// of what the token may do; Projects does.
	Project string
	Name    string
	Hash    []byte
	Role    Role
	// Owner is the person or program that has the token; several tokens may have
	// one owner. Studies that are made with it belong to the owner.
	Owner string
	// Projects are the names of those that the token is for; empty is all.
	Projects []string
	Created  time.Time
	Expires  time.Time // zero: never
}

// For reports whether t is for a project.
func (t *Token) For(project string) bool {
	return len(t.Projects) == 0 || slices.Contains(t.Projects, project)
}

// Validate reports whether t can be stored.
func (t *Token) Validate() error {
	switch {
	case t.Project == "" || t.Name == "" || len(t.Hash) == 0:
		return types.Errorf(types.Internal, "a token needs a project, a name and a hash")
	case !slices.Contains(Roles(), t.Role):
		return types.Errorf(types.Internal, "the token %s has the role %q, which there is not", t.Name, t.Role)
	case t.Role == RoleSubmit && t.Owner == "":
		return types.Errorf(types.Internal, "the token %s is to change its owner's studies and has no owner", t.Name)
	}
	for _, p := range t.Projects {
		if p == "" || strings.ContainsAny(p, " \t\n") {
			return types.Errorf(types.Internal, "%q is no name of a project", p)
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
