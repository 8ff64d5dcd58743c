package api

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

const (
	// claimFresh is how long it is believed whose the name of a worker is.
	claimFresh = tokenFresh
	claimsMost = 10_000
	// claimSeen is how often the database hears of a worker that asks without
	// getting trials, so that its name stays its own.
	claimSeen = 24 * time.Hour
)

// claims remembers whose the names of workers are.
type claims struct {
	mu    sync.Mutex
	known map[claimName]claim
}

type claimName struct{ project, worker string }

type claim struct {
	owner string
	until time.Time
}

// is reports whether a name was an owner's a moment ago.
func (c *claims) is(n claimName, owner string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	hit, ok := c.known[n]
	return ok && hit.owner == owner && stillFresh(now, hit.until, claimFresh)
}

func (c *claims) keep(n claimName, owner string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= claimsMost {
		c.known = map[claimName]claim{}
	}
	c.known[n] = claim{owner, now.Add(claimFresh)}
}

func (c *claims) forget(n claimName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, n)
}

// ownWorker refuses a request under the name of somebody else's worker: what that
// runs could be taken over by its name. A name belongs to the owner of the token
// that uses it first in a project; administrators may use all. Unless atOnce, what
// was true a moment ago suffices.
func (s *Server) ownWorker(ctx context.Context, project, name string, atOnce bool) error {
	t := callOf(ctx).token
	n, me, now := claimName{project, name}, cmp.Or(t.Owner, t.Name), s.cfg.Now()
	if !atOnce && s.claims.is(n, me, now) {
		return nil
	}
	w, err := s.cfg.Store.Worker(ctx, project, name)
	unknown := types.CodeOf(err) == types.NotFound
	if err != nil && !unknown {
		return err
	}
	if unknown || w.Owner == "" && !ofDatabase(w) || w.Owner == me && now.Sub(w.Seen).Abs() >= claimSeen {
		w, err = s.claim(ctx, n, me, now)
	}
	switch {
	case err != nil:
		return err
	case w.Owner == me:
		s.claims.keep(n, me, now)
		return nil
	case t.Role == store.RoleAdmin:
		return nil
	}
	whose := "to " + w.Owner
	if ofDatabase(w) {
		whose = "to a process that works without this server"
	}
	of := "" // the command's project is default
	if project != TokenHome {
		of = "--project " + project + " "
	}
	return types.Errorf(types.Forbidden, "the worker's name %s belongs %s, and the token %s is %s's", name, whose, t.Name, me).WithField("worker").
		WithRemedy("use another name (a sweep or worker: another --dir), or a token of that owner; an administrator releases the name with: tuner worker rm %s'%s'", of, name)
}

// ofDatabase reports whether a worker is an agent on the database itself.
func ofDatabase(w store.Worker) bool {
	return w.Owner == "" && w.Info.Node != "" && !strings.HasSuffix(w.Info.Node, types.OutsideNode)
}

// claim makes a name an owner's if it is nobody's.
func (s *Server) claim(ctx context.Context, n claimName, owner string, now time.Time) (store.Worker, error) {
	var out store.Worker
	err := s.cfg.Store.ChangeWorker(ctx, n.project, n.worker, func(w *store.Worker) error {
		if w.Owner == "" && !ofDatabase(*w) {
			w.Owner = owner
		}
		if w.Created.IsZero() {
			w.Created = now
		}
		if w.Owner == owner {
			w.Seen = now
		}
		out = *w
		return nil
	})
	if err != nil { // the change may be under way still, and out written to
		return store.Worker{}, err
	}
	return out, nil
}
