package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
hash; what create writes is the only copy.`,
		Args: wantArgs(0, 0, "token create|ls|revoke"),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(tokenCreateCommand(st, db), tokenLsCommand(st, db), tokenRevokeCommand(st, db))
	return c
}

// tokensHere turns to the database, also in a shell that is set up to use the
// server.
func tokensHere(c *cobra.Command, db *dbFlags) error {
	if c.Flags().Changed("url") {
		return usagef("tokens are made in the server's database, not over HTTP").WithField("--url").WithRemedy("run it where the server runs; --db names another database")
	}
	db.here = true
	return nil
}

// newToken is a token to make.
type newToken struct {
	name, role, owner string
	projects          []string
	lasts             time.Duration
	out               string
}

func tokenCreateCommand(st *State, db *dbFlags) *cobra.Command {
	var t newToken
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a token and write it to a file",
		Long: `Makes a token and writes it to a file. What it may do is its role:

  admin   everything, the tokens too
  submit  makes studies, and changes and runs those of its owner; reads all
  worker  runs trials of all studies, by whatever way; reads all
  viewer  reads

All of it in its projects only, which are those of --project; an admin's are all
if there is none. tuner help security has more.`,
		Example: `  tuner token create alice --role submit --out alice.token --for 720h
  tuner token create gpu-box --role worker --project vision --project speech --out gpu-box.token`,
		Args: wantArgs(1, 1, "token create NAME --role ROLE --out FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := tokensHere(c, db); err != nil {
				return err
			}
			t.name = args[0]
			made, err := t.token()
			if err != nil {
				return err
			}
			stdout, isFile := st.Stdout.(*os.File)
			show := t.out == "" && isFile && term.IsTerminal(int(stdout.Fd()))
			if t.out == "" && !show {
				return usagef("a token is not printed where it would be kept").WithField("--out").WithRemedy("name a file for it with --out")
			}
			if show {
				return db.reading(c.Context(), func(s store.Store) error {
					secret := api.NewToken()
					if err := addToken(c.Context(), st, s, made, secret, t.lasts); err != nil {
						return err
					}
					_, err := fmt.Fprintln(st.Stdout, secret)
					return err
				})
			}
			path := t.out
			if !filepath.IsAbs(path) {
				path = filepath.Join(st.Dir, path)
			}
			return db.reading(c.Context(), func(s store.Store) error {
				return createToken(c.Context(), st, s, made, path, t.lasts)
			})
		},
	}
	c.Flags().StringVar(&t.role, "role", "", "what it may do: admin, submit, worker or viewer")
	c.Flags().StringSliceVar(&t.projects, "project", nil, "project that it is for; repeat it; '*' is all (default: default; for admin all)")
	c.Flags().StringVar(&t.owner, "owner", "", "whose it is; studies made with it belong to the owner (default: NAME)")
	c.Flags().StringVar(&t.out, "out", "", "file for the token, which must not exist; readable for you only")
	c.Flags().DurationVar(&t.lasts, "for", 0, "how long the token is good, such as 720h (default: until it is revoked)")
	completeChoice(c, "role", roleNames()...)
	return c
}

func roleNames() []string {
	var out []string
	for _, r := range store.Roles() {
		out = append(out, string(r))
	}
	return out
}

// token checks what was typed.
func (n *newToken) token() (store.Token, error) {
	t := store.Token{Project: "default", Name: n.name, Role: store.Role(n.role), Owner: cmp.Or(n.owner, n.name), Projects: n.projects}
	switch {
	case n.role == "":
		return t, usagef("say what the token may do").WithField("--role").WithRemedy("use one of %s; tuner help security explains them", strings.Join(roleNames(), ", "))
	case cleanName(n.name) != n.name:
		return t, usagef("%q is no name of a token", n.name).WithRemedy("use letters, digits, '.', '_' and '-'")
	case cleanName(t.Owner) != t.Owner:
		return t, usagef("%q is no name of an owner", n.owner).WithField("--owner").WithRemedy("use letters, digits, '.', '_' and '-'")
	case n.lasts < 0:
		return t, usagef("%v is no time that a token could last", n.lasts).WithField("--for")
	}
	if err := oneOf("role", n.role, roleNames()...); err != nil {
		return t, err
	}
	switch {
	case slices.Contains(t.Projects, allProjects) && len(t.Projects) > 1:
		return t, usagef("%s is all projects, and others are named beside it", allProjects).WithField("--project").WithRemedy("keep one of the two")
	case slices.Contains(t.Projects, allProjects), len(t.Projects) == 0 && t.Role == store.RoleAdmin:
		t.Projects = nil
	case len(t.Projects) == 0:
		t.Projects = []string{"default"}
	}
	for _, p := range t.Projects {
		if p == "" || cleanName(p) != p {
			return t, usagef("%q is no name of a project", p).WithField("--project").WithRemedy("use letters, digits, '.', '_' and '-'; '*' is all projects")
		}
	}
	slices.Sort(t.Projects)
	t.Projects = slices.Compact(t.Projects)
	return t, nil
}

// allProjects stands for all projects on the command line.
const allProjects = "*"

// createToken writes a new token to a file that is not there yet.
func createToken(ctx context.Context, st *State, s store.Store, t store.Token, path string, lasts time.Duration) error {
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
		err = addToken(ctx, st, s, t, secret, lasts)
	}
	if err != nil {
		return join(err, os.Remove(path))
	}
	_, err = fmt.Fprintf(st.Stdout, "the token %s (%s, %s) is in %s\n", t.Name, t.Role, projectsOf(&t), path)
	return err
}

func addToken(ctx context.Context, st *State, s store.Store, t store.Token, secret string, lasts time.Duration) error {
	t.Hash, t.Created = api.HashToken(secret), st.Now()
	if lasts > 0 {
		t.Expires = t.Created.Add(lasts)
	}
	_, err := s.AddToken(ctx, t)
	return err
}

// projectsOf says in words what a token is for.
func projectsOf(t *store.Token) string {
	switch len(t.Projects) {
	case 0:
		return "all projects"
	case 1:
		return "project " + t.Projects[0]
	}
	return "projects " + strings.Join(t.Projects, " ")
}

func tokenLsCommand(st *State, db *dbFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "ls",
		Short: "List the tokens, which themselves are not kept",
		Args:  wantArgs(0, 0, "token ls"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := tokensHere(c, db); err != nil {
				return err
			}
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
			Name     string     `json:"name"`
			Role     store.Role `json:"role"`
			Owner    string     `json:"owner,omitempty"`
			Projects []string   `json:"projects,omitempty"` // none is all
			Created  time.Time  `json:"created"`
			Expires  *time.Time `json:"expires,omitempty"`
		}
		rows := []row{}
		for _, t := range all {
			r := row{Name: t.Name, Role: t.Role, Owner: t.Owner, Projects: t.Projects, Created: t.Created}
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
	out := [][]string{{"token", "role", "owner", "projects", "created", "expires"}}
	for _, t := range all {
		expires := "never"
		switch {
		case t.Expires.IsZero():
		case t.Expires.After(now):
			expires = "in " + t.Expires.Sub(now).Round(time.Minute).String()
		default:
			expires = "has expired"
		}
		out = append(out, []string{t.Name, string(t.Role), orDefault(t.Owner, "-"), orDefault(strings.Join(t.Projects, " "), "all"), formatAge(t.Created, now), expires})
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
			if err := tokensHere(c, db); err != nil {
				return err
			}
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
	err = addToken(ctx, st, s, store.Token{Project: "default", Name: firstToken, Role: store.RoleAdmin, Owner: firstToken}, secret, 0)
	if types.CodeOf(err) == types.Conflict { // another server on this database was faster, on another machine
		return "the first token lies where the first server of this database was started", os.Remove(path)
	}
	return "token in " + path, err
}

// knownTokenFile says whether the file beside the database has a token that is
// good.
func knownTokenFile(ctx context.Context, s store.Store, path string) (string, error) {
	const other = "make one with: tuner token create NAME --role admin --out FILE"
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
