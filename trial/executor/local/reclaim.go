//go:build linux || darwin

package local

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
)

// Reclaim makes sure that nothing of the attempt in dir runs on this machine
// any more: whatever runs is killed, even if the supervisor of an agent that
// does not answer any more holds it. That nothing runs is no error.
func Reclaim(ctx context.Context, dir string) error {
	boot, err := bootID()
	if err != nil {
		return types.Errorf(types.Internal, "%w", err)
	}
	h, ok := readHandle(dir)
	if !ok {
		h = handle{Version: handleVersion, Dir: dir, Boot: boot}
	}
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		if _, err := claim(h, boot); !errors.Is(err, errLocked) {
			return err
		}
		if h.alive(boot) {
			if err := signalGroup(h.Pid, unix.SIGKILL); err != nil {
				return err
			}
		}
		select {
		case <-time.After(pause): // its supervisor clears up
		case <-ctx.Done():
			return types.Errorf(types.Unavailable, "the attempt in %s could not be ended within %v", dir, killTimeout)
		}
	}
}
