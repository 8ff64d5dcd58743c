package store

import (
	"context"
	"regexp"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// Access is what only servers need: whose is what, and who may use it.
type Access interface {
	Tokens
	Workers
	Projects
}

// Projects are the owners of studies, tokens and workers.
type Projects interface {
	// AddProject makes a project; created is false if it was there already. Making
	// a study or a token of a project makes the project too.
	AddProject(ctx context.Context, name string, now time.Time) (p Project, created bool, err error)
	// ListProjects returns the projects by name, after the given one, at most limit
	// (0: 1000), with the number of their studies.
	ListProjects(ctx context.Context, after string, limit int) ([]Project, error)
}

// Project is a project as it is listed. Created is zero where nobody knows.
type Project struct {
	Name    string
	Created time.Time
	Studies int64
}

var projectForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// CheckProject refuses what is no name of a project.
func CheckProject(name string) error {
	if !projectForm.MatchString(name) {
		return types.Errorf(types.Invalid, "%q is no name of a project", name).WithField("name").
			WithRemedy("use letters, digits, '.', '_' and '-', a letter or digit first, at most 128")
	}
	return nil
}
