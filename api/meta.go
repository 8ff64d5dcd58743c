package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
)

// Health answers the checks of those who supervise the server.
type Health struct {
	Status string `json:"status"`
}

type (
	nothing      struct{}
	healthOutput struct{ Body Health }
	infoOutput   struct{ Body types.ServerInfo }
	rawOutput    struct{ Body json.RawMessage }
)

func (s *Server) metaRoutes() {
	open := []map[string][]string{} // needs no token
	handle(s, huma.Operation{OperationID: "health", Method: http.MethodGet, Path: "/healthz", Security: open, Tags: []string{"server"},
		Summary: "Whether the server runs"},
		func(context.Context, *nothing) (*healthOutput, error) { return &healthOutput{Health{"ok"}}, nil })
	handle(s, huma.Operation{OperationID: "ready", Method: http.MethodGet, Path: "/readyz", Security: open, Tags: []string{"server"},
		Summary: "Whether the server takes requests: not while it shuts down or its database is away"}, s.ready)
	handle(s, huma.Operation{OperationID: "info", Method: http.MethodGet, Path: "/v1/info", Tags: []string{"server"},
		Summary: "What this server is"},
		func(context.Context, *nothing) (*infoOutput, error) {
			return &infoOutput{types.ServerInfo{Name: "tuner", Version: s.cfg.Build, API: Version}}, nil
		})
	handle(s, huma.Operation{OperationID: "openapi", Method: http.MethodGet, Path: "/v1/openapi.json", Tags: []string{"server"},
		Summary: "This document"},
		func(context.Context, *nothing) (*rawOutput, error) {
			b, err := s.OpenAPI()
			return &rawOutput{b}, err
		})
}

// readyPatience is how long the database may take to be there.
const readyPatience = 2 * time.Second

func (s *Server) ready(ctx context.Context, _ *nothing) (*healthOutput, error) {
	if s.draining.Err() != nil {
		return nil, errDraining()
	}
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	if _, err := s.cfg.Store.ListStudies(ctx, "", "", 1); err != nil {
		s.cfg.Logger.WarnContext(ctx, "not ready", "error", err)
		return nil, types.Errorf(types.Unavailable, "the database is away") // the reason is not for everybody
	}
	return &healthOutput{Health{"ready"}}, nil
}
