package storetest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

var noteTests = map[string]func(t *testing.T, s store.Store){
	"snapshots":    snapshots,
	"digests":      digests,
	"attributes":   attributes,
	"request keys": requestKeys,
	"decisions":    decisions,
}

func snapshots(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "snapshots")
	_, ok, err := s.SuggesterState(ctx, f.Study.ID)
	check(t, err)
	same(t, "a snapshot at first", false, ok)
	large := bytes.Repeat([]byte{0, 1, 255}, 100_000)
	for _, in := range []store.PutSuggesterState{
		{Seq: 5, Name: "tpe", Version: 2, State: []byte{0, 255}},
		{Seq: 5, Name: "gp", Version: 3, State: large},
		{Seq: 9, Name: "tpe", Version: 1, State: []byte("x")},
	} {
		check(t, s.Commit(ctx, f.Batch(in)))
		got, ok, err := s.SuggesterState(ctx, f.Study.ID)
		check(t, err)
		same(t, "there is a snapshot", true, ok)
		same(t, "the snapshot", in, got)
	}
	check(t, s.Commit(ctx, f.Batch(store.PutSuggesterState{Seq: 8, Name: "old"})))
	got, _, err := s.SuggesterState(ctx, f.Study.ID)
	check(t, err)
	same(t, "the snapshot after an older one", int64(9), got.Seq)
}

func digests(t *testing.T, s store.Store) {
	ctx := context.Background()
	f, other := NewFeed(t, s, "digests"), NewFeed(t, s, "other")
	for _, f := range []*Feed{f, other} {
		check(t, f.RunTrials(ctx, 4, 2))
	}
	read := func(f *Feed) (out []store.PutDigest) {
		t.Helper()
		check(t, s.Digests(ctx, f.Study.ID, func(d store.PutDigest) error {
			out = append(out, d)
			return nil
		}))
		return out
	}
	same(t, "digests at first", 0, len(read(f)))
	large := bytes.Repeat([]byte{0, 1, 255}, 100_000)
	first, second := store.PutDigest{From: 0, To: 5, Data: large}, store.PutDigest{From: 5, To: 7, Data: []byte{0}}
	check(t, s.Commit(ctx, f.Batch(second, first)))
	same(t, "the digests", []store.PutDigest{first, second}, read(f))
	second = store.PutDigest{From: 5, To: 24, Data: []byte("again")}
	check(t, s.Commit(ctx, f.Batch(second)))
	same(t, "the digests after one was replaced", []store.PutDigest{first, second}, read(f))
	same(t, "the digests of another study", 0, len(read(other)))
	stop := types.Errorf(types.Invalid, "enough")
	if err := s.Digests(ctx, f.Study.ID, func(store.PutDigest) error { return stop }); err != stop { //nolint:errorlint // as it is
		t.Fatalf("an error of yield became %v", err)
	}
	for _, d := range []store.PutDigest{{From: -1, To: 1}, {From: 3, To: 3}, {From: 0, To: 25}} {
		refused(t, s.Commit(ctx, f.Batch(d)), types.Internal)
	}
	check(t, s.DeleteStudy(ctx, f.Study.ID, f.Study.Epoch))
	same(t, "the digests of a deleted study", 0, len(read(f)))
}

func attributes(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "attributes")
	add(t, f, fullTrial())
	put := func(number int64, namespace, key string, value []byte) store.Mutation {
		return store.PutAttribute{Trial: number, Namespace: namespace, Key: key, Value: value}
	}
	check(t, s.Commit(ctx, f.Batch(
		put(-1, "n", "a", []byte("study")), put(0, "n", "a", []byte("trial")), put(0, "m", "a", []byte("other namespace")),
		put(0, "n", "bytes \xff", []byte{0, 255, 10}), put(0, "n", "empty", []byte{}), put(0, "n", "gone", []byte("x")),
		put(0, "n", "gone", nil), put(0, "n", "never there", nil), put(0, "n", "twice", []byte("1")), put(0, "n", "twice", []byte("2")),
	)))
	get := func(number int64, namespace string) map[string][]byte {
		t.Helper()
		got, err := s.Attributes(ctx, f.Study.ID, number, namespace)
		check(t, err)
		return got
	}
	same(t, "the study's", map[string][]byte{"a": []byte("study")}, get(-1, "n"))
	same(t, "the trial's", map[string][]byte{
		"a": []byte("trial"), "bytes \uFFFD": {0, 255, 10}, "empty": {}, "twice": []byte("2"),
	}, get(0, "n"))
	same(t, "the other namespace", map[string][]byte{"a": []byte("other namespace")}, get(0, "m"))
	same(t, "no namespace", map[string][]byte{}, get(0, ""))
	check(t, s.Commit(ctx, f.Batch(put(-1, "n", "a", nil))))
	same(t, "the study's after removal", map[string][]byte{}, get(-1, "n"))
}

func requestKeys(t *testing.T, s store.Store) {
	ctx := context.Background()
	f, other := NewFeed(t, s, "keys"), NewFeed(t, s, "other")
	in := store.PutRequestKey{Key: "k", BodyHash: []byte{1, 0, 2}, Response: []byte(`{"a":1}`), Time: epochTime}
	check(t, s.Commit(ctx, f.Batch(in)))
	got, ok, err := s.RequestKey(ctx, f.Study.ID, "k")
	check(t, err)
	same(t, "the key is there", true, ok)
	same(t, "the key", in, got)
	in.Response = []byte("changed")
	check(t, s.Commit(ctx, f.Batch(in)))
	got, _, err = s.RequestKey(ctx, f.Study.ID, "k")
	check(t, err)
	same(t, "the key put again", in, got)
	_, ok, err = s.RequestKey(ctx, f.Study.ID, "K")
	check(t, err)
	same(t, "another key", false, ok)
	_, ok, err = s.RequestKey(ctx, other.Study.ID, "k")
	check(t, err)
	same(t, "the key in another study", false, ok)
	// The key goes with its effect: not without.
	in.Key = "failed"
	refused(t, s.Commit(ctx, f.Batch(in, poison())), types.Conflict)
	_, ok, err = s.RequestKey(ctx, f.Study.ID, "failed")
	check(t, err)
	same(t, "the key of a failed request", false, ok)

	// Those of all studies go by their age.
	old := store.PutRequestKey{Key: "old", BodyHash: []byte{1}, Response: []byte("r"), Time: epochTime.Add(-time.Hour)}
	check(t, s.Commit(ctx, f.Batch(old)))
	check(t, s.Commit(ctx, other.Batch(old)))
	check(t, s.DropRequestKeys(ctx, epochTime))
	for _, id := range []int64{f.Study.ID, other.Study.ID} {
		_, ok, err = s.RequestKey(ctx, id, "old")
		check(t, err)
		same(t, "the old key", false, ok)
	}
	_, ok, err = s.RequestKey(ctx, f.Study.ID, "k")
	check(t, err)
	same(t, "the younger key", true, ok)
}

func decisions(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "decisions")
	add(t, f, fullTrial())
	add(t, f, fullTrial())
	one := store.AddDecision{Seq: 2, Trial: 1, Step: 7, Kind: types.StopPruned, Reason: "0.5 > 0.25 at step 7", Time: epochTime}
	two := store.AddDecision{Seq: 3, Trial: 0, Step: -1, Kind: types.StopCancelled, Reason: "ü", Time: epochTime}
	check(t, s.Commit(ctx, f.Batch(one, two)))
	for number, want := range map[int64][]store.AddDecision{-1: {one, two}, 0: {two}, 1: {one}, 2: nil} {
		got, err := s.Decisions(ctx, f.Study.ID, number)
		check(t, err)
		same(t, "the decisions", want, got)
	}
}
