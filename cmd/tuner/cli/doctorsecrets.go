package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// secrets checks that nobody else can read what opens a server, if there is one.
func (d *doctor) secrets() {
	token, err := d.db.tokenPath()
	if err != nil {
		d.fault("token", err)
		return
	}
	for _, f := range []struct{ what, path string }{{"token", token}, {"key", keyPath(token)}} {
		info, err := os.Stat(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // no server has been started, or none that encrypts
		case err != nil:
			d.add(f.what, checkFail, err.Error(), "")
		case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
			remedy := "chmod 600 " + quoted(f.path)
			if f.what == "token" {
				remedy += ", and replace the token if others may have read it: tuner token create, tuner token revoke"
			}
			d.add(f.what, checkFail, fmt.Sprintf("%s can be read by others (mode %04o)", f.path, info.Mode().Perm()), remedy)
		default:
			d.add(f.what, checkOK, f.path+" can be read by you only", "")
		}
	}
}
