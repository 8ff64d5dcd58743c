package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/engine"
)

type (
	listWorkersInput struct {
		Project string `path:"project" maxLength:"128" doc:"Name of the project, such as default"`
		After   string `query:"after" maxLength:"512" doc:"Name after which the page begins: next of the page before"`
		Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most workers of a page"`
	}
	workersOutput    struct{ Body types.WorkerPage }
	patchWorkerInput struct {
		Project string `path:"project" maxLength:"128" doc:"Name of the project, such as default"`
		Body    types.WorkerPatch
	}
	workerOutput      struct{ Body types.Worker }
	removeWorkerInput struct {
		Project string `path:"project" maxLength:"128" doc:"Name of the project, such as default"`
		Worker  string `query:"worker" required:"true" minLength:"1" maxLength:"512" doc:"Name of the worker"`
	}
)

func (s *Server) workerRoutes() {
	tags := []string{"workers"}
	handle(s, huma.Operation{OperationID: "listWorkers", Method: http.MethodGet, Path: projectPath + "/workers", Tags: tags,
		Summary: "Who asked for trials of a project, and who is put aside"}, s.listWorkers)
	handle(s, huma.Operation{OperationID: "patchWorker", Method: http.MethodPatch, Path: projectPath + "/workers", Tags: tags,
		Summary: "Put a worker aside, so that it gets no trials, or let it back"}, s.patchWorker)
	handle(s, huma.Operation{OperationID: "removeWorker", Method: http.MethodDelete, Path: projectPath + "/workers", Tags: tags,
		Summary: "Forget a worker, so that others may use its name", DefaultStatus: http.StatusOK}, s.removeWorker)
}

func (s *Server) removeWorker(ctx context.Context, in *removeWorkerInput) (*workerOutput, error) {
	callOf(ctx).subject = in.Worker
	w, err := s.cfg.Store.Worker(ctx, in.Project, in.Worker)
	if err == nil {
		err = s.cfg.Store.DropWorker(ctx, in.Project, in.Worker)
	}
	s.claims.forget(claimName{in.Project, in.Worker})
	return &workerOutput{engine.WorkerView(w)}, err
}

func (s *Server) listWorkers(ctx context.Context, in *listWorkersInput) (*workersOutput, error) {
	all, err := s.cfg.Store.ListWorkers(ctx, in.Project)
	if err != nil {
		return nil, err
	}
	byName := func(a, b store.Worker) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(all, byName) // a database may order by a language's rules
	at, found := slices.BinarySearchFunc(all, in.After, func(w store.Worker, name string) int { return strings.Compare(w.Name, name) })
	if found {
		at++
	}
	out := workersOutput{types.WorkerPage{Workers: []types.Worker{}}}
	for _, w := range all[at:] {
		if len(out.Body.Workers) == in.Limit {
			out.Body.Next = out.Body.Workers[in.Limit-1].Name
			break
		}
		out.Body.Workers = append(out.Body.Workers, engine.WorkerView(w))
	}
	return &out, nil
}

func (s *Server) patchWorker(ctx context.Context, in *patchWorkerInput) (*workerOutput, error) {
	callOf(ctx).subject = in.Body.Worker
	w, err := engine.SetAside(ctx, s.cfg.Store, in.Project, in.Body, s.cfg.Now())
	return &workerOutput{w}, err
}
