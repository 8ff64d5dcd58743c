package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gotuner/tuner/api"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/filelock"
	"github.com/gotuner/tuner/store"
)

// firstToken is the name of the token that the first start of a server makes.
const firstToken = "first"

func tokenCommand(st *State, db *dbFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Create, list and revoke the tokens of a server",
		Long: `Works on the database of a server, which may run meanwhile. A token is kept as a
hash; what create writes is the only copy. So far every token may do everything.`,
		Args: wantArgs(0, 0, "token create|ls|revoke"),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(tokenCreateCommand(st, db), tokenLsCommand(st, db), tokenRevokeCommand(st, db))
	return c
}

func tokenCreateCommand(st *State, db *dbFlags) *cobra.Command {
	var out string
	var lasts time.Duration
	c := &cobra.Command{
		Use:     "create NAME",
		Short:   "Make a token and write it to a file",
		Example: "  tuner token create laptop --out laptop.token --for 720h",
		Args:    wantArgs(1, 1, "token create NAME --out FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			stdout, isFile := st.Stdout.(*os.File)
			show := out == "" && isFile && term.IsTerminal(int(stdout.Fd()))
			if out == "" && !show {
				return usagef("a token is not printed where it would be kept").WithField("--out").WithRemedy("name a file for it with --out")
			}
			if lasts < 0 {
				return usagef("%v is no time that a token could last", lasts).WithField("--for")
			}
			if show {
				return db.reading(c.Context(), func(s store.Store) error {
					secret := api.NewToken()
					if err := addToken(c.Context(), st, s, args[0], secret, lasts); err != nil {
						return err
					}
					_, err := fmt.Fprintln(st.Stdout, secret)
					return err
				})
			}
			path := out
			if !filepath.IsAbs(path) {
				path = filepath.Join(st.Dir, path)
			}
			return db.reading(c.Context(), func(s store.Store) error {
				return createToken(c.Context(), st, s, args[0], path, lasts)
			})
		},
	}
	c.Flags().StringVar(&out, "out", "", "file for the token, which must not exist; readable for you only")
	c.Flags().DurationVar(&lasts, "for", 0, "how long the token is good, such as 720h (default: until it is revoked)")
	return c
}

// createToken writes a new token to a file that is not there yet.
func createToken(ctx context.Context, st *State, s store.Store, name, path string, lasts time.Duration) error {
	secret := api.NewToken()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		e := usagef("cannot write %s: %w", path, cause(err)).WithField("--out")
		if errors.Is(err, fs.ErrExist) {
			return e.WithRemedy("name another file, or remove that one")
		}
		return e
	}
	_, err = f.WriteString(secret + "\n")
	err = join(err, f.Close())
	if err == nil {
		err = addToken(ctx, st, s, name, secret, lasts)
	}
	if err != nil {
		return join(err, os.Remove(path))
	}
	_, err = fmt.Fprintln(st.Stdout, "the token "+name+" is in "+path)
	return err
}

func addToken(ctx context.Context, st *State, s store.Store, name, secret string, lasts time.Duration) error {
	if cleanName(name) != name {
		return usagef("%q is no name of a token", name).WithRemedy("use letters, digits, '.', '_' and '-'")
	}
	t := store.Token{Project: "default", Name: name, Hash: api.HashToken(secret), Scopes: []string{store.ScopeAdmin}, Created: st.Now()}
	if lasts > 0 {
		t.Expires = t.Created.Add(lasts)
	}
	_, err := s.AddToken(ctx, t)
	return err
}

func tokenLsCommand(st *State, db *dbFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "ls",
		Short: "List the tokens, which themselves are not kept",
		Args:  wantArgs(0, 0, "token ls"),
		RunE: func(c *cobra.Command, _ []string) error {
			return db.reading(c.Context(), func(s store.Store) error {
				all, err := s.ListTokens(c.Context(), "")
				if err != nil {
					return err
				}
				return st.printing(func(w *bufio.Writer) error { return printTokens(w, st, all, asJSON) })
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printTokens(w *bufio.Writer, st *State, all []store.Token, asJSON bool) error {
	if asJSON {
		type row struct {
			Name    string     `json:"name"`
			Scopes  []string   `json:"scopes"`
			Created time.Time  `json:"created"`
			Expires *time.Time `json:"expires,omitempty"`
		}
		rows := []row{}
		for _, t := range all {
			r := row{Name: t.Name, Scopes: t.Scopes, Created: t.Created}
			if !t.Expires.IsZero() {
				r.Expires = &t.Expires
			}
			rows = append(rows, r)
		}
		return writeJSON(w, rows)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no tokens yet; tuner serve makes the first")
		return err
	}
	now := st.Now()
	out := [][]string{{"token", "may", "created", "expires"}}
	for _, t := range all {
		expires := "never"
		switch {
		case t.Expires.IsZero():
		case t.Expires.After(now):
			expires = "in " + t.Expires.Sub(now).Round(time.Minute).String()
		default:
			expires = "has expired"
		}
		out = append(out, []string{t.Name, strings.Join(t.Scopes, " "), formatAge(t.Created, now), expires})
	}
	table(w, out)
	return nil
}

func tokenRevokeCommand(st *State, db *dbFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "Make a token useless; a running server notices within seconds",
		Args:  wantArgs(1, 1, "token revoke NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			return db.reading(c.Context(), func(s store.Store) error {
				if err := s.DropToken(c.Context(), "default", args[0]); err != nil {
					return err
				}
				_, err := fmt.Fprintln(st.Stdout, "the token "+args[0]+" is revoked")
				return err
			})
		},
	}
}

// tokenPath is where the first token of a server lies: beside its database.
func (f *dbFlags) tokenPath() (string, error) {
	dsn, err := f.dsn()
	if err != nil {
		return "", err
	}
	if isPostgres(dsn) {
		home, err := f.dataHome()
		return filepath.Join(home, "tuner", "server.token"), err
	}
	return filepath.Join(filepath.Dir(dsn), strings.TrimSuffix(filepath.Base(dsn), ".db")+".token"), nil
}

// ensureToken makes the first token of a server that has none, and says where a
// token lies. The file is written before the hash is stored, so that a kill in
// between leaves a file that the next start replaces, and no token without one.
func ensureToken(ctx context.Context, st *State, s store.Store, path string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", usagef("cannot make the folder of the token: %w", err)
	}
	lock, err := filelock.Wait(path + ".lock")
	if err != nil {
		return "", usagef("cannot write beside the token %s: %w", path, cause(err))
	}
	defer func() { _ = lock.Release() }() // it ends with the process at the latest
	all, err := s.ListTokens(ctx, "")
	if err != nil {
		return "", err
	}
	if len(all) > 0 {
		return knownTokenFile(ctx, s, path)
	}
	secret := api.NewToken()
	temp, err := os.CreateTemp(filepath.Dir(path), ".token-*") // made with mode 0600
	if err != nil {
		return "", usagef("cannot write the token: %w", err)
	}
	_, err = temp.WriteString(secret + "\n")
	err = join(join(err, temp.Sync()), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return "", join(usagef("cannot write the token %s: %w", path, err), os.Remove(temp.Name()))
	}
	err = addToken(ctx, st, s, firstToken, secret, 0)
	if types.CodeOf(err) == types.Conflict { // another server on this database was faster, on another machine
		return "the first token lies where the first server of this database was started", os.Remove(path)
	}
	return "token in " + path, err
}

// knownTokenFile says whether the file beside the database has a token that is
// good.
func knownTokenFile(ctx context.Context, s store.Store, path string) (string, error) {
	const other = "make one with: tuner token create NAME --out FILE"
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "the first token is not in " + path + " any more; " + other, nil
	}
	if err != nil {
		return "", usagef("cannot read the token %s: %w", path, cause(err))
	}
	_, err = s.Token(ctx, api.HashToken(strings.TrimSpace(string(b))))
	if types.CodeOf(err) == types.NotFound {
		return path + " has no token of this database; " + other, nil
	}
	return "token in " + path, err
}
