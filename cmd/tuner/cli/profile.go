package cli

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// profile is the user's profile file: what holds where neither a flag nor the
// environment says otherwise.
type profile struct {
	DB         string `yaml:"db"`
	URL        string `yaml:"url"`
	Dir        string `yaml:"dir"`
	Project    string `yaml:"project"`
	Durability string `yaml:"durability"`
	TokenFile  string `yaml:"token_file"`
	Pin        string `yaml:"pin"`
}

// profilePath is $XDG_CONFIG_HOME/tuner/profile.yaml; "" without a home.
func (f *dbFlags) profilePath() string {
	dir := f.st.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		home := cmp.Or(f.st.Getenv("HOME"), f.st.Getenv("USERPROFILE"))
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "tuner", "profile.yaml")
}

// applyProfile gives the flags that the user did not type the values of the
// profile file. Paths in it are relative to it.
func (f *dbFlags) applyProfile(fs *pflag.FlagSet) error {
	for _, name := range []string{"pin", "token-file"} {
		if fs.Changed(name) {
			f.forServer = "--" + name
		}
	}
	p, path, err := f.readProfile()
	if err != nil {
		return err
	}
	if p.DB != "" && p.URL != "" {
		return usagef("%s names a database and a server", path).WithRemedy("keep db or url")
	}
	beside := func(v string) string {
		if v == "" || filepath.IsAbs(v) || isPostgres(v) {
			return v
		}
		return filepath.Join(filepath.Dir(path), strings.TrimPrefix(v, "sqlite:"))
	}
	elsewhere := fs.Changed("db") || fs.Changed("url") || f.st.Getenv("TUNER_DB") != "" || f.st.Getenv("TUNER_URL") != ""
	if !elsewhere {
		f.db, f.url = beside(p.DB), p.URL
		if !fs.Changed("token-file") && f.st.Getenv("TUNER_TOKEN_FILE") == "" {
			f.tokenFile = beside(p.TokenFile) // of this server, and no other
		}
		if !fs.Changed("pin") && f.st.Getenv("TUNER_PIN") == "" {
			f.pin = p.Pin
		}
		if !fs.Changed("dir") {
			f.dir = beside(p.Dir)
		}
	}
	if p.Project != "" && !fs.Changed("project") {
		f.project = p.Project
	}
	if p.Durability != "" && !fs.Changed("durability") {
		f.durable = p.Durability
		return f.checkDurability(path + ": durability")
	}
	return f.checkDurability("--durability")
}

// checkDurability checks the value that a field gave.
func (f *dbFlags) checkDurability(field string) error {
	if f.durable == "normal" || f.durable == "full" {
		return nil
	}
	return usagef("%q is no durability", f.durable).WithField(field).
		WithRemedy("use normal, which survives any kill of processes, or full, which survives a loss of power too")
}

func (f *dbFlags) readProfile() (p profile, path string, err error) {
	if path = f.profilePath(); path == "" {
		return p, "", nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, path, nil
	}
	if err != nil {
		return p, path, usagef("cannot read the profile %s: %w", path, cause(err)).
			WithRemedy("make it readable for you, or set XDG_CONFIG_HOME to a folder of yours")
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		return p, path, usagef("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: ")).
			WithRemedy("it may have db, url, token_file, pin, dir, project and durability")
	}
	return p, path, nil
}
