package api

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
)

// The leases under trials that were asked for. Nobody renews them, so they are
// long.
const (
	defaultAskTTL = 24 * time.Hour
	longestAskTTL = 30 * 24 * time.Hour
	shortestTTL   = time.Second
)

type (
	askInput struct {
		StudyName

		Body types.AskBody
	}
	tellInput struct {
		TrialInput

		Body types.TellBody
	}
	reportAskedInput struct {
		TrialInput

		Body types.ReportAskedBody
	}
)

func (s *Server) askRoutes() {
	tags := []string{"ask and tell"}
	handleWaiting(s, huma.Operation{OperationID: "ask", Method: http.MethodPost, Path: studyPath + "/ask", Tags: tags,
		Summary: "Ask for trials to evaluate, without a lease to renew"}, s.ask)
	handle(s, huma.Operation{OperationID: "tell", Method: http.MethodPost, Path: trialPath + "/tell", Tags: tags,
		Summary: "Tell how a trial ended that was asked for"}, s.tell)
	handle(s, huma.Operation{OperationID: "reportAsked", Method: http.MethodPost, Path: trialPath + "/reports", Tags: tags,
		Summary: "Report values of a trial that was asked for; the answer says whether to go on"}, s.reportAsked)
}

func (s *Server) ask(ctx context.Context, in *askInput) (out types.AskReply, err error) {
	ctx, done := s.waiting(ctx)
	defer done()
	b := in.Body
	ttl := cmp.Or(time.Duration(b.TTL), defaultAskTTL)
	if ttl < shortestTTL || ttl > longestAskTTL {
		return out, types.Errorf(types.Invalid, "%v is no time for a trial", ttl).WithField("ttl").
			WithRemedy("use %v to %v", shortestTTL, longestAskTTL)
	}
	err = s.withStudy(ctx, in.StudyName, func(id int64) error {
		req, err := outsider(types.LeaseRequest{Study: b.Study, Worker: cmp.Or(b.Worker, types.ExecutorAsk), Key: b.Key, Wait: b.Wait,
			TTL: types.Duration(ttl), Max: b.N, Labels: b.Labels}, id, s.cfg.MaxWait)
		if err != nil {
			return err
		}
		if b.Worker != "" && b.Worker != types.ExecutorAsk { // else it is everybody's
			if err := s.ownWorker(ctx, in.Project, b.Worker, false); err != nil {
				return err
			}
		}
		reply, err := s.cfg.Engine.Ask(ctx, req)
		out = reply.Asked()
		return err
	})
	return out, err
}

func (s *Server) tell(ctx context.Context, in *tellInput) (*finishOutput, error) {
	var out finishOutput
	err := s.withStudy(ctx, in.StudyName, func(id int64) (err error) {
		out.Body, err = s.cfg.Engine.Tell(ctx, types.TellRequest{Study: id, Trial: in.Number, TellBody: in.Body})
		return err
	})
	return &out, err
}

func (s *Server) reportAsked(ctx context.Context, in *reportAskedInput) (*decisionOutput, error) {
	var out decisionOutput
	err := s.withStudy(ctx, in.StudyName, func(id int64) (err error) {
		out.Body, err = s.cfg.Engine.ReportAsked(ctx, types.ReportAskedRequest{Study: id, Trial: in.Number, ReportAskedBody: in.Body})
		return err
	})
	return &out, err
}
