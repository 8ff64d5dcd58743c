package storetest

import (
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

var projectTests = map[string]func(t *testing.T, s store.Store){
	"made and listed": projectsAreListed,
}

func projectsAreListed(t *testing.T, s store.Store) {
	ctx := t.Context()
	at := epochTime.Add(time.Microsecond)
	for i := range 2 {
		p, created, err := s.AddProject(ctx, "made", at.Add(time.Duration(i)*time.Hour))
		check(t, err)
		same(t, "the project", store.Project{Name: "made", Created: at}, p)
		same(t, "whether it was made", i == 0, created)
	}
	NewFeed(t, s, "one")
	f := NewFeed(t, s, "two")
	_, err := s.AddToken(ctx, store.Token{Project: "of-a-token", Name: "n", Hash: []byte{1}, Role: store.RoleAdmin, Created: at})
	check(t, err)
	_, created, err := s.AddProject(ctx, "of-a-token", at)
	check(t, err)
	same(t, "whether that of a token was made", false, created)
	own := f.Study.Spec.Project
	all, err := s.ListProjects(ctx, "", 0)
	check(t, err)
	studies := map[string]int64{}
	for i := range all {
		studies[all[i].Name] = all[i].Studies
	}
	same(t, "their studies", map[string]int64{"made": 0, "of-a-token": 0, own: 2}, studies)
	var names []string
	for after := ""; ; {
		page, err := s.ListProjects(ctx, after, 1)
		check(t, err)
		if len(page) == 0 {
			break
		}
		after = page[0].Name
		names = append(names, after)
	}
	same(t, "the pages", []string{all[0].Name, all[1].Name, all[2].Name}, names)
	for _, bad := range []string{"", "..", "a/b", "-a", " "} {
		_, _, err := s.AddProject(ctx, bad, at)
		refused(t, err, types.Invalid)
	}
}
