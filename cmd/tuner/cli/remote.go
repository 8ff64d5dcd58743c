package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
)

// remotePatience is how long a command waits for a server that went away while
// it runs. Its agent waits as long as it takes.
const remotePatience = time.Minute

// server is the address of the server to use; "" for a database. What was typed
// goes before the environment.
func (f *dbFlags) server() (string, error) {
	url, err := f.serverURL()
	if err == nil && url == "" && f.forServer != "" {
		return "", usagef("it is for a server, and none is used here").WithField(f.forServer).
			WithRemedy("name the server with --url or TUNER_URL, or leave this out")
	}
	return url, err
}

func (f *dbFlags) serverURL() (string, error) {
	switch {
	case f.here:
		return "", nil
	case f.url != "" && f.db != "":
		return "", usagef("a server and a database are given").WithField("--url").WithRemedy("keep --url or --db")
	case f.url != "" || f.db != "":
		return f.url, nil
	}
	url := f.st.Getenv("TUNER_URL")
	if url != "" && f.st.Getenv("TUNER_DB") != "" {
		return "", usagef("TUNER_URL names a server and TUNER_DB a database").WithRemedy("unset one of them, or say --url or --db")
	}
	return url, nil
}

// client connects to the server and makes sure that it answers.
func (f *dbFlags) client(ctx context.Context, url string) (*client.Client, error) {
	path := cmp.Or(f.tokenFile, f.st.Getenv("TUNER_TOKEN_FILE"))
	if path == "" {
		return nil, usagef("the server %s needs a token", url).WithField("--token-file").
			WithRemedy("name the file that holds it with --token-file or TUNER_TOKEN_FILE; tuner serve prints where its first token lies")
	}
	token, err := f.readToken(path)
	if err != nil {
		return nil, err
	}
	cfg := client.Config{URL: url, Token: token, TokenFile: path, Pin: f.pinFor(url), Patience: remotePatience}
	if f.loop != nil {
		cfg.Patience, cfg.Away = f.loop.forClient(), f.loop.awaySaid(f.st)
	}
	c, err := client.New(cfg)
	if err != nil {
		return nil, err
	}
	if f.loop != nil {
		_, err = c.Await(ctx)
	} else {
		_, err = c.Info(ctx)
	}
	return c, err
}

// pinFor is the pin of a server. That of the environment is for https only, for a
// tunnel to this machine needs none.
func (f *dbFlags) pinFor(url string) string {
	if f.pin == "" && strings.HasPrefix(url, "https:") {
		return f.st.Getenv("TUNER_PIN")
	}
	return f.pin
}

func (f *dbFlags) readToken(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(f.st.Dir, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		e := usagef("cannot read the token: %s: %w", path, cause(err)).WithField("--token-file")
		if errors.Is(err, fs.ErrNotExist) {
			return "", e.WithRemedy("tuner serve makes a token file at its first start, and tuner token create makes others")
		}
		return "", e
	}
	token := strings.TrimSpace(string(b))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		what := "is empty"
		if token != "" {
			what = "holds more than a token, or none"
		}
		return "", usagef("%s %s", path, what).WithField("--token-file").
			WithRemedy("name the file of a token: tuner serve prints where its first lies, and tuner token create makes others (--token-file or TUNER_TOKEN_FILE)")
	}
	return token, nil
}

// onDatabaseOnly is the error of what needs the database itself.
func onDatabaseOnly(url string) error {
	return types.Errorf(types.Unsupported, "this command works on a database, not over --url or TUNER_URL (%s)", url).
		WithRemedy("run it where the server runs and name its database, as tuner serve prints it: --db FILE")
}

// onDatabase turns a command to the database that cannot do its work over HTTP,
// also in a shell that is set up to use the server. It says which one, for that of
// a server elsewhere is not here.
func (f *dbFlags) onDatabase(c *cobra.Command) error {
	if c.Flags().Changed("url") {
		return usagef("tuner %s works on the server's database, not over HTTP", c.Name()).WithField("--url").
			WithRemedy("run it where the server runs, without --url; --db names another database")
	}
	url := cmp.Or(f.url, f.st.Getenv("TUNER_URL"))
	f.here = true
	if url == "" || f.db != "" {
		return nil
	}
	dsn, err := f.dsn()
	if err != nil || isPostgres(dsn) {
		return err
	}
	if types.CodeOf(f.exists()) == types.NotFound {
		return types.Errorf(types.NotFound, "tuner %s works on the database of the server %s, and here is none: %s", c.Name(), url, dsn).
			WithRemedy("run it where the server runs; --db names another database")
	}
	_, err = fmt.Fprintf(f.st.Stderr, "tuner: this is about the database %s; %s does not ask the server %s\n", dsn, c.Name(), url)
	return err
}

// remoteBase is the folder of the trial directories of a server's studies.
func (f *dbFlags) remoteBase(url string) (string, error) {
	base := f.dir
	switch {
	case base == "":
		home, err := f.dataHome()
		if err != nil {
			return "", err
		}
		base = filepath.Join(home, "tuner", "remote")
	case !filepath.IsAbs(base):
		base = filepath.Join(f.st.Dir, base)
	}
	_, host, _ := strings.Cut(url, "://")
	return filepath.Join(base, strings.Trim(noName.ReplaceAllString(host, "-"), "-")), nil
}

// remoteDir is the folder of the trial directories of a server's study. The time
// of the study's creation is part of it, so that a new database at the same
// address, or a study made anew, never finds directories of another.
func (f *dbFlags) remoteDir(url string, id int64, created time.Time) (string, error) {
	base, err := f.remoteBase(url)
	return filepath.Join(base, strconv.FormatInt(id, 10)+"-"+strconv.FormatInt(created.UnixMicro(), 36)), err
}

// sameRun makes sure that what will be run is what was typed here. What a server
// stores is somebody else's word, and is run only if the user says so.
func sameRun(typed, stored *types.RunSpec, name string) error {
	refuse := func(what string) error {
		return types.Errorf(types.Conflict, "the server has the study %s with another %s than this sweep", name, what).WithField("run").
			WithRemedy("type the same, or choose another --name; tuner worker --trust-server-commands %s runs what the server says", quoted(name))
	}
	if stored == nil || typed == nil {
		return refuse("way to run trials")
	}
	// Seconds and patterns harm nobody and may be continued with.
	for _, f := range []struct {
		what string
		a, b any
	}{
		{"command", typed.Command, stored.Command}, {"list of --literal", typed.Literal, stored.Literal}, {"directory", typed.Dir, stored.Dir},
		{"--env", typed.Env, stored.Env}, {"--metric-file", typed.MetricFile, stored.MetricFile},
	} {
		a, err := json.Marshal(f.a)
		if err != nil {
			return err
		}
		b, err := json.Marshal(f.b)
		if err != nil {
			return err
		}
		if string(a) != string(b) && !(isNothing(a) && isNothing(b)) {
			return refuse(f.what)
		}
	}
	return nil
}

func isNothing(b []byte) bool { return string(b) == "null" || string(b) == "[]" || string(b) == `""` }
