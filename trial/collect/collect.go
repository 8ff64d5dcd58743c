// Package collect turns what a running attempt writes into reports.
package collect

import "github.com/gotuner/tuner/api/types"

// Collector reads the output of one attempt. It is a pure state machine over
// bytes: it opens no files and knows no clock, so that the same bytes give the
// same reports however they are cut. It is used by one goroutine at a time.
type Collector interface {
	// Write takes the next bytes of a stream ("stdout", "stderr", "file").
	Write(stream string, p []byte)
	// Take returns the reports since the last Take and the cursor up to which
	// they account for the streams: a Collector that is restored with it and fed
	// the bytes from its offsets on gives the reports that follow. final says
	// that the streams have ended, so that a last line without newline counts.
	Take(final bool) (reports []types.Report, cursor string)
	// Offsets returns, for each stream, the offset to read from next.
	Offsets() map[string]int64
	// Infeasible returns the reason with which the attempt declared itself
	// infeasible, and whether it did.
	Infeasible() (reason string, ok bool)
	// Seen describes all metric names that appeared, also those nobody asked
	// for, with their last values: for the message "metric x never appeared".
	Seen() []Seen
}

// Seen is a metric name that appeared in the output.
type Seen struct {
	Metric string
	Count  int64
	Last   float64
}
