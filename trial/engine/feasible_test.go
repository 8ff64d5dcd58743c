package engine_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
)

func constrained(constraint string) json.RawMessage {
	return json.RawMessage(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}],"constraints":["` + constraint + `"]}`)
}

// What no trial could come of is refused before anything is stored.
func TestSpecWithoutAPointIsNotStored(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	e := start(t, db)
	for name, change := range map[string]func(*types.StudySpec){
		"nothing satisfies the constraint": func(s *types.StudySpec) { s.Space = constrained("x > 2") },
		"a target that is no number":       func(s *types.StudySpec) { s.Budget.Target = new(math.NaN()) },
		"an infinite target":               func(s *types.StudySpec) { s.Budget.Target = new(math.Inf(1)) },
	} {
		s := spec("a", 4)
		change(&s)
		if _, err := e.OpenStudy(ctx, s); types.CodeOf(err) != types.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := db.Study(ctx, "default", "a"); types.CodeOf(err) != types.NotFound {
			t.Errorf("%s: the study is stored (%v)", name, err)
		}
	}
	narrow := spec("a", 4)
	narrow.Space = constrained("x > 0.999")
	st := open(t, e, narrow)
	wider := spec("a", 8)
	wider.Space, wider.Extend = constrained("x > 2"), true
	if _, err := e.OpenStudy(ctx, wider); types.CodeOf(err) != types.Invalid {
		t.Errorf("continued without a point: %v", err)
	}
	spaces, err := db.Spaces(ctx, st.ID)
	if err != nil || len(spaces) != 1 {
		t.Errorf("%d versions of the space are stored (%v)", len(spaces), err)
	}
	if x, _ := lease(t, e, st.ID).Params.Get("x"); x.(float64) <= 0.999 {
		t.Errorf("the first point is %v", x)
	}
}

func TestPointToTryIsNamedByItsPlace(t *testing.T) {
	e := start(t, memstore.New())
	s := spec("a", 4)
	s.Space = constrained("x < 0.5")
	s.Try = []types.Params{{{Name: "x", Value: 0.25}}, {{Name: "x", Value: 0.75}}}
	if _, err := e.OpenStudy(context.Background(), s); err == nil || !strings.HasPrefix(err.Error(), "try[1]: the constraint x < 0.5 does not hold") {
		t.Errorf("error %v", err)
	}
	s.Try[1][0].Value = 7.5
	if _, err := e.OpenStudy(context.Background(), s); err == nil || !strings.HasPrefix(err.Error(), "try[1].x: it is 7.5") {
		t.Errorf("error %v", err)
	}
}

func TestAnotherSeedIsADifference(t *testing.T) {
	ctx := context.Background()
	e := start(t, memstore.New())
	open(t, e, spec("a", 4))
	s := spec("a", 4)
	s.Seed++
	if _, err := e.OpenStudy(ctx, s); types.CodeOf(err) != types.Conflict || !strings.Contains(err.Error(), "seed: 7 → 8") {
		t.Errorf("continued with another seed: %v", err)
	}
	s.Seed = 0
	if v := open(t, e, s); v.Spec.Seed != 7 {
		t.Errorf("continued without a seed: it is %d", v.Spec.Seed)
	}
}

// stuck is a store that takes nothing for a while.
type stuck struct{ failing }

func (s *stuck) Release(ctx context.Context, study, epoch int64) error {
	if s.broken.Load() {
		return errFull
	}
	return s.Store.Release(ctx, study, epoch)
}

// A study that was dropped after a failed commit is still given up at the end,
// and if that fails too, whoever closes hears of it.
func TestCloseGivesUpWhatWasDropped(t *testing.T) {
	ctx := context.Background()
	for _, room := range []bool{true, false} {
		db := &stuck{failing{Store: memstore.New()}}
		e := start(t, db)
		st := open(t, e, spec("a", 10))
		l := lease(t, e, st.ID)
		db.broken.Store(true)
		if _, err := e.Finish(ctx, completed(l, 1)); types.CodeOf(err) != types.Unavailable {
			t.Fatalf("finish on a full disk: %v", err)
		}
		db.broken.Store(!room)
		if err := e.Close(ctx); (err == nil) != room {
			t.Errorf("closed with room %v: %v", room, err)
		}
		row, err := db.StudyByID(ctx, st.ID)
		if err != nil || (row.Owner == "") != room {
			t.Errorf("with room %v the owner is %q (%v)", room, row.Owner, err)
		}
	}
}

var _ store.Store = (*stuck)(nil)
