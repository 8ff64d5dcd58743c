//go:build !linux && !darwin

package executortest

import "github.com/gotuner/tuner/trial/executor"

const taskScript = ""

func (s *suite) process(string, ...string) executor.Spec {
	s.t.Fatal("executors of processes are tested on Linux and macOS")
	return executor.Spec{}
}

func processTests(Harness) map[string]func(*suite) {
	return map[string]func(*suite){"Platform": func(s *suite) { s.process("") }}
}

// Helper is for Linux and macOS.
func Helper([]string) int { return 2 }
