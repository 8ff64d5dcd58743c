package api

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
)

const attemptPath = trialPath + "/attempts/{attempt}"

// AttemptInput is the part of a path that names an attempt.
type AttemptInput struct {
	TrialInput

	Attempt int `path:"attempt" minimum:"1" doc:"Number of the attempt"`
}

type (
	leaseInput struct {
		StudyName

		Body types.LeaseRequest
	}
	reportInput struct {
		AttemptInput

		Body types.ReportBody
	}
	decisionOutput struct{ Body types.Decision }
	finishInput    struct {
		AttemptInput

		Body types.FinishBody
	}
	finishOutput   struct{ Body types.FinishReply }
	heartbeatInput struct {
		StudyName

		Body types.HeartbeatBody
	}
	adoptInput struct {
		StudyName

		Body types.AdoptBody
	}
	adoptOutput struct{ Body types.AdoptReply }
)

func (s *Server) attemptRoutes() {
	tags := []string{"attempts"}
	handleWaiting(s, huma.Operation{OperationID: "lease", Method: http.MethodPost, Path: studyPath + "/leases", Tags: tags,
		Summary: "Ask for a trial to run, waiting until there is one"}, s.lease)
	handle(s, huma.Operation{OperationID: "report", Method: http.MethodPost, Path: attemptPath + "/reports", Tags: tags,
		Summary: "Report values of metrics; the answer says whether to go on, and renews the lease"}, s.report)
	handle(s, huma.Operation{OperationID: "finish", Method: http.MethodPost, Path: attemptPath + "/finish", Tags: tags,
		Summary: "End an attempt, and ask for the next trial if the body says so"}, s.finish)
	handleWaiting(s, huma.Operation{OperationID: "heartbeat", Method: http.MethodPost, Path: studyPath + "/heartbeat", Tags: tags,
		Summary: "Renew the leases of a worker, waiting for decisions"}, s.heartbeat)
	handle(s, huma.Operation{OperationID: "adopt", Method: http.MethodPost, Path: studyPath + "/adopt", Tags: tags,
		Summary: "Take the open attempts of a worker over that has restarted, under new tokens"}, s.adopt)
}

// outsider is a lease request of somebody on the network.
func outsider(req types.LeaseRequest, study int64, maxWait time.Duration) (types.LeaseRequest, error) {
	if err := sameStudy(req.Study, study); err != nil {
		return req, err
	}
	req.Study = study
	req.Node = cmp.Or(req.Node, "unknown") + types.OutsideNode
	req.Wait = min(max(req.Wait, 0), types.Duration(maxWait))
	return req, checkWorker(req.Worker)
}

// sameStudy refuses a request that was meant for an earlier study of that name.
func sameStudy(meant, is int64) error {
	if meant != 0 && meant != is {
		return types.Errorf(types.Superseded, "the study was removed, and another has its name now").WithRemedy("open the study again")
	}
	return nil
}

const longestWorker = 512

// checkWorker refuses names with the sign that separates a machine from a path
// in the names of the processes that share the server's database.
func checkWorker(name string) error {
	if name == "" || len(name) > longestWorker || strings.ContainsFunc(name, func(r rune) bool { return r == '|' || r < ' ' }) {
		return types.Errorf(types.Invalid, "%q is no name of a worker", name).WithField("worker").
			WithRemedy("use up to %d bytes without | and control characters", longestWorker)
	}
	return nil
}

func (s *Server) lease(ctx context.Context, in *leaseInput) (out types.LeaseReply, err error) {
	ctx, done := s.waiting(ctx)
	defer done()
	err = s.withStudy(ctx, in.StudyName, func(id int64) error {
		req, err := outsider(in.Body, id, s.cfg.MaxWait)
		if err == nil {
			err = s.ownWorker(ctx, in.Project, req.Worker, false)
		}
		if err == nil {
			out, err = s.cfg.Engine.Lease(ctx, req)
		}
		return err
	})
	return out, err
}

func (in *AttemptInput) ref(study int64, token string) types.AttemptRef {
	return types.AttemptRef{Study: study, Trial: in.Number, Attempt: in.Attempt, Token: token}
}

func (s *Server) report(ctx context.Context, in *reportInput) (*decisionOutput, error) {
	var out decisionOutput
	b := in.Body
	token, err := tokenOf(ctx, b.Token)
	if err != nil {
		return nil, err
	}
	err = s.withStudy(ctx, in.StudyName, func(id int64) (err error) {
		out.Body, err = s.cfg.Engine.Report(ctx, types.ReportRequest{Ref: in.ref(id, token), Reports: b.Reports, Cursor: b.Cursor})
		return err
	})
	if types.CodeOf(err) == types.NotFound && callOf(ctx).attempt != nil { // its token was good a moment ago
		err = attemptOver(*callOf(ctx).attempt)
	}
	return &out, err
}

func (s *Server) finish(ctx context.Context, in *finishInput) (*finishOutput, error) {
	var out finishOutput
	b := in.Body
	err := s.withStudy(ctx, in.StudyName, func(id int64) error {
		var refused error
		req := types.FinishRequest{Ref: in.ref(id, b.Token), Outcome: b.Outcome, Reason: b.Reason, Reports: b.Reports, Cursor: b.Cursor,
			Metrics: b.Metrics, Exit: b.Exit, Signal: b.Signal, Dir: b.Dir}
		if b.Next != nil {
			next, err := outsider(*b.Next, id, 0) // the end of an attempt does not wait for the next
			if err != nil {
				return err
			}
			if refused = s.ownWorker(ctx, in.Project, next.Worker, false); refused == nil {
				req.Next = &next
			}
		}
		reply, err := s.cfg.Engine.Finish(ctx, req)
		if refused != nil { // the trial is finished; whoever asks again for a lease gets the error
			reply.Next = &types.LeaseReply{Status: types.LeaseWait, Reason: refused.Error()}
		}
		out.Body = reply
		return err
	})
	return &out, err
}

func (s *Server) heartbeat(ctx context.Context, in *heartbeatInput) (out types.HeartbeatReply, err error) {
	ctx, done := s.waiting(ctx)
	defer done()
	b := in.Body
	if err := checkWorker(b.Worker); err != nil {
		return out, err
	}
	err = s.withStudy(ctx, in.StudyName, func(id int64) (err error) {
		if err := s.ownWorker(ctx, in.Project, b.Worker, false); err != nil {
			return err
		}
		req := types.HeartbeatRequest{Worker: b.Worker, Wait: min(max(b.Wait, 0), types.Duration(s.cfg.MaxWait))}
		for _, x := range b.Beats {
			req.Beats = append(req.Beats, types.Beat{Ref: types.AttemptRef{Study: id, Trial: x.Trial, Attempt: x.Attempt, Token: x.Token},
				State: x.State, Handle: x.Handle, Dir: x.Dir, Stopping: x.Stopping, Reason: x.Reason})
		}
		out, err = s.cfg.Engine.Heartbeat(ctx, req)
		return err
	})
	if out.Decisions == nil {
		out.Decisions = []types.Decision{}
	}
	return out, err
}

func (s *Server) adopt(ctx context.Context, in *adoptInput) (*adoptOutput, error) {
	if err := checkWorker(in.Body.Worker); err != nil {
		return nil, err
	}
	out := adoptOutput{types.AdoptReply{Attempts: []types.Adopted{}}}
	err := s.withStudy(ctx, in.StudyName, func(id int64) error {
		if err := sameStudy(in.Body.Study, id); err != nil {
			return err
		}
		if err := s.ownWorker(ctx, in.Project, in.Body.Worker, true); err != nil {
			return err
		}
		as, err := s.cfg.Engine.Adopt(ctx, types.AdoptRequest{Study: id, Worker: in.Body.Worker, Outside: true})
		out.Body.Attempts = append(out.Body.Attempts, as...)
		return err
	})
	return &out, err
}
