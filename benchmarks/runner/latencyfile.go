package runner

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gotuner/tuner/api/types"
)

// LatencyFile is the name of the file of a latency test in a folder of results.
const LatencyFile = "latency.csv"

// WriteLatencies replaces the LatencyFile of a folder, which is made if it is
// missing: only figures of one run are comparable.
func WriteLatencies(dir string, rows []Latency) error {
	t := latencyColumns()
	var b bytes.Buffer
	b.Write(t.header())
	for i := range rows {
		b.Write(t.row(&rows[i]))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return types.Errorf(types.Invalid, "make the folder of results: %w", err).WithField("out")
	}
	path := filepath.Join(dir, LatencyFile)
	part := path + ".part"
	err := os.WriteFile(part, b.Bytes(), 0o644)
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		return types.Errorf(types.Unavailable, "write %s: %w", path, err)
	}
	return nil
}

// ReadLatencies reads the LatencyFile of a folder; none without an error if
// there is no such file.
func ReadLatencies(dir string) ([]Latency, error) {
	path := filepath.Join(dir, LatencyFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, types.Errorf(types.Unavailable, "read latencies: %w", err)
	}
	rows, _, err := latencyColumns().parse(path, content, func(l *Latency) error { return l.Status.check() })
	return rows, err
}
