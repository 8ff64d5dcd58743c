package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gotuner/tuner/api"
	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

func tokenCommand(st *State, db *dbFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Create, list and revoke the tokens of a server",
		Long: `Works on the database of a server, which may run meanwhile, or with --url on a
server, which asks for the token of an admin of all projects (--token-file). A
token is kept as a hash; what create writes is the only copy.

Unlike other commands it does not look at TUNER_URL: --url has to be typed.`,
		Args: wantArgs(0, 0, "token create|ls|revoke"),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(tokenCreateCommand(st, db), tokenLsCommand(st, db), tokenRevokeCommand(st, db))
	return c
}

// registrar is where tokens are: a database, or a server.
type registrar interface {
	// create returns the token with its secret.
	create(ctx context.Context, b types.TokenBody) (types.Token, error)
	list(ctx context.Context) ([]types.Token, error)
	revoke(ctx context.Context, name string) error
}

// tokens gives do the tokens of the database, also in a shell that is set up to use
// the server, or those of the server that --url names.
func (f *dbFlags) tokens(c *cobra.Command, do func(ctx context.Context, at registrar) error) error {
	ctx := c.Context()
	if !c.Flags().Changed("url") {
		f.here = true
		return f.reading(ctx, func(s store.Store) error { return do(ctx, storedTokens{s, f.st}) })
	}
	url, err := f.server()
	if err != nil {
		return err
	}
	cl, err := f.client(ctx, url)
	if err != nil {
		return err
	}
	return join(do(ctx, servedTokens{cl}), cl.Close())
}

type storedTokens struct {
	s  store.Store
	st *State
}

func (r storedTokens) create(ctx context.Context, b types.TokenBody) (types.Token, error) {
	t, secret, err := api.MakeToken(b, r.st.now())
	if err == nil {
		t, err = r.s.AddToken(ctx, t)
	}
	v := api.TokenView(&t)
	v.Secret = secret
	return v, err
}

func (r storedTokens) list(ctx context.Context) ([]types.Token, error) {
	all, err := r.s.ListTokens(ctx, "")
	out := []types.Token{}
	for i := range all {
		out = append(out, api.TokenView(&all[i]))
	}
	return out, err
}

func (r storedTokens) revoke(ctx context.Context, name string) error {
	return r.s.DropToken(ctx, api.TokenHome, name)
}

type servedTokens struct{ c *client.Client }

func (r servedTokens) create(ctx context.Context, b types.TokenBody) (types.Token, error) {
	t, err := r.c.CreateToken(ctx, b)
	if e, ok := errors.AsType[*types.Error](err); ok && e.Code == types.Unavailable {
		e.Remedy = "the token may have been made, and its secret is lost: tuner token ls --url … shows it; revoke it and make it again"
	}
	return t, err
}

func (r servedTokens) list(ctx context.Context) ([]types.Token, error) {
	out := []types.Token{}
	for after := ""; ; {
		page, err := r.c.ListTokens(ctx, after, 1000)
		if err != nil {
			return nil, err
		}
		out = append(out, page.Tokens...)
		if after = page.Next; after == "" {
			return out, nil
		}
	}
}

func (r servedTokens) revoke(ctx context.Context, name string) error {
	_, err := r.c.RevokeToken(ctx, name)
	return err
}

func tokenCreateCommand(st *State, db *dbFlags) *cobra.Command {
	var t types.TokenBody
	var lasts time.Duration
	var out string
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
			t.Name, t.For = args[0], types.Duration(lasts)
			if _, _, err := api.MakeToken(t, st.Now()); err != nil { // before a file is made
				return ofFlags(err)
			}
			stdout, isFile := st.Stdout.(*os.File)
			show := out == "" && isFile && term.IsTerminal(int(stdout.Fd()))
			if out == "" && !show {
				return usagef("a token is not printed where it would be kept").WithField("--out").WithRemedy("name a file for it with --out")
			}
			return db.tokens(c, func(ctx context.Context, at registrar) error {
				if !show {
					return createToken(ctx, st, at, t, st.path(out))
				}
				made, err := at.create(ctx, t)
				if err == nil {
					_, err = fmt.Fprintln(st.Stdout, made.Secret)
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&t.Role, "role", "", "what it may do: admin, submit, worker or viewer")
	c.Flags().StringSliceVar(&t.Projects, "project", nil, "project that it is for; repeat it; '*' is all (default: default; for admin all)")
	c.Flags().StringVar(&t.Owner, "owner", "", "whose it is; studies made with it belong to the owner (default: NAME)")
	c.Flags().StringVar(&out, "out", "", "file for the token, which must not exist; readable for you only")
	c.Flags().DurationVar(&lasts, "for", 0, "how long the token is good, such as 720h (default: until it is revoked)")
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

// ofFlags names the flag at fault in an error about a token.
func ofFlags(err error) error {
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	typed := *e
	typed.Field = map[string]string{"role": "--role", "owner": "--owner", "for": "--for", "projects": "--project"}[e.Field]
	return &typed
}

// createToken writes a new token to a file that is not there yet.
func createToken(ctx context.Context, st *State, at registrar, b types.TokenBody, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		e := usagef("cannot write %s: %w", path, cause(err)).WithField("--out")
		if errors.Is(err, fs.ErrExist) {
			return e.WithRemedy("name another file, or remove that one")
		}
		return e
	}
	t, err := at.create(ctx, b)
	if err != nil {
		return join(err, join(f.Close(), os.Remove(path)))
	}
	_, err = f.WriteString(t.Secret + "\n")
	if err = join(err, f.Close()); err != nil { // nobody will ever have it
		return join(err, join(at.revoke(ctx, t.Name), os.Remove(path)))
	}
	_, err = fmt.Fprintf(st.Stdout, "the token %s (%s, %s) is in %s\n", t.Name, t.Role, projectsOf(t.Projects), path)
	return err
}

// projectsOf says in words what a token is for.
func projectsOf(projects []string) string {
	switch len(projects) {
	case 0:
		return "all projects"
	case 1:
		return "project " + projects[0]
	}
	return "projects " + strings.Join(projects, " ")
}

func tokenLsCommand(st *State, db *dbFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "ls",
		Short: "List the tokens, which themselves are not kept",
		Args:  wantArgs(0, 0, "token ls"),
		RunE: func(c *cobra.Command, _ []string) error {
			return db.tokens(c, func(ctx context.Context, at registrar) error {
				all, err := at.list(ctx)
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

func printTokens(w *bufio.Writer, st *State, all []types.Token, asJSON bool) error {
	if asJSON {
		return writeJSON(w, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no tokens yet; tuner serve makes the first")
		return err
	}
	now := st.now()
	out := [][]string{{"token", "role", "owner", "projects", "created", "expires"}}
	for _, t := range all {
		expires := "never"
		switch {
		case t.Expires == nil:
		case t.Expires.After(now):
			expires = "in " + t.Expires.Sub(now).Round(time.Minute).String()
		default:
			expires = "has expired"
		}
		out = append(out, []string{t.Name, t.Role, orDefault(t.Owner, "-"), orDefault(strings.Join(t.Projects, " "), "all"), formatAge(t.Created, now), expires})
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
			return db.tokens(c, func(ctx context.Context, at registrar) error {
				if err := at.revoke(ctx, args[0]); err != nil {
					return err
				}
				_, err := fmt.Fprintln(st.Stdout, "the token "+args[0]+" is revoked")
				return err
			})
		},
	}
}
