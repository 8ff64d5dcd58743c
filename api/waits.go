package api

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
)

// waits marks the operations of handleWaiting for the adapter.
const waits = "waits"

// handleWaiting adds a route whose callers may wait, thousands at a time, with
// the body of its answer as the handler's result.
//
// A waiting caller holds the stack of its connection's goroutine, and what huma
// needs to read and check a request doubles that. So huma does it on a goroutine
// of its own, which ends before the handler begins.
func handleWaiting[I, B any](s *Server, op huma.Operation, h func(ctx context.Context, in *I) (B, error)) {
	op.Metadata = map[string]any{waits: true}
	op.Responses = map[string]*huma.Response{"200": {Description: http.StatusText(http.StatusOK), Content: map[string]*huma.MediaType{
		"application/json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[B](), true, "")},
	}}}
	handle(s, op, func(_ context.Context, in *I) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			hc.(*echoContext).then = func(c echo.Context) error {
				ctx := c.Request().Context()
				out, err := h(ctx, in)
				if err != nil {
					s.problemOf(ctx, err).write(c.Response())
					return nil
				}
				return answer(c, out)
			}
		}}, nil
	})
}

// answer sends the body of an answer.
func answer(c echo.Context, body any) error {
	c.Response().Header().Set("Content-Type", "application/json")
	c.Response().WriteHeader(http.StatusOK)
	_ = marshalJSON(c.Response(), body) // a caller that is gone needs no answer
	return nil
}
