package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	tuner "github.com/gotuner/tuner"
)

// currentProgram is a program of the Go SDK, for scripts. It also prints its
// loss for people, and writes it to a file.
func currentProgram() int {
	ctx := context.Background()
	t, err := tuner.Current(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	x := t.Float("x", 0, 1)
	file, err := os.OpenFile(filepath.Join(t.Dir(), "metrics.txt"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for epoch := range int64(3) {
		if err := t.Report(ctx, epoch+1, float64(4-epoch)+x/100); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Printf("loss %d, or loss=%d\n", 4-epoch, 4-epoch)
		fmt.Fprintf(file, "loss=%d size=7\n", 4-epoch)
	}
	t.SetMetric("acc", 0.75)
	if err := t.Tell(ctx, 0.5); err != nil || file.Close() != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
