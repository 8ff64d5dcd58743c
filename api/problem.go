package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
)

// statusOf maps the codes of errors to HTTP, here and nowhere else.
func statusOf(code types.Code) int {
	switch code {
	case types.Invalid:
		return http.StatusUnprocessableEntity
	case types.NotFound:
		return http.StatusNotFound
	case types.Conflict, types.Superseded, types.Exhausted:
		return http.StatusConflict
	case types.Unavailable:
		return http.StatusServiceUnavailable
	case types.Unsupported:
		return http.StatusNotImplemented
	case types.Unauthenticated:
		return http.StatusUnauthorized
	case types.Forbidden:
		return http.StatusForbidden
	case types.Internal:
	}
	return http.StatusInternalServerError
}

// codeOf is the code of an error that has a status only.
func codeOf(status int) types.Code {
	switch status {
	case http.StatusNotFound:
		return types.NotFound
	case http.StatusUnauthorized:
		return types.Unauthenticated
	case http.StatusForbidden:
		return types.Forbidden
	case http.StatusConflict:
		return types.Conflict
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusRequestTimeout:
		return types.Unavailable
	case http.StatusNotImplemented:
		return types.Unsupported
	}
	if status >= http.StatusInternalServerError {
		return types.Internal
	}
	return types.Invalid
}

// problem is a types.Problem that huma can return as an error.
type problem struct {
	types.Problem
}

var (
	_ huma.StatusError       = (*problem)(nil)
	_ huma.ContentTypeFilter = (*problem)(nil)
)

func (p *problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// problemOf turns an error into what is sent. What is a fault of the server
// goes to its log, and only the request's ID to the caller.
func (s *Server) problemOf(ctx context.Context, err error) *problem {
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		e = types.Errorf(types.Internal, "%w", err)
		if ctx.Err() != nil { // nobody listens any more
			e = types.Errorf(types.Unavailable, "the request was cancelled")
		}
	}
	id := callOf(ctx).id
	if e.Code == types.Internal {
		s.cfg.Logger.ErrorContext(ctx, "internal fault", slog.String("request", id), slog.Any("error", err))
		e = types.Errorf(types.Internal, "a fault of the server").WithRemedy("its log has the reason under the request %s", id)
	}
	return newProblem(id, statusOf(e.Code), e)
}

func newProblem(id string, status int, e *types.Error) *problem {
	return &problem{types.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Message,
		Code: e.Code, Field: e.Field, Remedy: e.Remedy, Request: id}}
}

// write sends the problem outside of huma.
func (p *problem) write(w http.ResponseWriter) {
	b, err := json.Marshal(p.Problem)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	h := w.Header()
	h.Set("Content-Type", problemType)
	p.headers(h)
	w.WriteHeader(p.Status)
	_, _ = w.Write(b) // a caller that is gone needs no answer
}

func (p *problem) headers(h http.Header) {
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
}

// transform gives huma's own errors, those of validation, the form of ours.
func transform(schemas huma.Registry) huma.Transformer {
	return func(ctx huma.Context, _ string, v any) (any, error) {
		switch v := v.(type) {
		case *problem:
			return &v.Problem, nil
		case *huma.ErrorModel:
			return fromModel(callOf(ctx.Context()).id, faultFinder{ctx.Operation(), schemas, v.Status}, v), nil
		}
		return v, nil
	}
}

func fromModel(id string, find faultFinder, m *huma.ErrorModel) *types.Problem {
	e := &types.Error{Code: codeOf(m.Status), Message: m.Detail}
	var faults []types.Fault
	for _, d := range m.Errors {
		if d == nil {
			continue
		}
		f, remedy := find.fault(d)
		// What is misspelt tells more than what is missing because of it.
		misspelt := f.Message == noField
		if len(faults) == 0 || misspelt && e.Message == isMissing {
			e.Field, e.Message, e.Remedy = f.Field, f.Message, remedy
		}
		faults = append(faults, f)
	}
	if m.Detail == "request body is required" {
		e.Field, e.Message, e.Remedy = "body", "the request has no body", "send JSON, {} if there is nothing to say; "+docHint
	}
	if m.Status == http.StatusRequestEntityTooLarge {
		e.Message, e.Remedy = "the body is too large", "send it in parts"
	}
	p := newProblem(id, m.Status, e)
	if len(faults) > 1 {
		p.Errors = faults
	}
	return &p.Problem
}
