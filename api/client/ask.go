package client

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// Ask asks for trials to evaluate, whose values are told. A request without a
// key gets one, so that it can be repeated.
func (c *Client) Ask(ctx context.Context, study int64, body types.AskBody) (types.AskReply, error) {
	body.Key = cmp.Or(body.Key, NewKey())
	body.Study = study
	var out types.AskReply
	err := c.change(ctx, study, body.Wait, body, &out, "ask")
	return out, err
}

// Tell ends a trial that was asked for.
func (c *Client) Tell(ctx context.Context, study, number int64, body types.TellBody) (types.FinishReply, error) {
	var out types.FinishReply
	err := c.change(ctx, study, 0, body, &out, "trials", strconv.FormatInt(number, 10), "tell")
	return out, err
}

// ReportAsked reports values of a trial that was asked for. A request without a
// step gets a key, so that it can be repeated.
func (c *Client) ReportAsked(ctx context.Context, study, number int64, body types.ReportAskedBody) (types.Decision, error) {
	if body.Step == nil {
		body.Key = cmp.Or(body.Key, NewKey())
	}
	var out types.Decision
	err := c.change(ctx, study, 0, body, &out, "trials", strconv.FormatInt(number, 10), "reports")
	return out, err
}

// Signal tells whether an attempt of a trial (0: the last) has to end, waiting up
// to wait for that.
func (c *Client) Signal(ctx context.Context, study, number int64, attempt int, wait types.Duration) (types.Signal, error) {
	path, err := c.path(study, "trials", strconv.FormatInt(number, 10), "signal")
	if err != nil {
		return types.Signal{}, err
	}
	q := url.Values{"attempt": {strconv.Itoa(attempt)}, "wait": {time.Duration(wait).String()}}
	var out types.Signal
	err = c.patient(ctx, request{method: http.MethodGet, path: path, query: q, wait: wait}, &out)
	return out, err
}

// change posts what can be repeated.
func (c *Client) change(ctx context.Context, study int64, wait types.Duration, body, out any, more ...string) error {
	path, err := c.path(study, more...)
	if err != nil {
		return err
	}
	return c.patient(ctx, request{method: http.MethodPost, path: path, body: body, wait: wait}, out)
}
