//go:build linux || darwin

package local

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/gotuner/tuner/api/types"
)

// maxSocketPath is what every platform takes (104 bytes on macOS, 108 on Linux,
// with the final zero).
const maxSocketPath = 100

// presence is the content of supervisor.N.json: where the supervisor is.
type presence struct {
	Version int    `json:"version"`
	Pid     int    `json:"pid"`
	Start   uint64 `json:"start"`
	Boot    string `json:"boot"`
	Socket  string `json:"socket"`
}

func presenceFile() string   { return "supervisor." + strconv.Itoa(protocolVersion) + ".json" }
func supervisorLock() string { return "supervisor." + strconv.Itoa(protocolVersion) + ".lock" }

// readPresence returns where the supervisor of a folder is or was.
func readPresence(dir string) (presence, bool) {
	var p presence
	b, err := os.ReadFile(filepath.Join(dir, presenceFile()))
	if err != nil || json.Unmarshal(b, &p) != nil || p.Version != protocolVersion {
		return presence{}, false
	}
	return p, true
}

// alive tells whether that supervisor's process lives.
func (p presence) alive(boot string) bool {
	proc, ok := lookProcess(p.Pid)
	return ok && p.Boot == boot && proc.start == p.Start && !proc.zombie
}

// socketFolder returns a folder for sockets that is short and that only this
// user can enter. The temporary folder is used rather than XDG_RUNTIME_DIR
// because that vanishes when the user logs out, and sweeps go on.
func socketFolder(nameLen int) (string, error) {
	uid := strconv.Itoa(os.Geteuid())
	var errs []error
	for _, base := range []string{os.TempDir(), "/tmp"} {
		dir := filepath.Join(base, "tuner-"+uid)
		// MkdirTemp appends at most ten digits and a dash.
		if len(dir)+11+1+nameLen > maxSocketPath {
			errs = append(errs, fmt.Errorf("%s is too long for a socket", base))
			continue
		}
		err := private(dir)
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
		// Somebody else sits on the name: any other will do, for
		// supervisor.N.json tells agents where the socket is.
		if dir, err = os.MkdirTemp(base, "tuner-"+uid+"-"); err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", types.Errorf(types.Unavailable, "no folder for the supervisor's socket: %w", errors.Join(errs...)).
		WithRemedy("set TMPDIR to a short path of a folder that you can write")
}

// private makes dir, or makes sure that it is this user's alone.
func private(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a folder of this user", dir)
	}
	if info.Mode().Perm() != 0o700 {
		return os.Chmod(dir, 0o700)
	}
	return nil
}

// listen makes the supervisor's socket. The count distinguishes several sockets
// in the life of one supervisor.
func listen(dir string, count int) (*net.UnixListener, error) {
	sum := sha256.Sum256([]byte(dir))
	name := fmt.Sprintf("%s-%d-%d", hex.EncodeToString(sum[:4]), os.Getpid(), count)
	folder, err := socketFolder(len(name))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, name)
	if err := removeFile(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, types.Errorf(types.Unavailable, "make the supervisor's socket: %w", err).
			WithRemedy("set TMPDIR to a folder of a local file system")
	}
	return l, nil
}

// sameUser refuses the other end of a socket if it is another user. The folder
// should keep others out already.
func sameUser(c *net.UnixConn) error {
	uid, err := peerUID(c)
	if err != nil {
		return fmt.Errorf("who is at the other end of the supervisor's socket: %w", err)
	}
	if uid != os.Geteuid() {
		return types.Errorf(types.Conflict, "the other end of the supervisor's socket is user %d", uid).
			WithRemedy("run tuner as the user that owns its state folder")
	}
	return nil
}
