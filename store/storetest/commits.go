package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

var commitTests = map[string]func(t *testing.T, s store.Store){
	"preconditions":                    preconditions,
	"malformed batches":                malformed,
	"all or nothing":                   allOrNothing,
	"a conflict leaves others alone":   conflictAlone,
	"cancelling ends the waiting only": cancelling,
	"submissions keep their order":     submitOrder,
	"an empty batch":                   emptyBatch,
	"what was submitted may change":    mayChange,
}

func preconditions(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "pre")
	check(t, f.RunTrials(ctx, 2, 2))
	for name, test := range map[string]struct {
		spoil func(b *store.Batch)
		code  types.Code
	}{
		"epoch before": {func(b *store.Batch) { b.Epoch-- }, types.Superseded},
		"epoch ahead":  {func(b *store.Batch) { b.Epoch++ }, types.Superseded},
		"seq":          {func(b *store.Batch) { shift(b, 1, 0) }, types.Conflict},
		"seq before":   {func(b *store.Batch) { shift(b, -1, 0) }, types.Conflict},
		"number":       {func(b *store.Batch) { shift(b, 0, 1) }, types.Conflict},
		"other study":  {func(b *store.Batch) { b.Study += 1000 }, types.NotFound},
	} {
		ahead := *f
		_, _, b := ahead.Start()
		test.spoil(&b)
		unchanged(t, s, f.Study.ID, func() {
			if err := s.Commit(ctx, b); types.CodeOf(err) != test.code {
				t.Errorf("%s: got %v, want code %s", name, err, test.code)
			}
		})
	}
	check(t, f.RunTrials(ctx, 1, 1))
}

// shift moves a batch that adds one trial.
func shift(b *store.Batch, seq, number int64) {
	b.FromSeq, b.ToSeq = b.FromSeq+seq, b.ToSeq+seq
	b.FromNumber, b.ToNumber = b.FromNumber+number, b.ToNumber+number
	for _, m := range b.Mutations {
		switch m := m.(type) {
		case store.AddTrial:
			m.Trial.Number += number
		case store.PutAttempt:
			m.Attempt.Trial += number
		case store.AddEvents:
			for i := range m.Events {
				m.Events[i].Seq += seq
				m.Events[i].Trial += number
			}
		}
	}
}

func malformed(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "bad")
	check(t, f.RunTrials(ctx, 1, 2))
	for name, spoil := range map[string]func(b *store.Batch){
		"a gap in the seqs":        func(b *store.Batch) { b.ToSeq++ },
		"an event too many":        func(b *store.Batch) { b.ToSeq-- },
		"a gap in the numbers":     func(b *store.Batch) { b.ToNumber++ },
		"back in seqs":             func(b *store.Batch) { b.ToSeq = b.FromSeq - 1 },
		"an unknown trial":         func(b *store.Batch) { b.Mutations[1].(store.PutAttempt).Attempt.Trial = 17 },
		"a seq twice":              func(b *store.Batch) { b.Mutations[2].(store.AddEvents).Events[1].Seq = b.FromSeq },
		"an unknown kind of event": func(b *store.Batch) { b.Mutations[2].(store.AddEvents).Events[1].Kind = "odd" },
		"a value of another type":  func(b *store.Batch) { b.Mutations[0].(store.AddTrial).Trial.Params[0].Value = []int{1} },
		"a nil mutation":           func(b *store.Batch) { b.Mutations = append(b.Mutations, nil) },
		"finished without a time":  func(b *store.Batch) { b.Mutations[0].(store.AddTrial).Trial.State = types.Failed },
		"a reported event without its report": func(b *store.Batch) {
			b.Mutations[2].(store.AddEvents).Events[1].Kind = trial.EventReported
		},
	} {
		ahead := *f
		_, _, b := ahead.Start()
		spoil(&b)
		unchanged(t, s, f.Study.ID, func() {
			if err := s.Commit(ctx, b); types.CodeOf(err) != types.Internal {
				t.Errorf("%s: got %v, want an internal error", name, err)
			}
		})
	}
}

// poison is a mutation that fails after others of its batch were applied.
func poison() store.Mutation { return store.AnswerCommand{ID: 1 << 40} }

func allOrNothing(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "atomic")
	check(t, f.RunTrials(ctx, 2, 2))
	unchanged(t, s, f.Study.ID, func() {
		ahead := *f
		tr, a, b := ahead.Start()
		b.Mutations = append(b.Mutations,
			store.PutStudy{Spec: f.Study.Spec, State: types.StudyStopped},
			store.AddSpace{Version: 2, JSON: []byte("{}")},
			store.PutAttribute{Trial: -1, Namespace: "n", Key: "k", Value: []byte("v")},
			poison())
		refused(t, s.Commit(ctx, b), types.Conflict)
		b = ahead.Finish(tr, a, 2)
		refused(t, s.Commit(ctx, b), types.Conflict) // it stands on what was not stored
	})
	check(t, f.RunTrials(ctx, 1, 1))
}

func conflictAlone(t *testing.T, s store.Store) {
	ctx := context.Background()
	var feeds []*Feed
	for i := range 6 {
		feeds = append(feeds, NewFeed(t, s, fmt.Sprint("shared", i)))
	}
	// All are queued before the first is stored, so they share transactions;
	// study 1 fails at its fence, study 3 in the middle of its mutations.
	for range 20 {
		var answers []<-chan error
		for i, f := range feeds {
			ahead := *f
			_, _, b := ahead.Start()
			switch i {
			case 1:
				b.Epoch--
			case 3:
				b.Mutations = append(b.Mutations, poison())
			default:
				*f = ahead
			}
			answers = append(answers, s.Submit(b))
		}
		for i, a := range answers {
			switch err := <-a; i {
			case 1:
				refused(t, err, types.Superseded)
			case 3:
				refused(t, err, types.Conflict)
			default:
				check(t, err)
			}
		}
	}
	for i, f := range feeds {
		counts, err := s.Counts(ctx, f.Study.ID)
		check(t, err)
		want := types.Counts{Running: 20}
		if i == 1 || i == 3 {
			want = types.Counts{}
		}
		same(t, fmt.Sprint("the counts of study ", i), want, counts)
	}
}

func cancelling(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "cancel")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 5 {
		_, _, b := f.Start()
		if err := s.Commit(ctx, b); err != nil {
			refused(t, err, types.Unavailable)
		}
	}
	// The next one is applied after them, and fits only if they were stored.
	check(t, f.RunTrials(context.Background(), 1, 1))
	counts, err := s.Counts(context.Background(), f.Study.ID)
	check(t, err)
	same(t, "the counts", types.Counts{Running: 5, Completed: 1}, counts)
}

func submitOrder(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "order")
	var answers []<-chan error
	for range 300 { // more than one transaction takes
		tr, a, b := f.Start()
		answers = append(answers, s.Submit(b), s.Submit(f.Finish(tr, a, 1)))
	}
	for _, a := range answers {
		check(t, <-a)
	}
	counts, err := s.Counts(context.Background(), f.Study.ID)
	check(t, err)
	same(t, "the counts", types.Counts{Completed: 300}, counts)
}

func emptyBatch(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "empty")
	unchanged(t, s, f.Study.ID, func() { check(t, s.Commit(context.Background(), f.Batch())) })
}

func mayChange(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "mine")
	tr, a, b := f.Start()
	done := s.Submit(b)
	want, wantAttempt := *tr, *a
	want.Study, wantAttempt.Study = f.Study.ID, f.Study.ID
	want.Params = append(types.Params{}, tr.Params...)
	tr.State, a.Token = types.Failed, "stolen"
	tr.Params[0].Value = "changed"
	check(t, <-done)
	got, err := s.Trial(ctx, f.Study.ID, 0)
	check(t, err)
	want.ID, want.Since = got.ID, wantAttempt.Leased
	same(t, "the trial", want, got)
	attempts, err := s.Attempts(ctx, f.Study.ID, 0)
	check(t, err)
	same(t, "the attempt", []trial.Attempt{wantAttempt}, attempts)
}
