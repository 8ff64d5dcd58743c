package cli

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor/local"
)

// ownTrial is the directory of the attempt that this command is a part of, if a
// sweep or worker started it and it is the trial that is named; "" otherwise. What
// such a trial reports its sweep reads: that needs neither a database nor a token.
func (f *dbFlags) ownTrial(args []string) string {
	st := f.st
	dir, study, number := st.Getenv(local.MarkEnv), st.Getenv("TUNER_STUDY"), st.Getenv("TUNER_TRIAL")
	project := st.Getenv("TUNER_PROJECT")
	if dir == "" || args[0] != study || args[1] != number || f.project != "default" && f.project != project {
		return ""
	}
	// A loop inside of a trial may have asked for one of another study.
	if !strings.HasSuffix(dir, filepath.Join("/", project, study, number, st.Getenv("TUNER_ATTEMPT"))) {
		return ""
	}
	return dir
}

// reportHere writes a report where the sweep of this trial reads its output. A
// line is one write to a file that is only appended to.
func reportHere(dir string, body types.ReportAskedBody) error {
	path := filepath.Join(dir, "stdout.log")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return types.Errorf(types.Internal, "the output of this trial takes no report: %w", err).
			WithRemedy("print the values instead")
	}
	line := reportLine(body)
	if !endsLine(file) {
		line = append([]byte{'\n'}, line...)
	}
	_, err = file.Write(line)
	return join(err, file.Close())
}

// endsLine reports whether what a program printed last has its end of line.
func endsLine(file *os.File) bool {
	at, err := file.Stat()
	if err != nil || at.Size() == 0 {
		return err == nil
	}
	last := make([]byte, 1)
	_, err = file.ReadAt(last, at.Size()-1)
	return err == nil && last[0] == '\n'
}

// reportLine is a report as the reader of a trial's output takes it: NaN and the
// infinities bare.
func reportLine(body types.ReportAskedBody) []byte {
	b := []byte(`{"tuner":"report"`)
	if body.Step != nil {
		b = strconv.AppendInt(append(b, `,"step":`...), *body.Step, 10)
	}
	for _, name := range slices.Sorted(maps.Keys(body.Metrics)) {
		b = append(types.AppendString(append(b, ','), name), ':')
		switch v := float64(body.Metrics[name]); {
		case math.IsNaN(v):
			b = append(b, "NaN"...)
		case math.IsInf(v, 0):
			b = append(b, map[bool]string{true: "Infinity", false: "-Infinity"}[v > 0]...)
		default:
			b = strconv.AppendFloat(b, v, 'g', -1, 64)
		}
	}
	return append(b, "}\n"...)
}

// reportOwn is tuner report in a trial that a sweep or worker runs.
func reportOwn(st *State, dir string, args []string, body types.ReportAskedBody, attempt int, asJSON bool) error {
	if own := st.Getenv("TUNER_ATTEMPT"); attempt != 0 && strconv.Itoa(attempt) != own {
		return types.Errorf(types.Superseded, "this is attempt %s of trial %s", own, args[1]).WithField("--attempt").WithRemedy("leave it out")
	}
	for name := range body.Metrics {
		if name == "step" || name == "tuner" {
			return usagef("%q is no name of a metric here", name).WithRemedy("give a step with --step, and the metric another name")
		}
	}
	if err := reportHere(dir, body); err != nil || !asJSON {
		return err
	}
	return json.NewEncoder(st.Stdout).Encode(types.Decision{}) // to stop it is told by a signal
}

// tellOwn refuses tuner tell in a trial that a sweep or worker runs.
func tellOwn(args []string) error {
	// It is in the output of the trial: nothing in it may read as a metric.
	return usagef("trial %s of %s is run by a sweep or worker, which tells its end when the command ends", args[1], args[0]).
		WithRemedy(`print its metric, or end with another exit status than 0 (tuner help contract)`)
}
