//go:build linux

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gotuner/tuner/cmd/tuner/cli"
)

const (
	// maxJump bounds how far a clock goes wrong: hours, as a machine's does that
	// slept or was set by hand.
	maxJump = 12 * time.Hour
	// clockLook is how often a server looks whether its clock has jumped.
	clockLook = 20 * time.Millisecond
)

// clock is the machine's, and so many nanoseconds ahead. It has no monotonic
// part: what it counts, a jump spoils.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Now().Round(0).Add(time.Duration(c.ahead.Load()))
}

// follow sets the clock as a file says, once, and then as often as it changes.
func (c *clock) follow(name string) error {
	look := func() error {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		ahead, err := strconv.ParseInt(string(b), 10, 64)
		if err == nil {
			c.ahead.Store(ahead)
		}
		return err
	}
	if err := look(); err != nil {
		return err
	}
	go func() {
		for range time.Tick(clockLook) {
			if look() != nil {
				return // the stage is being cleared
			}
		}
	}()
	return nil
}

// serverMain is the program, with a clock that jumps.
func serverMain() int {
	st, c := cli.System(), clock{}
	if err := c.follow(os.Getenv(clockEnv)); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		return 1
	}
	st.Now = c.now
	return cli.Main(st)
}

// clock is the name of the file that sets the clock of a server.
func (s *stage) clock(i int) string { return filepath.Join(s.dir, "clock"+strconv.Itoa(i)) }

// setClock sets the clock of a server.
func (s *stage) setClock(i int, ahead time.Duration) {
	s.Helper()
	next := s.clock(i) + ".next"
	err := os.WriteFile(next, []byte(strconv.FormatInt(int64(ahead), 10)), 0o600)
	if err == nil {
		err = os.Rename(next, s.clock(i)) // no server reads half of it
	}
	if err != nil {
		s.Fatal(err)
	}
}

// jump sets a server's clock to another hour, back or forth; now and then, by
// seconds, about as long as leases are.
func (s *stage) jump(i int) {
	s.Helper()
	most := int64(maxJump)
	if s.r.IntN(2) == 0 {
		most = int64(3 * leaseTTL)
	}
	s.setClock(i, time.Duration(s.r.Int64N(2*most)-most))
}
