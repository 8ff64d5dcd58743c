package aside_test

import (
	"testing"

	"github.com/gotuner/tuner/internal/aside"
)

func TestWhatIsDoneAsideIsDoneBeforeItReturns(t *testing.T) {
	for _, waits := range []bool{false, true} {
		done := 0
		aside.If(waits, func() { done++ })
		if done != 1 {
			t.Errorf("waits %v: it ran %d times, want once", waits, done)
		}
	}
}

func TestPanicsGoToTheCaller(t *testing.T) {
	for _, waits := range []bool{false, true} {
		func() {
			defer func() {
				if p := recover(); p != "why" {
					t.Errorf("waits %v: recovered %v, want why", waits, p)
				}
			}()
			aside.If(waits, func() { panic("why") })
		}()
	}
}
