package api

import (
	"bytes"
	"context"
	"net/http"
	"runtime/pprof"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
)

type profileInput struct {
	Name    string `path:"profile" maxLength:"32" doc:"profile (of the CPU), heap, goroutine, allocs, block, mutex or threadcreate"`
	Seconds int    `query:"seconds" minimum:"1" maximum:"60" default:"10" doc:"How long the CPU is looked at"`
	Debug   int    `query:"debug" minimum:"0" maximum:"2" doc:"1 or 2 for text instead of pprof's format"`
}

func (s *Server) profileRoute() {
	handle(s, huma.Operation{OperationID: "profile", Method: http.MethodGet, Path: "/debug/pprof/{profile}", Tags: []string{"server"},
		Summary:   "A profile of the server, for go tool pprof",
		Responses: plain("A profile", "application/octet-stream")}, s.profile)
}

// profile is what net/http/pprof does, which would add its routes to a global
// server that has no guard.
func (s *Server) profile(ctx context.Context, in *profileInput) (*textOutput, error) {
	var b bytes.Buffer
	out := func() *textOutput { return &textOutput{"application/octet-stream", b.Bytes()} }
	if in.Name != "profile" {
		p := pprof.Lookup(in.Name)
		if p == nil {
			return nil, types.Errorf(types.NotFound, "there is no profile %q", in.Name).WithField("profile").
				WithRemedy("use profile, heap, goroutine, allocs, block, mutex or threadcreate")
		}
		if err := p.WriteTo(&b, in.Debug); err != nil {
			return nil, err
		}
		if in.Debug > 0 {
			return &textOutput{"text/plain; charset=utf-8", b.Bytes()}, nil
		}
		return out(), nil
	}
	if err := pprof.StartCPUProfile(&b); err != nil {
		return nil, types.Errorf(types.Conflict, "%w", err).WithRemedy("try again when the other profile is done")
	}
	ctx, done := s.waiting(ctx)
	defer done()
	enough := time.NewTimer(time.Duration(in.Seconds) * time.Second)
	defer enough.Stop()
	select {
	case <-enough.C:
	case <-ctx.Done():
	}
	pprof.StopCPUProfile()
	return out(), nil
}
