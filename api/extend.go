package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
)

type (
	extendInput struct {
		AttemptInput

		Body types.ExtendBody
	}
	extendOutput struct{ Body types.ExtendReply }
)

func (s *Server) extendRoutes() {
	handle(s, huma.Operation{OperationID: "extend", Method: http.MethodPost, Path: attemptPath + "/parameters", Tags: []string{"attempts"},
		Summary: "Draw parameters that the program names while it runs, in a study whose space is open"}, s.extend)
}

func (s *Server) extend(ctx context.Context, in *extendInput) (*extendOutput, error) {
	var out extendOutput
	token, err := tokenOf(ctx, in.Body.Token)
	if err != nil {
		return nil, err
	}
	err = s.withStudy(ctx, in.StudyName, func(id int64) (err error) {
		out.Body, err = s.cfg.Engine.Extend(ctx, types.ExtendRequest{Ref: in.ref(id, token), Parameters: in.Body.Parameters})
		return err
	})
	if types.CodeOf(err) == types.NotFound && callOf(ctx).attempt != nil { // its token was good a moment ago
		err = attemptOver(*callOf(ctx).attempt)
	}
	return &out, err
}
