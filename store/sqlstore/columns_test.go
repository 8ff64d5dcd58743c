package sqlstore_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/store/storetest"
)

// TestColumnsAreMadeAndKept: the blocks of a study are stored when somebody
// wants them, are used from then on, made anew when they cannot be read, and go
// with the study.
func TestColumnsAreMadeAndKept(t *testing.T) {
	s := sqlstore.SmallBlocks(open(t, sqlstore.Config{DSN: newFile(t)}))
	f := storetest.NewFeed(t, s, "s")
	add := func(n int) {
		t.Helper()
		for range n {
			_, _, b := f.Start()
			if err := s.Commit(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func(first int64, blocks int64) {
		t.Helper()
		filter := store.TrialFilter{Sort: store.SortParam, Param: "layers", Desc: true, Limit: 4, Params: []store.ParamFilter{{Name: "lr", Min: new(0.0)}}}
		page, next, err := s.ListTrials(t.Context(), f.Study.ID, filter)
		if err != nil || next == "" {
			t.Fatal(next, err)
		}
		var numbers []int64
		for i := range page {
			numbers = append(numbers, page[i].Number)
		}
		if !slices.Equal(numbers, []int64{first, first - 8, first - 16, first - 24}) {
			t.Errorf("the page is %v, want it to begin at %d", numbers, first)
		}
		if n := sqlstore.BlocksOf(t, s, f.Study.ID); n != blocks {
			t.Errorf("%d blocks are stored, want %d", n, blocks)
		}
	}
	add(40)
	for end := time.Now().Add(20 * time.Second); sqlstore.BlocksOf(t, s, f.Study.ID) == 0; {
		if time.Now().After(end) {
			t.Fatal("no block is made before somebody wants it")
		}
		<-time.After(5 * time.Millisecond)
	}
	want(39, 5*6) // five whole blocks of five parameters and the time
	add(1)
	want(39, 5*6)
	add(9)
	want(47, 7*6)
	for _, data := range []string{"", "\x01", "\x02" + strings.Repeat("x", 80), "\x01" + strings.Repeat("\x00", 63) + "\xff", "\x01\x03\x03\x03\x03\x03\x03\x03" + strings.Repeat("\x00", 56)} {
		sqlstore.SpoilBlocks(t, s, data)
		want(47, 7*6)
		want(47, 7*6)
	}
	if err := s.DeleteStudy(t.Context(), f.Study.ID, f.Study.Epoch); err != nil {
		t.Fatal(err)
	}
	if n := sqlstore.BlocksOf(t, s, f.Study.ID); n != 0 {
		t.Errorf("%d blocks are left of a study that is gone", n)
	}
}
