package client

import (
	"context"
	"net/http"

	"github.com/gotuner/tuner/api/types"
)

// reportsAtOnce is how many reports go into one body; more are sent in parts, so
// that a long absence of the server does not make a body that it refuses.
const reportsAtOnce = types.MostReports

// post sends a call of an agent once.
func (c *Client) post(ctx context.Context, study int64, wait types.Duration, body, out any, more ...string) error {
	path, err := c.path(study, more...)
	if err != nil {
		return err
	}
	return c.send(ctx, request{method: http.MethodPost, path: path, body: body, wait: wait}, out)
}

// Lease implements agent.Backend.
func (c *Client) Lease(ctx context.Context, req types.LeaseRequest) (types.LeaseReply, error) {
	var out types.LeaseReply
	err := c.post(ctx, req.Study, req.Wait, req, &out, "leases")
	return out, err
}

// Report implements agent.Backend. Buffered changes nothing: what the server has
// acknowledged is stored.
func (c *Client) Report(ctx context.Context, req types.ReportRequest) (types.Decision, error) {
	rest, err := c.early(ctx, req.Ref, req.Reports)
	if err != nil {
		return types.Decision{}, err
	}
	return c.report(ctx, req.Ref, types.ReportBody{Token: req.Ref.Token, Reports: rest, Cursor: req.Cursor})
}

func (c *Client) report(ctx context.Context, ref types.AttemptRef, body types.ReportBody) (types.Decision, error) {
	var out types.Decision
	err := c.post(ctx, ref.Study, 0, body, &out, attemptPath(ref, "reports")...)
	return out, err
}

// early sends what does not fit into the last body, without the cursor: it holds
// for all of the reports. Should the call fail later they are sent again, and
// replace themselves.
func (c *Client) early(ctx context.Context, ref types.AttemptRef, rs []types.Report) (rest []types.Report, err error) {
	for len(rs) > reportsAtOnce {
		if _, err := c.report(ctx, ref, types.ReportBody{Token: ref.Token, Reports: rs[:reportsAtOnce]}); err != nil {
			return nil, err
		}
		rs = rs[reportsAtOnce:]
	}
	return rs, nil
}

// Finish implements agent.Backend.
func (c *Client) Finish(ctx context.Context, req types.FinishRequest) (types.FinishReply, error) {
	var out types.FinishReply
	rest, err := c.early(ctx, req.Ref, req.Reports)
	if gone := types.CodeOf(err) == types.NotFound || types.CodeOf(err) == types.Superseded; err != nil && !gone {
		return out, err
	} // an attempt that is over may have ended by this very call, whose answer was lost
	body := types.FinishBody{Token: req.Ref.Token, Outcome: req.Outcome, Reason: req.Reason, Reports: rest, Cursor: req.Cursor,
		Metrics: req.Metrics, Exit: req.Exit, Signal: req.Signal, Dir: req.Dir, Next: req.Next}
	err = c.post(ctx, req.Ref.Study, 0, body, &out, attemptPath(req.Ref, "finish")...)
	return out, err
}

// Heartbeat implements agent.Backend. All beats must be of one study.
func (c *Client) Heartbeat(ctx context.Context, req types.HeartbeatRequest) (types.HeartbeatReply, error) {
	var out types.HeartbeatReply
	if len(req.Beats) == 0 {
		return out, nil
	}
	study := req.Beats[0].Ref.Study
	body := types.HeartbeatBody{Worker: req.Worker, Wait: req.Wait}
	for _, b := range req.Beats {
		if b.Ref.Study != study {
			return out, types.Errorf(types.Invalid, "the beats are of several studies").WithRemedy("send one call for each study")
		}
		body.Beats = append(body.Beats, types.BeatBody{Trial: b.Ref.Trial, Attempt: b.Ref.Attempt, Token: b.Ref.Token, State: b.State,
			Handle: b.Handle, Dir: b.Dir, Stopping: b.Stopping, Reason: b.Reason})
	}
	err := c.post(ctx, study, req.Wait, body, &out, "heartbeat")
	return out, err
}

// Adopt implements agent.Backend.
func (c *Client) Adopt(ctx context.Context, req types.AdoptRequest) ([]types.Adopted, error) {
	var out types.AdoptReply
	err := c.post(ctx, req.Study, 0, types.AdoptBody{Study: req.Study, Worker: req.Worker}, &out, "adopt")
	return out.Attempts, err
}
