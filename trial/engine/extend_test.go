package engine_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/trial/engine"
)

func openSpec(trials int64) types.StudySpec {
	s := spec("open", trials)
	s.Space = json.RawMessage(`{"parameters":[{"name":"kind","type":"categorical","choices":["a","b"]}],"open":true}`)
	return s
}

func draw(t *testing.T, e *engine.Engine, l types.Lease, params ...string) (types.ExtendReply, error) {
	t.Helper()
	req := types.ExtendRequest{Ref: l.Ref}
	for _, p := range params {
		req.Parameters = append(req.Parameters, json.RawMessage(p))
	}
	return e.Extend(t.Context(), req)
}

const (
	depth = `{"name":"depth","type":"int","low":1,"high":9}`
	rate  = `{"name":"rate","type":"float","low":0.001,"high":1.0,"scale":"log"}`
)

// TestAnOpenStudyIsLoadedFromItsDigests: plans, draws and what was not asked for
// come from them as from the rows.
func TestAnOpenStudyIsLoadedFromItsDigests(t *testing.T) {
	db := memstore.New()
	e := start(t, db)
	st := open(t, e, openSpec(0))
	long := `{"name":"note","type":"categorical","choices":["` + strings.Repeat("x", 900) + `","` + strings.Repeat("y", 900) + `"]}`
	var left []types.Lease
	for i := range 500 {
		l := lease(t, e, st.ID)
		asked := []string{rate, long}
		if i%3 == 0 {
			asked = append(asked, depth)
		}
		if i%5 == 0 {
			asked = asked[:1]
		}
		if _, err := draw(t, e, l, asked...); err != nil {
			t.Fatal(err)
		}
		switch {
		case i%50 == 7:
			fail(t, e, l)
		case i%100 == 8:
			left = append(left, l)
		default:
			finish(t, e, l, float64(i%17))
		}
	}
	closed(t, e)
	rows := &digested{Store: db, change: func(int, *store.PutDigest) bool { return false }}
	want, wantEvents := loaded(t, rows, st.ID)
	all := &digested{Store: db}
	got, events := loaded(t, all, st.ID)
	if rows.from != 0 || all.from == 0 || want.SpaceVersion != 4 || want.Counts.Running != int64(len(left)) {
		t.Fatalf("events were read from %d and %d on; %+v", rows.from, all.from, want)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the study differs:\n%s", d)
	}
	if d := cmp.Diff(wantEvents, events, cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("the events differ:\n%s", d)
	}
	// What was planned for the trials that are left is drawn after either.
	for i, s := range []store.Store{rows, all} {
		e := start(t, s)
		for _, l := range left {
			before, err := e.Trial(t.Context(), st.ID, l.Ref.Trial)
			if err != nil {
				t.Fatal(err)
			}
			r, err := draw(t, e, l, rate, long, depth)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range before.Params {
				if v, ok := r.Params.Get(p.Name); ok && v != p.Value {
					t.Errorf("round %d: trial %d had %s=%v and has %v", i, l.Ref.Trial, p.Name, p.Value, v)
				}
			}
		}
		closed(t, e)
	}
}

func TestRefusedDraws(t *testing.T) {
	e := start(t, memstore.New())
	st := open(t, e, openSpec(10))
	l := lease(t, e, st.ID)
	if _, err := draw(t, e, l, rate); err != nil {
		t.Fatal(err)
	}
	stranger := l
	stranger.Ref.Token = "another"
	for _, tt := range []struct {
		l      types.Lease
		params []string
		code   types.Code
		words  string
	}{
		{l, nil, types.Invalid, "0 parameters"},
		{l, []string{`{}`}, types.Invalid, "no name"},
		{l, []string{`{"name":"a","type":"float","low":1.0,"high":0.0}`}, types.Invalid, "space.a"},
		{l, []string{`{"name":"a","type":"bool","when":{"param":"kind","in":["a"]}}`}, types.Invalid, "space.a.when"},
		{l, []string{`{"name":"a","type":"bool","wenn":1}`}, types.Invalid, "wenn"},
		{l, []string{depth, `{"name":"rate","type":"int","low":1,"high":2}`}, types.Conflict, "type float → int"},
		{l, []string{depth, `{"name":"depth","type":"int","low":1,"high":8}`}, types.Conflict, "high 9 → 8"},
		{l, []string{`{"name":"kind","type":"categorical","choices":["a","c"]}`}, types.Conflict, `choices "a", "b" → "a", "c"`},
		{stranger, []string{rate}, types.Superseded, "superseded"},
	} {
		_, err := draw(t, e, tt.l, tt.params...)
		if types.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%v: %v, want %s with %q", tt.params, err, tt.code, tt.words)
		}
	}
	if v := info(t, e, st.ID); v.SpaceVersion != 2 {
		t.Errorf("a refused request changed the space: %s", v.Spec.Space)
	}
	finish(t, e, l, 1)
	if _, err := draw(t, e, l, rate); types.CodeOf(err) != types.Superseded {
		t.Errorf("a draw after the end: %v", err)
	}
}

// TestADrawIsStoredBeforeItIsTold: what a reply says is in the store, and what a
// failed commit took with it is drawn again.
func TestADrawIsStoredBeforeItIsTold(t *testing.T) {
	db := memstore.New()
	e := start(t, db)
	st := open(t, e, openSpec(10))
	l := lease(t, e, st.ID)
	for _, p := range []string{rate, depth, rate} {
		r, err := draw(t, e, l, p)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := db.Trial(t.Context(), st.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := stored.Params.Get(r.Params[0].Name); v != r.Params[0].Value || stored.SpaceVersion != r.SpaceVersion {
			t.Errorf("the reply was %+v, stored is %v of version %d", r, stored.Params, stored.SpaceVersion)
		}
	}
	spaces, err := db.Spaces(t.Context(), st.ID)
	if err != nil || len(spaces) != 3 {
		t.Errorf("%d space versions, %v", len(spaces), err)
	}
}

// TestADeclaredSpaceGoesOnWithWhatWasDrawn: who continues a study declares no
// more than before, and may change that.
func TestADeclaredSpaceGoesOnWithWhatWasDrawn(t *testing.T) {
	db := memstore.New()
	e := start(t, db)
	st := open(t, e, openSpec(10))
	l := lease(t, e, st.ID)
	if _, err := draw(t, e, l, rate); err != nil {
		t.Fatal(err)
	}
	if v := open(t, e, openSpec(20)); v.SpaceVersion != 2 || !v.Continued {
		t.Errorf("the same declaration gives version %d", v.SpaceVersion)
	}
	wide := openSpec(20)
	wide.Space = json.RawMessage(strings.Replace(string(wide.Space), `"b"`, `"b","c"`, 1))
	if _, err := e.OpenStudy(t.Context(), wide); types.CodeOf(err) != types.Conflict || strings.Contains(err.Error(), "rate") {
		t.Errorf("another declaration: %v", err)
	}
	wide.Extend = true
	if v := open(t, e, wide); v.SpaceVersion != 3 || !strings.Contains(string(v.Spec.Space), `"rate"`) {
		t.Errorf("the extended space is %s", v.Spec.Space)
	}
	if r, err := draw(t, e, l, rate, depth); err != nil || r.SpaceVersion != 4 {
		t.Errorf("the running trial draws %+v, %v", r, err)
	}
	finish(t, e, l, 1)
	closed(t, e)
}
