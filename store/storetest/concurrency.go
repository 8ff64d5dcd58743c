package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

var concurrencyTests = map[string]func(t *testing.T, s store.Store){
	"many studies":        manyStudies,
	"two owners race":     ownersRace,
	"readers and writers": readersAndWriters,
}

// dense checks that a study has the trials and events [0, n) each once.
func dense(t *testing.T, s store.Store, study int64, trials int) {
	t.Helper()
	row, err := s.StudyByID(context.Background(), study)
	check(t, err)
	same(t, "the next number", int64(trials), row.NextNumber)
	list, _, err := s.ListTrials(context.Background(), study, store.TrialFilter{Limit: trials + 1})
	check(t, err)
	same(t, "the number of trials", trials, len(list))
	for i, tr := range list {
		same(t, "a trial's number", int64(i), tr.Number)
	}
	all := events(t, s, study, 0)
	same(t, "the number of events", row.NextSeq, int64(len(all)))
	for i, e := range all {
		same(t, "an event's seq", int64(i), e.Seq)
	}
}

func manyStudies(t *testing.T, s store.Store) {
	const studies, trials = 6, 40
	var wg sync.WaitGroup
	feeds := make([]*Feed, studies)
	for i := range feeds {
		feeds[i] = NewFeed(t, s, fmt.Sprint("many", i))
		wg.Go(func() {
			if err := feeds[i].RunTrials(context.Background(), trials, 3); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, f := range feeds {
		dense(t, s, f.Study.ID, trials)
	}
}

// ownersRace has two who both believe that they own the study: what gets
// through is one history, the other's batches are conflicts.
func ownersRace(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "race")
	const each = 40
	var wg sync.WaitGroup
	for range 3 {
		mine := *f
		wg.Go(func() {
			for range each {
				ahead := mine
				_, _, b := ahead.Start()
				switch err := s.Commit(ctx, b); types.CodeOf(err) {
				case "":
					mine = ahead
				case types.Conflict: // another was faster: catch up
					row, err := s.StudyByID(ctx, f.Study.ID)
					if err != nil {
						t.Error(err)
						return
					}
					mine.Seq, mine.Number = row.NextSeq, row.NextNumber
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	row, err := s.StudyByID(ctx, f.Study.ID)
	check(t, err)
	if row.NextNumber < each {
		t.Fatalf("only %d batches of %d got through", row.NextNumber, 3*each)
	}
	dense(t, s, f.Study.ID, int(row.NextNumber))
}

func readersAndWriters(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "reading")
	check(t, f.RunTrials(ctx, 1, 1))
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		if err := f.RunTrials(ctx, 40, 3); err != nil {
			t.Error(err)
		}
	})
	for range 3 {
		wg.Go(func() {
			for last := int64(0); ; {
				select {
				case <-done:
					return
				default:
				}
				next := int64(0)
				err := s.Events(ctx, f.Study.ID, 0, func(e store.StoredEvent) error {
					if e.Seq != next {
						return fmt.Errorf("seq %d where %d is next", e.Seq, next)
					}
					if e.Kind == trial.EventFinished && e.Metrics == nil {
						return fmt.Errorf("trial %d finished without metrics", e.Event.Trial)
					}
					next++
					return nil
				})
				if err == nil && next < last {
					err = fmt.Errorf("%d events, and %d before", next, last)
				}
				if err != nil {
					t.Error(err)
					return
				}
				last = next
				if _, _, err := s.ListTrials(ctx, f.Study.ID, store.TrialFilter{Sort: store.SortFinished, Desc: true, Limit: 5}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	dense(t, s, f.Study.ID, 41)
}

// CheckDense checks that the study has trials trials, numbered without gap, and
// events without gap.
func CheckDense(t *testing.T, s store.Store, name string, trials int) {
	t.Helper()
	st, err := s.Study(context.Background(), "default", name)
	check(t, err)
	dense(t, s, st.ID, trials)
}
