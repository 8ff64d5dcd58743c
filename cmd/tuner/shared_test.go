//go:build linux

package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// launch starts a sweep and returns it with what it prints.
func launch(t *testing.T, cmd *exec.Cmd) (ended <-chan error, out *bytes.Buffer) {
	t.Helper()
	out = &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := make(chan error, 1)
	go func() { c <- cmd.Wait() }()
	return c, out
}

func TestTwoStudiesShareAFile(t *testing.T) {
	a := newCrasher(t)
	b := *a
	b.study = "other"
	endA, outA := launch(t, a.sweep(""))
	endB, outB := launch(t, b.sweep(""))
	if err := <-endA; err != nil {
		t.Errorf("first: %v\n%s", err, outA)
	}
	if err := <-endB; err != nil {
		t.Errorf("second: %v\n%s", err, outB)
	}
	a.check()
	b.check()
}

// The guest waits for the end of the killed owner's leases.
func TestOwnerAndGuestShareAStudy(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for leases to end, half a minute")
	}
	t.Parallel()
	for _, kill := range []bool{false, true} {
		c := newCrasher(t)
		first := c.sweep("")
		endA, outA := launch(t, first)
		endB, outB := launch(t, c.sweep(""))
		if kill {
			c.wait(endA, 600)
			if err := first.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-endA
		} else if err := <-endA; err != nil {
			t.Errorf("first: %v\n%s", err, outA)
		}
		if err := <-endB; err != nil {
			t.Errorf("second: %v\n%s", err, outB)
		}
		if kill { // what the killed one ran is adopted or run again
			if out, err := c.sweep("").CombinedOutput(); err != nil {
				t.Errorf("last: %v\n%s", err, out)
			}
		} else if !strings.Contains(outA.String(), "completed") || !strings.Contains(outB.String(), "completed") {
			t.Errorf("one of the two ran nothing:\n%s\n%s", outA, outB)
		}
		c.check()
	}
}
