package cli

import (
	"context"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// schemaLook is how often a server looks whether a later version has changed its
// database.
const schemaLook = 10 * time.Second

// outdated sends the error once a later version has changed the database in a
// way that this one cannot use. It ends with ctx.
func outdated(ctx context.Context, s store.Store) <-chan error {
	found := make(chan error, 1)
	db, ok := s.(interface {
		Compatible(ctx context.Context) error
	})
	if !ok {
		return found
	}
	go func() {
		look := time.NewTicker(schemaLook)
		defer look.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-look.C:
			}
			if err := db.Compatible(ctx); types.CodeOf(err) == types.Invalid {
				found <- err
				return
			}
		}
	}()
	return found
}
