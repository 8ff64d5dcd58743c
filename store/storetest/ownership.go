package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

var ownershipTests = map[string]func(t *testing.T, s store.Store){
	"life of a lease":              lifeOfALease,
	"takeover after expiry":        takeover,
	"a superseded owner is fenced": fenced,
	"one of many gets it":          oneOfMany,
}

func lifeOfALease(t *testing.T, s store.Store) {
	ctx := context.Background()
	made, err := s.CreateStudy(ctx, newStudy("lease"))
	check(t, err)
	same(t, "the owner of a new study", trial.Ownership{}, made.Ownership)

	got, err := s.Acquire(ctx, made.ID, "a", "host:1", epochTime, ttl)
	check(t, err)
	want := made
	want.Ownership = trial.Ownership{Owner: "a", OwnerAddr: "host:1", Epoch: 1, LeaseUntil: epochTime.Add(ttl)}
	same(t, "the acquired study", want, got)

	// Another gets to know who owns it.
	got, err = s.Acquire(ctx, made.ID, "b", "", epochTime.Add(ttl-time.Microsecond), ttl)
	refused(t, err, types.Conflict)
	same(t, "the study of another", want, got)

	check(t, s.Renew(ctx, made.ID, 1, epochTime.Add(ttl), ttl))
	want.LeaseUntil = epochTime.Add(2 * ttl)
	got, err = s.StudyByID(ctx, made.ID)
	check(t, err)
	same(t, "the renewed study", want, got)

	// The owner itself may acquire again, after a restart: a new epoch.
	got, err = s.Acquire(ctx, made.ID, "a", "host:2", epochTime, ttl)
	check(t, err)
	want.Ownership = trial.Ownership{Owner: "a", OwnerAddr: "host:2", Epoch: 2, LeaseUntil: epochTime.Add(ttl)}
	same(t, "the study acquired again", want, got)
	refused(t, s.Renew(ctx, made.ID, 1, epochTime, ttl), types.Superseded)

	check(t, s.Release(ctx, made.ID, 1)) // too late to matter, and no error
	got, err = s.StudyByID(ctx, made.ID)
	check(t, err)
	same(t, "the study after a release of an old epoch", want, got)

	check(t, s.Release(ctx, made.ID, 2))
	want.Ownership = trial.Ownership{Epoch: 2}
	got, err = s.StudyByID(ctx, made.ID)
	check(t, err)
	same(t, "the released study", want, got)
	refused(t, s.Renew(ctx, made.ID, 2, epochTime, ttl), types.Superseded)

	got, err = s.Acquire(ctx, made.ID, "b", "", epochTime, ttl)
	check(t, err)
	same(t, "the epoch of the next owner", int64(3), got.Epoch)
}

func takeover(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "takeover")
	got, err := s.Acquire(ctx, f.Study.ID, "b", "", epochTime.Add(ttl), ttl)
	check(t, err)
	same(t, "the new owner", trial.Ownership{Owner: "b", Epoch: 2, LeaseUntil: epochTime.Add(2 * ttl)}, got.Ownership)
	refused(t, s.Renew(ctx, f.Study.ID, f.Study.Epoch, epochTime.Add(ttl), ttl), types.Superseded)
}

func fenced(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "fence")
	check(t, f.RunTrials(ctx, 1, 2))
	_, err := s.Acquire(ctx, f.Study.ID, "b", "", epochTime.Add(ttl), ttl)
	check(t, err)
	unchanged(t, s, f.Study.ID, func() {
		_, _, b := f.Start()
		err := s.Commit(ctx, b)
		refused(t, err, types.Superseded)
		refused(t, s.DeleteStudy(ctx, f.Study.ID, f.Study.Epoch), types.Superseded)
	})
}

func oneOfMany(t *testing.T, s store.Store) {
	ctx := context.Background()
	made, err := s.CreateStudy(ctx, newStudy("race"))
	check(t, err)
	const n = 8
	errs := make(chan error, n)
	for i := range n {
		go func() {
			_, err := s.Acquire(ctx, made.ID, string(rune('a'+i)), "", epochTime, ttl)
			errs <- err
		}()
	}
	won := 0
	for range n {
		if err := <-errs; err == nil {
			won++
		} else {
			refused(t, err, types.Conflict)
		}
	}
	same(t, "the number of owners", 1, won)
	got, err := s.StudyByID(ctx, made.ID)
	check(t, err)
	same(t, "the epoch", int64(1), got.Epoch)
}
