package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
)

type signalInput struct {
	TrialInput

	Attempt int    `query:"attempt" minimum:"0" doc:"Number of the attempt; 0 is the trial's last"`
	Wait    string `query:"wait" maxLength:"32" doc:"How long to wait for a signal to stop, such as 60s"`
}

func (s *Server) signalRoutes() {
	handleWaiting(s, huma.Operation{OperationID: "signal", Method: http.MethodGet, Path: trialPath + "/signal", Tags: []string{"attempts"},
		Summary: "Whether an attempt has to end, and why, waiting for that; it renews no lease"}, s.signal)
}

func (s *Server) signal(ctx context.Context, in *signalInput) (out types.Signal, err error) {
	wait, err := s.waitOf(in.Wait)
	if err != nil {
		return out, err
	}
	attempt := in.Attempt
	if own := callOf(ctx).attempt; own != nil {
		if attempt != 0 && attempt != own.Attempt {
			return out, notOwnAttempt()
		}
		attempt = own.Attempt
	}
	ctx, done := s.waiting(ctx)
	defer done()
	err = s.withStudy(ctx, in.StudyName, func(id int64) (err error) {
		out, err = s.cfg.Engine.Signal(ctx, id, in.Number, attempt, wait)
		return err
	})
	return out, err
}

// waitOf is the time that a request may wait, from its query.
func (s *Server) waitOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 {
		return 0, types.Errorf(types.Invalid, "%q is no duration", text).WithField("wait").WithRemedy("write it as in 30s")
	}
	return min(wait, s.cfg.MaxWait), nil
}
