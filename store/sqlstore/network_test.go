package sqlstore

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
)

func TestNetworkFileSystemsByMagic(t *testing.T) {
	for magic, want := range map[uint32]string{
		0x6969: "nfs", 0xff534d42: "cifs", 0xfe534d42: "smb2", 0x65735546: "fuse", 0x01021997: "9p", 0x0bd00bd0: "lustre",
		0xef53: "", 0x01021994: "", 0x58465342: "", 0x9123683e: "", 0x794c7630: "", // ext4, tmpfs, xfs, btrfs, overlay
	} {
		if got := networkByMagic(magic); got != want {
			t.Errorf("%#x is %q, want %q", magic, got, want)
		}
	}
	for name, want := range map[string]string{"nfs": "nfs", "smbfs": "smbfs", "apfs": "", "hfs": "", "zfs": ""} {
		if got := networkByName(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestFileSystemOfTemporaryFolder(t *testing.T) {
	if _, err := fileSystem(t.TempDir()); err != nil {
		t.Error(err)
	}
	if _, err := fileSystem(filepath.Join(t.TempDir(), "none")); err == nil && os.PathSeparator == '/' {
		t.Error("a folder that does not exist has a file system")
	}
}

func TestNetworkFileSystemTakesOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tuner.db")
	dead := func(int) bool { return false }
	alive := func(int) bool { return true }
	openAs := func(host string, pid int, alive func(int) bool) (*Store, error) {
		return OpenOn(t.Context(), Config{DSN: path}, "nfs", host, pid, alive)
	}
	first, err := openAs("node1", 17, alive)
	if err != nil {
		t.Fatal(err)
	}
	if got := Setting(t, first, "PRAGMA journal_mode"); got != "delete" {
		t.Errorf("the journal is %s", got)
	}
	if got := Setting(t, first, "PRAGMA locking_mode"); got != "exclusive" {
		t.Errorf("the locking is %s", got)
	}
	var o owner
	content, err := os.ReadFile(path + ".owner")
	if err != nil || json.Unmarshal(content, &o) != nil || o != (owner{"node1", 17}) {
		t.Errorf("the owner file has %s (%v)", content, err)
	}
	refuse := func(host string, pid int, alive func(int) bool) {
		t.Helper()
		s, err := openAs(host, pid, alive)
		if err == nil {
			t.Errorf("%s:%d got it as well", host, pid)
			_ = s.Close()
			return
		}
		for _, part := range []string{"nfs", "process 17", "host node1", ".owner"} {
			if types.CodeOf(err) != types.Unavailable || !strings.Contains(err.Error(), part) {
				t.Errorf("%v (%s) does not say %q", err, types.CodeOf(err), part)
			}
		}
	}
	refuse("node2", 17, dead) // nobody can tell whether a process of another host lives
	refuse("node1", 18, alive)
	refuse("node1", 17, dead) // this very process, a second time
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".owner"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the owner file is still there: %v", err)
	}

	// One that died without a word on this host is followed, once.
	if err := os.WriteFile(path+".owner", content, 0o600); err != nil {
		t.Fatal(err)
	}
	refuse("node2", 20, dead)
	next, err := openAs("node1", 20, dead)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}

	if err := os.WriteFile(path+".owner", []byte("not JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openAs("node1", 20, dead); types.CodeOf(err) != types.Unavailable || !strings.Contains(err.Error(), "remove") {
		t.Errorf("an unreadable owner file gives %v", err)
	}
	if err := os.Remove(path + ".owner"); err != nil {
		t.Fatal(err)
	}
	if _, err := openAs("", 20, dead); types.CodeOf(err) != types.Internal {
		t.Errorf("a host without a name gives %v", err)
	}
}

// TestFromNetworkToLocalAndBack moves a database between both kinds.
func TestFromNetworkToLocalAndBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tuner.db")
	for i, want := range []string{"wal", "delete", "wal"} {
		var s *Store
		var err error
		if i == 1 {
			s, err = OpenOn(t.Context(), Config{DSN: path}, "nfs", "h", 1, func(int) bool { return true })
		} else {
			s, err = Open(t.Context(), Config{DSN: path})
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := Setting(t, s, "PRAGMA journal_mode"); got != want {
			t.Errorf("time %d: the journal is %s, want %s", i, got, want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
