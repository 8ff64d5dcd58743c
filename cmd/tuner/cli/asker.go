package cli

import (
	"cmp"
	"context"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/engine"
)

// asker hands out trials whose values are told: a server, or the engine here.
type asker interface {
	Ask(ctx context.Context, study int64, body types.AskBody) (types.AskReply, error)
	Tell(ctx context.Context, study, number int64, body types.TellBody) (types.FinishReply, error)
	ReportAsked(ctx context.Context, study, number int64, body types.ReportAskedBody) (types.Decision, error)
}

// engineAsker is the engine with the requests of the wire.
type engineAsker struct {
	e    *engine.Engine
	node string
}

func (a engineAsker) Ask(ctx context.Context, study int64, b types.AskBody) (types.AskReply, error) {
	r, err := a.e.Ask(ctx, types.LeaseRequest{Study: study, Worker: cmp.Or(b.Worker, types.ExecutorAsk), Node: a.node, Labels: b.Labels, Key: b.Key,
		Wait: b.Wait, TTL: b.TTL, Max: b.N})
	return r.Asked(), err
}

func (a engineAsker) Tell(ctx context.Context, study, number int64, b types.TellBody) (types.FinishReply, error) {
	return a.e.Tell(ctx, types.TellRequest{Study: study, Trial: number, TellBody: b})
}

func (a engineAsker) ReportAsked(ctx context.Context, study, number int64, b types.ReportAskedBody) (types.Decision, error) {
	return a.e.ReportAsked(ctx, types.ReportAskedRequest{Study: study, Trial: number, ReportAskedBody: b})
}
