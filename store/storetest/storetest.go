package storetest

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// Run checks that the stores that open makes keep the contract. open returns a
// new empty store each time, which it closes at the end of t. With -short it reads
// fewer listings.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, area := range []struct {
		name  string
		tests map[string]func(t *testing.T, s store.Store)
	}{
		{"studies", studyTests},
		{"ownership", ownershipTests},
		{"commits", commitTests},
		{"trials", trialTests},
		{"listing", listingTests},
		{"reports", reportTests},
		{"events", eventTests},
		{"notes", noteTests},
		{"commands", commandTests},
		{"tokens", tokenTests},
		{"workers", workerTests},
		{"projects", projectTests},
		{"concurrency", concurrencyTests},
	} {
		t.Run(area.name, func(t *testing.T) {
			for name, test := range area.tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, open(t))
				})
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks that err has the code.
func refused(t *testing.T, err error, code types.Code) {
	t.Helper()
	if types.CodeOf(err) != code {
		t.Fatalf("got the error %v (%s), want one of code %s", err, types.CodeOf(err), code)
	}
}

// same checks that got equals want, where NaN equals itself, nil equals empty,
// and times are equal as instants and in UTC.
func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := difference("", reflect.ValueOf(want), reflect.ValueOf(got)); d != "" {
		t.Fatalf("%s differs at %s", what, d)
	}
}

func difference(path string, a, b reflect.Value) string {
	if !a.IsValid() || !b.IsValid() || a.Type() != b.Type() {
		if a.IsValid() == b.IsValid() && !a.IsValid() {
			return ""
		}
		return fmt.Sprintf("%s: want %v, got %v", path, a, b)
	}
	unlike := func() string { return fmt.Sprintf("%s: want %#v, got %#v", path, a.Interface(), b.Interface()) }
	if x, ok := reflect.TypeAssert[time.Time](a); ok {
		if y, _ := reflect.TypeAssert[time.Time](b); !x.Equal(y) || y.Location() != time.UTC {
			return fmt.Sprintf("%s: want %v, got %v", path, x, y)
		}
		return ""
	}
	switch a.Kind() {
	case reflect.Float64:
		if x, y := a.Float(), b.Float(); math.Float64bits(x) != math.Float64bits(y) && !(math.IsNaN(x) && math.IsNaN(y)) {
			return unlike()
		}
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			if a.IsNil() != b.IsNil() {
				return unlike()
			}
			return ""
		}
		return difference(path, a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if d := difference(path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i)); d != "" {
				return d
			}
		}
	case reflect.Slice:
		if a.Len() != b.Len() {
			return unlike()
		}
		for i := range a.Len() {
			if d := difference(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i)); d != "" {
				return d
			}
		}
	case reflect.Map:
		if a.Len() != b.Len() {
			return unlike()
		}
		for _, k := range a.MapKeys() {
			if d := difference(fmt.Sprintf("%s[%v]", path, k), a.MapIndex(k), b.MapIndex(k)); d != "" {
				return d
			}
		}
	default:
		if !a.Equal(b) {
			return unlike()
		}
	}
	return ""
}

// events reads all events from seq from on.
func events(t *testing.T, s store.Store, study, from int64) []store.StoredEvent {
	t.Helper()
	var out []store.StoredEvent
	check(t, s.Events(context.Background(), study, from, func(e store.StoredEvent) error {
		out = append(out, e)
		return nil
	}))
	return out
}

// unchanged runs f and checks that the study's rows and events stay as they
// are.
func unchanged(t *testing.T, s store.Store, study int64, f func()) {
	t.Helper()
	type picture struct {
		Study    trial.Study
		Trials   []trial.Trial
		Attempts []trial.Attempt
		Events   []store.StoredEvent
		Spaces   [][]byte
		Notes    map[string][]byte
		Counts   types.Counts
	}
	take := func() (p picture) {
		var err error
		ctx := context.Background()
		p.Study, err = s.StudyByID(ctx, study)
		check(t, err)
		p.Trials, _, err = s.ListTrials(ctx, study, store.TrialFilter{})
		check(t, err)
		p.Attempts, err = s.Attempts(ctx, study, -1)
		check(t, err)
		p.Spaces, err = s.Spaces(ctx, study)
		check(t, err)
		p.Notes, err = s.Attributes(ctx, study, -1, "n")
		check(t, err)
		p.Counts, err = s.Counts(ctx, study)
		check(t, err)
		p.Events = events(t, s, study, 0)
		return p
	}
	before := take()
	f()
	same(t, "the study after a refused change", before, take())
}
