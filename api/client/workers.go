package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/gotuner/tuner/api/types"
)

// ListWorkers returns a page of those who asked for trials of a project, after the
// given name, at most limit (1 to 1000).
func (c *Client) ListWorkers(ctx context.Context, project, after string, limit int) (types.WorkerPage, error) {
	var out types.WorkerPage
	if err := checkName("project", project); err != nil {
		return out, err
	}
	err := c.patient(ctx, request{method: http.MethodGet, path: []string{"v1", "projects", project, "workers"},
		query: page(url.Values{}, after, limit)}, &out)
	return out, err
}

// RemoveWorker forgets a worker, so that others may use its name.
func (c *Client) RemoveWorker(ctx context.Context, project, worker string) (types.Worker, error) {
	var out types.Worker
	if err := checkName("project", project); err != nil {
		return out, err
	}
	err := c.patient(ctx, request{method: http.MethodDelete, path: []string{"v1", "projects", project, "workers"},
		query: url.Values{"worker": {worker}}}, &out)
	return out, err
}

// PatchWorker puts a worker aside, or lets it back.
func (c *Client) PatchWorker(ctx context.Context, project string, p types.WorkerPatch) (types.Worker, error) {
	var out types.Worker
	if err := checkName("project", project); err != nil {
		return out, err
	}
	err := c.patient(ctx, request{method: http.MethodPatch, path: []string{"v1", "projects", project, "workers"}, body: p}, &out)
	return out, err
}
