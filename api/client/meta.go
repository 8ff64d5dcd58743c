package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/gotuner/tuner/api/types"
)

// Algorithms returns the algorithms of the server with their settings.
func (c *Client) Algorithms(ctx context.Context) ([]types.ComponentInfo, error) {
	return c.components(ctx, "algorithms")
}

// Stoppers returns the stoppers of the server with their settings.
func (c *Client) Stoppers(ctx context.Context) ([]types.ComponentInfo, error) {
	return c.components(ctx, "stoppers")
}

func (c *Client) components(ctx context.Context, what string) ([]types.ComponentInfo, error) {
	var out types.ComponentList
	err := c.patient(ctx, request{method: http.MethodGet, path: []string{"v1", what}}, &out)
	return out.Components, err
}

// ListProjects returns a page of the projects by name, after the given name, at
// most limit (1 to 1000).
func (c *Client) ListProjects(ctx context.Context, after string, limit int) (types.ProjectPage, error) {
	var out types.ProjectPage
	err := c.patient(ctx, request{method: http.MethodGet, path: []string{"v1", "projects"}, query: page(url.Values{}, after, limit)}, &out)
	return out, err
}

// OpenProject makes a project, or finds the one of that name.
func (c *Client) OpenProject(ctx context.Context, name string) (types.Project, error) {
	var out types.Project
	err := c.patient(ctx, request{method: http.MethodPost, path: []string{"v1", "projects"}, body: types.ProjectBody{Name: name}}, &out)
	return out, err
}
