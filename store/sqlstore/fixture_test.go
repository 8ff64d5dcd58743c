package sqlstore_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/store/storetest"
	"github.com/gotuner/tuner/trial"
)

// With each new schema a file of it is made once, by the build that brings it,
// and kept: every later build must open it.
var updateFixture = flag.String("update-fixture", "", "make the fixture `FILE`, such as testdata/schema-v2.db.gz")

const fixtureTrials = 12

// fillFixture writes something of everything.
func fillFixture(t *testing.T, s store.Store) {
	t.Helper()
	f := storetest.NewFeed(t, s, "fixture")
	if err := f.RunTrials(t.Context(), fixtureTrials, 3); err != nil {
		t.Fatal(err)
	}
	tr, err := s.Trial(t.Context(), f.Study.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	tr.Metrics = map[string]float64{"nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1)}
	now := f.Now()
	command, err := s.AddCommand(t.Context(), f.Study.ID, "enqueue", []byte(`{"lr":0.5}`), "key", now)
	if err == nil {
		_, err = s.AddCommand(t.Context(), f.Study.ID, "stop", nil, "", now)
	}
	if err != nil {
		t.Fatal(err)
	}
	err = s.Commit(t.Context(), f.Batch(
		store.UpdateTrial{Trial: &tr},
		store.AddSpace{Version: 2, JSON: []byte(`{"v":2}`), Time: now},
		store.AddDecision{Seq: 5, Trial: 1, Step: 2, Kind: types.StopPruned, Reason: "0.5 > 0.25", Time: now},
		store.PutSuggesterState{Seq: 20, Name: "tpe", Version: 1, State: []byte{1, 2, 3}},
		store.PutAttribute{Trial: -1, Namespace: "user", Key: "note", Value: []byte("fixture")},
		store.PutRequestKey{Key: "r", BodyHash: []byte{9}, Response: []byte("{}"), Time: now},
		store.AnswerCommand{ID: command, Response: []byte("done"), Time: now},
	))
	if err != nil {
		t.Fatal(err)
	}
}

// TestMakeFixture makes a fixture if it is asked to.
func TestMakeFixture(t *testing.T) {
	if *updateFixture == "" {
		t.Skip("only with -update-fixture")
	}
	path := newFile(t)
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: path})
	if err != nil {
		t.Fatal(err)
	}
	fillFixture(t, s)
	closeStore(t, s)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = os.WriteFile(*updateFixture, packed.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, fixture string) (path string) {
	t.Helper()
	packed, err := os.ReadFile(fixture)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	path = newFile(t)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFixtures compares the database of each released schema with what this
// build writes today.
func TestFixtures(t *testing.T) {
	fixtures, err := filepath.Glob("testdata/schema-v*.db.gz")
	if err != nil || len(fixtures) == 0 {
		t.Fatalf("there are no fixtures (%v)", err)
	}
	today := openSQLite("normal")(t)
	fillFixture(t, today)
	want := dump(t, today)
	for _, fixture := range fixtures {
		t.Run(filepath.Base(fixture), func(t *testing.T) {
			s := open(t, sqlstore.Config{DSN: unpack(t, fixture)})
			storetest.CheckDense(t, s, "fixture", fixtureTrials)
			if diff := cmp.Diff(want, dump(t, s), cmpopts.EquateNaNs()); diff != "" {
				t.Errorf("today (-) and the fixture (+) differ:\n%s", diff)
			}
			f, err := resume(s, "fixture")
			if err == nil {
				err = f.RunTrials(t.Context(), 1, 2)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// contents is everything that the fixture has.
type contents struct {
	Study     trial.Study
	Counts    types.Counts
	Spaces    [][]byte
	Trials    []trial.Trial
	Attempts  []trial.Attempt
	Reports   []trial.Report
	Events    []store.StoredEvent
	Decisions []store.AddDecision
	State     store.PutSuggesterState
	Key       store.PutRequestKey
	Notes     map[string][]byte
	Open      []store.Command
	Answer    []byte
}

func dump(t *testing.T, s store.Store) contents {
	t.Helper()
	ctx := t.Context()
	var c contents
	var err error
	check := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c.Study, err = s.Study(ctx, "default", "fixture")
	check()
	id := c.Study.ID
	c.Counts, err = s.Counts(ctx, id)
	check()
	c.Spaces, err = s.Spaces(ctx, id)
	check()
	c.Trials, _, err = s.ListTrials(ctx, id, store.TrialFilter{})
	check()
	c.Attempts, err = s.Attempts(ctx, id, -1)
	check()
	c.Reports, err = s.Reports(ctx, id, 3, "", 0)
	check()
	err = s.Events(ctx, id, 0, func(e store.StoredEvent) error {
		c.Events = append(c.Events, e)
		return nil
	})
	check()
	c.Decisions, err = s.Decisions(ctx, id, -1)
	check()
	c.State, _, err = s.SuggesterState(ctx, id)
	check()
	c.Key, _, err = s.RequestKey(ctx, id, "r")
	check()
	c.Notes, err = s.Attributes(ctx, id, -1, "user")
	check()
	c.Open, err = s.PendingCommands(ctx, []int64{id}, 10)
	check()
	c.Answer, _, err = s.CommandAnswer(ctx, c.Open[0].ID-1)
	check()
	return c
}
