package storetest

import (
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

var tokenTests = map[string]func(t *testing.T, s store.Store){
	"kept":    tokensAreKept,
	"refused": tokensAreRefused,
}

func tokensAreKept(t *testing.T, s store.Store) {
	ctx := t.Context()
	at := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)
	want := []store.Token{
		{Project: "a", Name: "first", Hash: []byte{1, 0, 255}, Role: store.RoleAdmin, Created: at},
		{Project: "a", Name: "second", Hash: []byte{2}, Role: store.RoleSubmit, Owner: "zoë", Projects: []string{"a", "b-c"}, Created: at, Expires: at.Add(time.Hour)},
		{Project: "b", Name: "first", Hash: []byte{3}, Role: store.RoleWorker, Created: at},
		{Project: "b", Name: "second", Hash: []byte{4}, Role: store.RoleAdmin, Projects: []string{"b"}, Created: at},
	}
	for i := range want {
		got, err := s.AddToken(ctx, want[i])
		check(t, err)
		if got.ID == 0 {
			t.Fatal("a token has no ID")
		}
		want[i].ID = got.ID
		same(t, "the added token", want[i], got)
		got, err = s.Token(ctx, want[i].Hash)
		check(t, err)
		same(t, "the token of a hash", want[i], got)
	}
	all, err := s.ListTokens(ctx, "")
	check(t, err)
	same(t, "all tokens", want, all)
	some, err := s.ListTokens(ctx, "a")
	check(t, err)
	same(t, "the tokens of a project", want[:2], some)

	check(t, s.DropToken(ctx, "a", "first"))
	_, err = s.Token(ctx, want[0].Hash)
	refused(t, err, types.NotFound)
	all, err = s.ListTokens(ctx, "")
	check(t, err)
	same(t, "what is left", want[1:], all)
	again, err := s.AddToken(ctx, want[0])
	check(t, err)
	if again.ID == want[0].ID {
		t.Errorf("the ID %d was given twice", again.ID)
	}
}

func tokensAreRefused(t *testing.T, s store.Store) {
	ctx := t.Context()
	good := store.Token{Project: "p", Name: "n", Hash: []byte{1}, Role: store.RoleViewer, Created: time.Unix(1, 0)}
	_, err := s.AddToken(ctx, good)
	check(t, err)

	named := good
	named.Hash = []byte{2}
	_, err = s.AddToken(ctx, named)
	refused(t, err, types.Conflict)
	hashed := good
	hashed.Name = "other"
	_, err = s.AddToken(ctx, hashed)
	refused(t, err, types.Conflict)

	for _, bad := range []store.Token{{Role: ""}, {Role: "root"}, {Role: store.RoleSubmit}, {Role: store.RoleViewer, Projects: []string{""}},
		{Role: store.RoleViewer, Projects: []string{"a b"}}} {
		bad.Project, bad.Name, bad.Hash = "p", "bad", []byte{3}
		_, err = s.AddToken(ctx, bad)
		refused(t, err, types.Internal)
	}
	_, err = s.Token(ctx, []byte{9})
	refused(t, err, types.NotFound)
	refused(t, s.DropToken(ctx, "p", "nobody"), types.NotFound)
	refused(t, s.DropToken(ctx, "elsewhere", "n"), types.NotFound)
	all, err := s.ListTokens(ctx, "")
	check(t, err)
	if len(all) != 1 {
		t.Errorf("%d tokens are left, want 1", len(all))
	}
}
