package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// claimFixture is a server with a study, two workers' tokens and one of the
// first's owner, and a clock.
type claimFixture struct {
	*fixture

	alice, laptop, bob string
	now                time.Time
}

func newClaimFixture(t *testing.T) *claimFixture {
	f := &claimFixture{fixture: newFixture(t), now: time.Now()}
	f.server.cfg.Now = func() time.Time { return f.now }
	f.alice = f.addToken(store.Token{Name: "alice", Role: store.RoleWorker, Owner: "alice"})
	f.laptop = f.addToken(store.Token{Name: "laptop", Role: store.RoleWorker, Owner: "alice"})
	f.bob = f.addToken(store.Token{Name: "bob", Role: store.RoleWorker, Owner: "bob"})
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	return f
}

// as sends a request with a token, and returns the answer's text.
func (f *claimFixture) as(status int, secret, method, path, body string) string {
	f.Helper()
	got, _, text := f.do(method, path, body, bearer(secret))
	if got != status {
		f.Fatalf("%s %s %s: %d, want %d\n%s", method, path, body, got, status, text)
	}
	return string(text)
}

// TestNamesOfWorkersHaveOwners: nobody takes over what another's worker runs.
func TestNamesOfWorkersHaveOwners(t *testing.T) {
	t.Parallel()
	f := newClaimFixture(t)
	const leases, adopt, beat, ask = studies + "/s/leases", studies + "/s/adopt", studies + "/s/heartbeat", studies + "/s/ask"
	const workers = "/v1/projects/default/workers"
	f.as(200, f.alice, http.MethodPost, leases, `{"worker":"w"}`)
	for _, c := range [][2]string{{leases, `{"worker":"w"}`}, {adopt, `{"worker":"w"}`}, {beat, `{"worker":"w","beats":[]}`}, {ask, `{"worker":"w"}`}} {
		text := f.as(403, f.bob, http.MethodPost, c[0], c[1])
		if !strings.Contains(text, "belongs to alice") || !strings.Contains(text, "tuner worker rm 'w'") || !strings.Contains(text, `"field":"worker"`) {
			t.Errorf("the refusal is %s", text)
		}
		f.as(200, f.laptop, http.MethodPost, c[0], c[1]) // the same owner
	}
	f.as(403, f.bob, http.MethodPost, adopt, `{"worker":"w"}`)

	// The end of a trial counts, whatever is wrong with the wish for another.
	var own types.LeaseReply
	if err := json.Unmarshal([]byte(f.as(200, f.bob, http.MethodPost, leases, `{"worker":"bob's"}`)), &own); err != nil {
		t.Fatal(err)
	}
	end := fmt.Sprintf("%s/s/trials/%d/attempts/1/finish", studies, own.Leases[0].Ref.Trial)
	text := f.as(200, f.bob, http.MethodPost, end, `{"token":"`+own.Leases[0].Ref.Token+`","outcome":"failed","next":{"worker":"w"}}`)
	if !strings.Contains(text, `"state":"failed"`) || !strings.Contains(text, "belongs to alice") {
		t.Errorf("the end of a trial is answered by %s", text)
	}

	// The name by which everybody asks is nobody's; administrators may all.
	f.as(200, f.alice, http.MethodPost, ask, `{}`)
	f.as(200, f.bob, http.MethodPost, ask, `{"worker":"ask"}`)
	f.as(200, f.token, http.MethodPost, adopt, `{"worker":"w"}`)
	f.as(403, f.bob, http.MethodPost, adopt, `{"worker":"w"}`)

	// In another project it is another name; a new server knows it too.
	f.as(201, f.token, http.MethodPost, "/v1/projects/other/studies", studySpec)
	f.as(200, f.bob, http.MethodPost, "/v1/projects/other/studies/s/leases", `{"worker":"w"}`)
	f.server.claims = claims{}
	f.as(403, f.bob, http.MethodPost, leases, `{"worker":"w"}`)

	// Released, it is whose asks first.
	f.as(403, f.alice, http.MethodDelete, workers+"?worker=w", "")
	f.as(404, f.token, http.MethodDelete, workers+"?worker=v", "")
	f.as(422, f.token, http.MethodDelete, workers, "")
	if text := f.as(200, f.token, http.MethodDelete, workers+"?worker=w", ""); !strings.Contains(text, `"owner":"alice"`) {
		t.Errorf("what is forgotten is %s", text)
	}
	f.as(200, f.bob, http.MethodPost, leases, `{"worker":"w"}`)
	f.as(403, f.alice, http.MethodPost, leases, `{"worker":"w"}`)
}

// TestAReleasedNameIsForgottenElsewhere: what another server believes of a name
// it does not believe for long, and for taking over not at all.
func TestAReleasedNameIsForgottenElsewhere(t *testing.T) {
	t.Parallel()
	f := newClaimFixture(t)
	f.as(200, f.alice, http.MethodPost, studies+"/s/leases", `{"worker":"w"}`)
	if err := f.local.Store.DropWorker(t.Context(), "default", "w"); err != nil {
		t.Fatal(err)
	}
	err := f.local.Store.ChangeWorker(t.Context(), "default", "w", func(w *store.Worker) error {
		w.Created, w.Seen, w.Owner = f.now, f.now, "bob"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.as(403, f.alice, http.MethodPost, studies+"/s/adopt", `{"worker":"w"}`)
	f.as(200, f.alice, http.MethodPost, studies+"/s/heartbeat", `{"worker":"w","beats":[]}`)
	f.now = f.now.Add(claimFresh)
	f.as(403, f.alice, http.MethodPost, studies+"/s/heartbeat", `{"worker":"w","beats":[]}`)
	f.as(200, f.bob, http.MethodPost, studies+"/s/leases", `{"worker":"w"}`)
}

// TestANameIsKeptByHeartbeats: a trial may take longer than names are kept of
// workers who do not ask for trials.
func TestANameIsKeptByHeartbeats(t *testing.T) {
	t.Parallel()
	f := newClaimFixture(t)
	f.as(200, f.alice, http.MethodPost, studies+"/s/adopt", `{"worker":"w"}`)
	f.now = f.now.Add(40 * 24 * time.Hour)
	f.as(200, f.alice, http.MethodPost, studies+"/s/heartbeat", `{"worker":"w","beats":[]}`)
	if err := f.local.Store.DropWorkers(t.Context(), f.now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	f.as(403, f.bob, http.MethodPost, studies+"/s/adopt", `{"worker":"w"}`)
}

// TestNoOutsiderAdoptsALocalAgent: an agent on the database has no token, and what
// it runs is not for the network, neither before the database has heard of it nor
// after.
func TestNoOutsiderAdoptsALocalAgent(t *testing.T) {
	t.Parallel()
	f := newClaimFixture(t)
	st, err := f.local.Store.Study(t.Context(), "default", "s")
	if err != nil {
		t.Fatal(err)
	}
	const name = "box:/x/.agents/0"
	lease := func() {
		t.Helper()
		r, err := f.local.Engine.Lease(t.Context(), types.LeaseRequest{Study: st.ID, Worker: name, Node: "box", Executor: "local"})
		if err != nil || r.Status != types.LeaseGranted {
			t.Fatalf("the agent gets %+v, %v", r, err)
		}
	}
	lease()
	for _, secret := range []string{f.bob, f.token} {
		if text := f.as(200, secret, http.MethodPost, studies+"/s/adopt", `{"worker":"`+name+`"}`); !strings.Contains(text, `"attempts":[]`) {
			t.Errorf("adopted: %s", text)
		}
	}
	lease() // although the name is bob's on the network
	as, err := f.local.Engine.Adopt(t.Context(), types.AdoptRequest{Study: st.ID, Worker: name})
	if err != nil || len(as) != 2 {
		t.Errorf("the agent itself gets %+v, %v", as, err)
	}

	err = f.local.Store.ChangeWorker(t.Context(), "default", "known", func(w *store.Worker) error {
		w.Created, w.Seen, w.Info.Node = f.now, f.now, "box"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if text := f.as(403, f.bob, http.MethodPost, studies+"/s/leases", `{"worker":"known"}`); !strings.Contains(text, "without this server") {
		t.Errorf("the refusal is %s", text)
	}
}
