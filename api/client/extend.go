package client

import (
	"context"

	"github.com/gotuner/tuner/api/types"
)

// Extend implements tuner.Backend. It is sent once, for the trial tries again.
func (c *Client) Extend(ctx context.Context, req types.ExtendRequest) (types.ExtendReply, error) {
	var out types.ExtendReply
	body := types.ExtendBody{Token: req.Ref.Token, Parameters: req.Parameters}
	err := c.post(ctx, req.Ref.Study, 0, body, &out, attemptPath(req.Ref, "parameters")...)
	return out, err
}
