//go:build linux || darwin

package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
)

func TestCheckProgram(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, content, want string }{
		{"script", "#!/bin/sh\necho\n", ""},
		{"env", "#! /usr/bin/env sh\necho\n", ""},
		{"relative", "#!bin/run\n", ""},
		{"plain.py", "print(1)\n", "no #! line"},
		{"empty", "", "no #! line"},
		{"missing", "#!/no/such/python -u\n", "names /no/such/python -u, which does not exist"},
		{"windows", "#!/bin/sh\r\necho\n", "which does not exist"},
		{"folder", "#!/bin\n", "not executable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.name)
			if err := os.WriteFile(path, []byte(c.content), 0o700); err != nil {
				t.Fatal(err)
			}
			if c.want == "no #! line" && handlersRegistered() {
				t.Skip("this machine runs more kinds of files")
			}
			err := CheckProgram("./"+c.name, dir, nil)
			if c.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if types.CodeOf(err) != types.Invalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	if err := CheckProgram(self, dir, nil); err != nil {
		t.Errorf("this very program is refused: %v", err)
	}
	if err := CheckProgram("./absent", dir, nil); types.CodeOf(err) != types.Invalid {
		t.Errorf("a file that is not there: %v", err)
	}
}
