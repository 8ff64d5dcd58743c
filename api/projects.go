package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

type (
	listProjectsInput struct {
		After string `query:"after" maxLength:"128" doc:"Name after which the page begins: next of the page before"`
		Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most projects of a page"`
	}
	projectsOutput   struct{ Body types.ProjectPage }
	openProjectInput struct{ Body types.ProjectBody }
	// projectOutput says by its status whether the project is new.
	projectOutput struct {
		Status int
		Body   types.Project
	}
)

func (s *Server) projectRoutes() {
	tags := []string{"projects"}
	handle(s, huma.Operation{OperationID: "listProjects", Method: http.MethodGet, Path: "/v1/projects", Tags: tags,
		Summary: "The projects by name, those that the token is for"}, s.listProjects)
	handle(s, huma.Operation{OperationID: "openProject", Method: http.MethodPost, Path: "/v1/projects", Tags: tags,
		Summary: "Make a project (201); 200 if it is there. A study makes its project too", DefaultStatus: http.StatusCreated}, s.openProject)
}

func (s *Server) listProjects(ctx context.Context, in *listProjectsInput) (*projectsOutput, error) {
	token := callOf(ctx).token
	out := projectsOutput{types.ProjectPage{Projects: []types.Project{}}}
	for after := in.After; ; {
		page, err := s.cfg.Store.ListProjects(ctx, after, in.Limit)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			if after = p.Name; !token.For(p.Name) {
				continue
			}
			out.Body.Projects = append(out.Body.Projects, projectView(p))
			if len(out.Body.Projects) == in.Limit {
				out.Body.Next = p.Name
				return &out, nil
			}
		}
		if len(page) < in.Limit {
			return &out, nil
		}
	}
}

func projectView(p store.Project) types.Project {
	return types.Project{Name: p.Name, Created: p.Created, Studies: p.Studies}
}

func (s *Server) openProject(ctx context.Context, in *openProjectInput) (*projectOutput, error) {
	p, created, err := s.cfg.Store.AddProject(ctx, in.Body.Name, s.cfg.Now())
	out := projectOutput{Status: http.StatusOK, Body: projectView(p)}
	if created {
		out.Status = http.StatusCreated
	}
	return &out, err
}
