package sqlstore

import (
	"context"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/gotuner/tuner/store"
)

// AddToken implements store.Tokens.
func (s *Store) AddToken(ctx context.Context, t store.Token) (store.Token, error) {
	if err := t.Validate(); err != nil {
		return store.Token{}, err
	}
	t.Project, t.Name, t.Owner = store.Text(t.Project), store.Text(t.Name), store.Text(t.Owner)
	t.Created, t.Expires = store.Time(t.Created), store.Time(t.Expires)
	var id int64
	err := s.writer.do(ctx, func(tx *gorm.DB) error {
		project := projectRow{Name: t.Project, Created: micros(s.now())}
		err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&project).Error
		if err == nil {
			project = projectRow{}
			err = tx.Where("name = ?", t.Project).Take(&project).Error
		}
		if err != nil {
			return err
		}
		row := tokenRow{ProjectID: project.ID, Name: t.Name, Hash: t.Hash, Scopes: scopeOf(t), Created: micros(t.Created),
			Owner: t.Owner, Projects: strings.Join(t.Projects, " ")}
		if !t.Expires.IsZero() {
			at := micros(t.Expires)
			row.Expires = &at
		}
		if err := tx.Create(&row).Error; err != nil {
			if isDuplicate(err) {
				return store.TokenTaken(t.Project, t.Name)
			}
			return err
		}
		id = row.ID
		return nil
	})
	if err != nil {
		return store.Token{}, err
	}
	t.ID = id
	return t, nil
}

// tokenOfProject is a token with the name of its project.
type tokenOfProject struct {
	ID      int64
	Project string
	Name    string
	Hash    []byte
	Scopes  string
	Created int64
	Expires *int64

	Owner    string
	Projects string
}

// projectAdmin is the role of an administrator of some projects as it is stored:
// to a server of an earlier version, which knows the role admin and no projects,
// that must not be one of all.
const projectAdmin = "project-admin"

func scopeOf(t store.Token) string {
	if t.Role == store.RoleAdmin && len(t.Projects) > 0 {
		return projectAdmin
	}
	return string(t.Role)
}

func (r *tokenOfProject) token() store.Token {
	t := store.Token{ID: r.ID, Project: r.Project, Name: r.Name, Hash: r.Hash, Role: store.Role(r.Scopes), Owner: r.Owner,
		Created: timeAt(r.Created)}
	if r.Projects != "" {
		t.Projects = strings.Fields(r.Projects)
	}
	if r.Scopes == projectAdmin && len(t.Projects) > 0 {
		t.Role = store.RoleAdmin
	}
	if r.Expires != nil {
		t.Expires = timeAt(*r.Expires)
	}
	return t
}

func tokensWithProject(db *gorm.DB) *gorm.DB {
	return db.Table("tokens").
		Select("tokens.id, tokens.name, hash, scopes, tokens.created, expires, tokens.owner, tokens.projects, projects.name AS project").
		Joins("JOIN projects ON projects.id = tokens.project_id")
}

// Token implements store.Tokens.
func (s *Store) Token(ctx context.Context, hash []byte) (store.Token, error) {
	var row tokenOfProject
	err := s.read(ctx, func(db *gorm.DB) error {
		row = tokenOfProject{}
		return one(tokensWithProject(db).Where("hash = ?", hash).Take(&row).Error, func() error { return store.NoToken("", "") })
	})
	if err != nil {
		return store.Token{}, err
	}
	return row.token(), nil
}

// ListTokens implements store.Tokens.
func (s *Store) ListTokens(ctx context.Context, project string) ([]store.Token, error) {
	var rows []tokenOfProject
	err := s.read(ctx, func(db *gorm.DB) error {
		rows = nil
		q := tokensWithProject(db).Order("projects.name, tokens.name")
		if project != "" {
			q = q.Where("projects.name = ?", project)
		}
		return q.Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	var out []store.Token
	for i := range rows {
		out = append(out, rows[i].token())
	}
	return out, nil
}

// DropToken implements store.Tokens.
func (s *Store) DropToken(ctx context.Context, project, name string) error {
	return s.writer.do(ctx, func(tx *gorm.DB) error {
		r := tx.Where("name = ? AND project_id IN (SELECT id FROM projects WHERE name = ?)", name, project).Delete(&tokenRow{})
		if r.Error == nil && r.RowsAffected == 0 {
			return store.NoToken(project, name)
		}
		return r.Error
	})
}
