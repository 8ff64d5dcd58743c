package memstore_test

import (
	"testing"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/store/storetest"
	"github.com/gotuner/tuner/store/storetest/modeltest"
)

func open(tb testing.TB) store.Store {
	s := memstore.New()
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func BenchmarkTrial(b *testing.B) { storetest.BenchmarkTrial(b, open) }

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
}

func TestModel(t *testing.T) {
	modeltest.Run(t, func(t *testing.T) store.Store { return open(t) })
}
