package client

import (
	"context"
	"os"
	"strings"
	"sync"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/api/types"
)

// Current is tuner.Current for a program that may also ask for parameters which
// the sweep does not have (Trial.Float and so on), in a study whose space is
// open: those it draws from the server that TUNER_URL, TUNER_PIN and
// TUNER_TOKEN_FILE name. Reports are printed, as by tuner.Current.
func Current(ctx context.Context) (*tuner.Trial, error) {
	return CurrentOf(ctx, tuner.Process{})
}

// CurrentOf is Current of a process that talks otherwise; p.Draw is set by it
// where there is a server.
func CurrentOf(ctx context.Context, p tuner.Process) (*tuner.Trial, error) {
	if p.Getenv == nil {
		p.Getenv = os.Getenv //nolint:forbidigo // the documented default: a process is what its environment says
	}
	if p.Getenv("TUNER_URL") != "" && p.Getenv("TUNER_TOKEN_FILE") != "" {
		p.Draw = (&drawer{getenv: p.Getenv}).draw
	}
	return p.Trial(ctx)
}

// drawer draws parameters with the token of the attempt, which changes when the
// worker restarts.
type drawer struct {
	getenv func(string) string

	mu     sync.Mutex
	client *Client
	token  string
	ref    types.AttemptRef
}

func (d *drawer) draw(ctx context.Context, req types.ExtendRequest) (types.ExtendReply, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		if err := d.connect(); err != nil {
			return types.ExtendReply{}, err
		}
		req.Ref = d.ref
		reply, err := d.client.Extend(ctx, req)
		if types.CodeOf(err) == types.Unauthenticated {
			b, readErr := os.ReadFile(d.getenv("TUNER_TOKEN_FILE"))
			if readErr == nil && strings.TrimSpace(string(b)) != d.token {
				continue // it has a new one
			}
		}
		return reply, err
	}
}

// connect makes a client of the token that the file has now.
func (d *drawer) connect() error {
	b, err := os.ReadFile(d.getenv("TUNER_TOKEN_FILE"))
	if err != nil {
		return types.Errorf(types.Invalid, "the token of the attempt cannot be read: %w", err).WithField("TUNER_TOKEN_FILE")
	}
	token := strings.TrimSpace(string(b))
	if d.client != nil && token == d.token {
		return nil
	}
	ref, ok := types.ParseBearer(token)
	if !ok {
		return types.Errorf(types.Invalid, "the file has no token of an attempt").WithField("TUNER_TOKEN_FILE")
	}
	c, err := New(Config{URL: d.getenv("TUNER_URL"), Pin: d.getenv("TUNER_PIN"), Token: token})
	if err != nil {
		return err
	}
	c.saw(types.Study{ID: ref.Study, Spec: types.StudySpec{Project: d.getenv("TUNER_PROJECT"), Name: d.getenv("TUNER_STUDY")}})
	d.client, d.token, d.ref = c, token, ref
	return nil
}
