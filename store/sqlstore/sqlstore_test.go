package sqlstore_test

import (
	"testing"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/storetest"
)

func TestConformanceSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openSQLite("normal")(t) })
}
