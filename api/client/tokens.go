package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/gotuner/tuner/api/types"
)

// ListTokens returns a page of the tokens by name, after the given name, at most
// limit (1 to 1000). It is for administrators, and so are the others.
func (c *Client) ListTokens(ctx context.Context, after string, limit int) (types.TokenPage, error) {
	var out types.TokenPage
	err := c.patient(ctx, request{method: http.MethodGet, path: []string{"v1", "tokens"}, query: page(url.Values{}, after, limit)}, &out)
	return out, err
}

// CreateToken makes a token; the answer has its secret. It is tried once: after
// Unavailable the token may be there, and nobody has its secret.
func (c *Client) CreateToken(ctx context.Context, b types.TokenBody) (types.Token, error) {
	var out types.Token
	err := c.send(ctx, request{method: http.MethodPost, path: []string{"v1", "tokens"}, body: b}, &out)
	return out, err
}

// RevokeToken makes a token useless.
func (c *Client) RevokeToken(ctx context.Context, name string) (types.Token, error) {
	var out types.Token
	if err := checkName("name", name); err != nil {
		return out, err
	}
	err := c.patient(ctx, request{method: http.MethodDelete, path: []string{"v1", "tokens", name}}, &out)
	return out, err
}
