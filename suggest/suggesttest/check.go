package suggesttest

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/trial"
)

// CheckLog fails t if a proposal of the log is not valid in the space that was
// current, if one comes without an arm or with an explanation that is no JSON,
// or if their number is wrong. Errors other than exhaustion fail it too.
func CheckLog(t testing.TB, l *Log) {
	t.Helper()
	for i, a := range l.Asks {
		if a.Err != nil && types.CodeOf(a.Err) != types.Exhausted {
			t.Fatalf("ask %d: %v", i, a.Err)
		}
		if n, want := len(a.Proposals), len(a.Request.Numbers); n > want || n < want && a.Err == nil {
			t.Fatalf("ask %d: %d proposals for %d trials", i, n, want)
		}
		for _, p := range a.Proposals {
			if err := a.Space.Validate(p.Point); err != nil {
				t.Fatalf("ask %d proposes %s: %v", i, Text(a.Space, p.Point), err)
			}
			if p.Arm == "" {
				t.Fatalf("ask %d: the proposal has no arm", i)
			}
			if p.Explain != nil && !json.Valid(p.Explain) {
				t.Fatalf("ask %d: the explanation %q is no JSON", i, p.Explain)
			}
		}
	}
}

// CheckReplay fails t unless the proposals of the log are functions of their
// basis alone: new suggesters that observe the events before an ask, in pieces
// of any length and with the reports or without, answer it alike, and so does one
// that was asked less often, or for one trial at a time.
func CheckReplay(t testing.TB, l *Log, build func() suggest.Suggester) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	feed := func(s suggest.Suggester, events []trial.Event) {
		for len(events) > 0 {
			n := 1 + r.IntN(len(events))
			s.Observe(events[:n])
			events = events[n:]
		}
	}
	same := func(i int, how string, s suggest.Suggester) {
		t.Helper()
		a := l.Asks[i]
		got, err := s.Suggest(context.Background(), a.Request)
		if d := cmp.Diff(a.Proposals, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("ask %d (basis %d events, %d pending), %s:\n%s", i, a.Basis, len(a.Request.Pending), how, d)
		}
		if types.CodeOf(err) != types.CodeOf(a.Err) {
			t.Fatalf("ask %d, %s: %v instead of %v", i, how, err, a.Err)
		}
	}
	seldom, seen := build(), 0
	for i, a := range l.Asks {
		fresh := build()
		feed(fresh, l.Events[:a.Basis])
		same(i, "after a restart", fresh)
		same(i, "asked again", fresh)
		if i%4 == 0 {
			unreported := build()
			feed(unreported, slices.DeleteFunc(slices.Clone(l.Events[:a.Basis]), func(e trial.Event) bool { return e.Kind == trial.EventReported }))
			same(i, "without the reports", unreported)
		}
		if len(a.Request.Numbers) > 1 {
			oneByOne(t, i, a, fresh)
		}
		if i%3 == 0 {
			feed(seldom, l.Events[seen:a.Basis])
			seen = a.Basis
			same(i, "asked less often", seldom)
		}
		if snap, ok := fresh.(suggest.Snapshotter); ok && i+1 < len(l.Asks) {
			b, err := snap.Snapshot()
			if err != nil {
				t.Fatalf("ask %d: snapshot: %v", i, err)
			}
			restored := build()
			if err := restored.(suggest.Snapshotter).Restore(b); err != nil {
				t.Fatalf("ask %d: restoring: %v", i, err)
			}
			feed(restored, l.Events[a.Basis:l.Asks[i+1].Basis])
			same(i+1, "from a snapshot", restored)
		}
	}
}

// oneByOne fails t unless a request for several trials is answered like
// requests for one each, the earlier ones pending.
func oneByOne(t testing.TB, i int, a Ask, s suggest.Suggester) {
	t.Helper()
	req := suggest.Request{Pending: slices.Clone(a.Request.Pending)}
	for k, want := range a.Proposals {
		req.Numbers = a.Request.Numbers[k : k+1]
		got, err := s.Suggest(context.Background(), req)
		if err != nil {
			t.Fatalf("ask %d, trial %d alone: %v", i, req.Numbers[0], err)
		}
		if d := cmp.Diff(want, got[0]); d != "" {
			t.Fatalf("ask %d, trial %d alone:\n%s", i, req.Numbers[0], d)
		}
		req.Pending = append(req.Pending, suggest.Pending{Number: req.Numbers[0], Point: want.Point})
	}
}

// CheckNoRepeats fails t if a point of a finite space is proposed twice or
// although a user had it evaluated.
func CheckNoRepeats(t testing.TB, l *Log) {
	t.Helper()
	for i, a := range l.Asks {
		taken := map[string]bool{}
		for _, e := range l.Events[:a.Basis] {
			if e.Kind == trial.EventCreated && a.Space.Validate(e.Point) == nil {
				taken[a.Space.Key(e.Point)] = true
			}
		}
		for _, p := range a.Proposals {
			if key := a.Space.Key(p.Point); taken[key] {
				t.Fatalf("ask %d proposes %s again", i, Text(a.Space, p.Point))
			} else {
				taken[key] = true
			}
		}
	}
}
