package sqlstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gotuner/tuner/api/types"
)

// networkMagic names the file systems, by their magic number in statfs(2),
// whose locks and shared memory do not reach over to other hosts, or that hide
// what is behind them. The numbers are those of linux/magic.h and of the file
// systems' own headers.
var networkMagic = map[uint32]string{
	0x00006969: "nfs",
	0x0000517b: "smb",
	0xff534d42: "cifs",
	0xfe534d42: "smb2",
	0x65735546: "fuse",
	0x01021997: "9p",
	0x00c36400: "ceph",
	0x0bd00bd0: "lustre",
	0x47504653: "gpfs",
	0x19830326: "beegfs",
	0x5346414f: "afs",
	0x6b414653: "afs",
	0x73757245: "coda",
	0xaad7aaea: "panfs",
	0x786f4256: "vboxsf",
	0x013111a8: "ibrix",
	0x61756673: "aufs",
}

// networkNames are the same by the names that macOS and the BSDs give.
var networkNames = map[string]bool{
	"nfs": true, "smbfs": true, "afpfs": true, "webdav": true, "ftp": true, "cifs": true,
	"macfuse": true, "osxfuse": true, "fusefs": true, "lustre": true,
}

func networkByMagic(magic uint32) string { return networkMagic[magic] }

func networkByName(name string) string {
	if networkNames[name] {
		return name
	}
	return ""
}

// owner is the content of the .owner file beside a database on a network file
// system, which one process at a time may use.
type owner struct {
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

// claim makes this process the only one that uses the database, and returns
// what gives it back. Creating a file exclusively is the one operation that
// network file systems do atomically.
func claim(path, network string, env environment) (release func() error, err error) {
	host, err := env.host()
	if err != nil {
		return nil, types.Errorf(types.Internal, "this host has no name: %w", err)
	}
	file := path + ".owner"
	mine := owner{Host: host, PID: env.pid}
	content, err := json.Marshal(mine)
	if err != nil {
		return nil, err
	}
	for range 2 {
		err = writeNew(file, content)
		if err == nil {
			return func() error { return os.Remove(file) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, types.Errorf(types.Invalid, "%s cannot be written: %w", file, err).WithField("db").
				WithRemedy("make the folder writable for you, or name another file")
		}
		other, err := readOwner(file)
		if err != nil {
			return nil, err
		}
		if other.Host != host || other.PID == env.pid || env.alive(other.PID) {
			return nil, types.Errorf(types.Unavailable,
				"%s is on a network file system (%s), where one process at a time can use it, and process %d on host %s does",
				path, network, other.PID, other.Host).WithField("db").
				WithRemedy("stop that process, use a local file or PostgreSQL; if it is gone for certain, remove %s", file)
		}
		// It died on this host without saying so.
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, types.Errorf(types.Invalid, "%s, left by a dead process, cannot be removed: %w", file, err).WithField("db").
				WithRemedy("remove it")
		}
	}
	return nil, types.Errorf(types.Unavailable, "another process took %s at the same time: %w", path, err).WithField("db").
		WithRemedy("try again")
}

func writeNew(file string, content []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Close(), os.Remove(file))
	}
	return f.Close()
}

func readOwner(file string) (owner, error) {
	var o owner
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &o)
	}
	if err != nil {
		return o, types.Errorf(types.Unavailable, "another process uses the database, but %s does not say which: %w", file, err).
			WithField("db").WithRemedy("%s", fmt.Sprintf("if no tuner uses the database, remove %s", file))
	}
	return o, nil
}
