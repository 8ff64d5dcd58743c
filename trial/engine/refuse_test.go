package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/memstore"
)

// What is wrong by itself is told before what differs from the stored study.
func TestUnknownNamesAreToldBeforeDifferences(t *testing.T) {
	e := start(t, memstore.New())
	open(t, e, spec("a", 4))
	for name, change := range map[string]func(*types.StudySpec){
		"medain": func(s *types.StudySpec) { s.Stopper.Name = "medain" },
		"tpee":   func(s *types.StudySpec) { s.Algorithm.Name = "tpee" },
		"mean":   func(s *types.StudySpec) { s.Strategy = "mean" },
	} {
		s := spec("a", 4)
		s.Space = json.RawMessage(`{"parameters":[{"name":"x","type":"float","low":-9.0,"high":5.0}]}`)
		change(&s)
		if _, err := e.OpenStudy(context.Background(), s); types.CodeOf(err) != types.Invalid || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A study whose trials are told has nothing that a sweep by name could run.
func TestToldStudyIsNoSweep(t *testing.T) {
	e := start(t, memstore.New())
	open(t, e, spec("a", 4))
	_, err := e.OpenStudy(context.Background(), types.StudySpec{Name: "a", Run: &types.RunSpec{Keep: "all"}})
	told, ok := errors.AsType[*types.Error](err)
	if !ok || told.Code != types.Conflict || !strings.Contains(told.Message, "the study a has no command") || told.Remedy == "" {
		t.Errorf("%v", err)
	}
}
