package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

var commandTests = map[string]func(t *testing.T, s store.Store){
	"a command's life":  commandLife,
	"keys":              commandKeys,
	"mailboxes":         mailboxes,
	"answered once":     answeredOnce,
	"dropping commands": dropCommands,
}

func commandLife(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "life")
	id, err := s.AddCommand(ctx, f.Study.ID, "enqueue", []byte{0, 255}, "", epochTime)
	check(t, err)
	_, ok, err := s.CommandAnswer(ctx, id)
	check(t, err)
	same(t, "answered at first", false, ok)
	got, err := s.PendingCommands(ctx, []int64{f.Study.ID}, 10)
	check(t, err)
	same(t, "the open commands", []store.Command{
		{ID: id, Study: f.Study.ID, Kind: "enqueue", Payload: []byte{0, 255}, Time: epochTime},
	}, got)
	_, _, b := f.Start()
	b.Mutations = append(b.Mutations, store.AnswerCommand{ID: id, Response: []byte("done"), Time: epochTime})
	check(t, s.Commit(ctx, b))
	answer, ok, err := s.CommandAnswer(ctx, id)
	check(t, err)
	same(t, "answered", true, ok)
	same(t, "the answer", []byte("done"), answer)
	got, err = s.PendingCommands(ctx, []int64{f.Study.ID}, 10)
	check(t, err)
	same(t, "the open commands left", 0, len(got))
	_, _, err = s.CommandAnswer(ctx, id+1000)
	refused(t, err, types.NotFound)
}

func commandKeys(t *testing.T, s store.Store) {
	ctx := context.Background()
	f, other := NewFeed(t, s, "keys"), NewFeed(t, s, "other")
	add := func(study int64, key string) int64 {
		t.Helper()
		id, err := s.AddCommand(ctx, study, "stop", []byte(key), key, epochTime)
		check(t, err)
		return id
	}
	first := add(f.Study.ID, "a")
	same(t, "the ID of the same key", first, add(f.Study.ID, "a"))
	seen := map[int64]bool{first: true}
	for _, id := range []int64{add(f.Study.ID, "b"), add(other.Study.ID, "a"), add(f.Study.ID, ""), add(f.Study.ID, "")} {
		if seen[id] {
			t.Fatalf("the ID %d was given twice", id)
		}
		seen[id] = true
	}
	same(t, "the ID of the same key", first, add(f.Study.ID, "a"))
	// Also when it is answered already: the caller asks for the answer next.
	check(t, s.Commit(ctx, f.Batch(store.AnswerCommand{ID: first, Response: []byte("x"), Time: epochTime})))
	same(t, "the ID of the answered key", first, add(f.Study.ID, "a"))
}

func mailboxes(t *testing.T, s store.Store) {
	ctx := context.Background()
	a, b, c := NewFeed(t, s, "a").Study.ID, NewFeed(t, s, "b").Study.ID, NewFeed(t, s, "c").Study.ID
	var want []int64
	for i, study := range []int64{a, b, c, b, a} {
		id, err := s.AddCommand(ctx, study, "stop", nil, "", epochTime)
		check(t, err)
		if i != 2 {
			want = append(want, id)
		}
	}
	pending := func(limit int, studies ...int64) (ids []int64) {
		t.Helper()
		got, err := s.PendingCommands(ctx, studies, limit)
		check(t, err)
		for _, c := range got {
			ids = append(ids, c.ID)
		}
		return ids
	}
	same(t, "the commands of two studies", want, pending(10, b, a))
	same(t, "the first two", want[:2], pending(2, a, b))
	same(t, "without limit", want, pending(0, a, b))
	same(t, "of no study", 0, len(pending(10)))
}

func answeredOnce(t *testing.T, s store.Store) {
	ctx := context.Background()
	f, other := NewFeed(t, s, "once"), NewFeed(t, s, "thief")
	id, err := s.AddCommand(ctx, f.Study.ID, "stop", nil, "", epochTime)
	check(t, err)
	answer := store.AnswerCommand{ID: id, Response: []byte("1"), Time: epochTime}
	refused(t, s.Commit(ctx, other.Batch(answer)), types.Conflict)
	refused(t, s.Commit(ctx, f.Batch(answer, answer)), types.Conflict)
	check(t, s.Commit(ctx, f.Batch(answer)))
	answer.Response = []byte("2")
	refused(t, s.Commit(ctx, f.Batch(answer)), types.Conflict)
	got, _, err := s.CommandAnswer(ctx, id)
	check(t, err)
	same(t, "the answer", []byte("1"), got)
}

func dropCommands(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "drop")
	var ids []int64
	for i := range 3 {
		id, err := s.AddCommand(ctx, f.Study.ID, "stop", nil, string(rune('a'+i)), epochTime)
		check(t, err)
		ids = append(ids, id)
	}
	check(t, s.Commit(ctx, f.Batch(
		store.AnswerCommand{ID: ids[0], Time: epochTime}, store.AnswerCommand{ID: ids[1], Time: epochTime.Add(time.Hour)},
	)))
	check(t, s.DropCommands(ctx, epochTime.Add(time.Minute)))
	_, _, err := s.CommandAnswer(ctx, ids[0])
	refused(t, err, types.NotFound)
	_, ok, err := s.CommandAnswer(ctx, ids[1])
	check(t, err)
	same(t, "the younger one is answered", true, ok)
	_, ok, err = s.CommandAnswer(ctx, ids[2])
	check(t, err)
	same(t, "the open one is answered", false, ok)
	again, err := s.AddCommand(ctx, f.Study.ID, "stop", nil, "a", epochTime)
	check(t, err)
	if again <= ids[2] {
		t.Fatalf("a dropped key gave the ID %d", again)
	}
}
