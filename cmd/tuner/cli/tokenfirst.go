package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gotuner/tuner/api"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/filelock"
	"github.com/gotuner/tuner/store"
)

// firstToken is the name of the token that the first start of a server makes.
const firstToken = "first"

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
	_, err = s.AddToken(ctx, store.Token{Project: api.TokenHome, Name: firstToken, Role: store.RoleAdmin, Owner: firstToken,
		Hash: api.HashToken(secret), Created: st.Now()})
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
