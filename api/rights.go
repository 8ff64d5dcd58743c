package api

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// right is what a token needs for a request. The zero value is the strictest.
type right int

const (
	// administer is for administrators of all projects.
	administer right = iota
	// nothing needs no token; guard knows these paths too.
	noToken
	// hello is for whoever has any token.
	hello
	// read is for all roles in their projects.
	read
	// run hands out trials and takes their results.
	run
	// create makes studies and continues them.
	create
	// change alters studies and their trials by hand.
	change
	// manage is for administrators of the project.
	manage
)

// access is who may use an operation.
type access struct {
	needs right
	// attempt says that the token of an attempt suffices, for that attempt.
	attempt bool
}

// operations is what each operation needs, by its ID. One that is not here is for
// administrators only, and a test asks for its line.
var operations = map[string]access{
	"health":  {needs: noToken},
	"ready":   {needs: noToken},
	"info":    {needs: hello, attempt: true},
	"openapi": {needs: hello, attempt: true},
	"metrics": {needs: administer},
	"profile": {needs: administer},

	"openStudy":   {needs: create},
	"listStudies": {needs: read},
	"study":       {needs: read},
	"patchStudy":  {needs: change},
	"removeStudy": {needs: change},
	"spaces":      {needs: read},

	"listTrials":    {needs: read},
	"enqueueTrials": {needs: change},
	"importTrials":  {needs: change},
	"importLines":   {needs: change},
	"cancelTrials":  {needs: change},
	"trial":         {needs: read, attempt: true},
	"reports":       {needs: read, attempt: true},

	"lease":     {needs: run},
	"report":    {needs: run, attempt: true},
	"extend":    {needs: run, attempt: true},
	"finish":    {needs: run},
	"heartbeat": {needs: run},
	"adopt":     {needs: run},

	"ask":         {needs: run},
	"tell":        {needs: run},
	"reportAsked": {needs: run},

	"events": {needs: read},
	"export": {needs: read},

	"listProjects": {needs: hello}, // the handler shows those of the token
	"openProject":  {needs: administer},
	"algorithms":   {needs: hello},
	"stoppers":     {needs: hello},
	"docs":         {needs: hello, attempt: true},
	"signal":       {needs: read, attempt: true},

	"listTokens":  {needs: administer},
	"createToken": {needs: administer},
	"revokeToken": {needs: administer},

	"listWorkers": {needs: read},
	// These are about all studies of the project.
	"patchWorker":  {needs: manage},
	"removeWorker": {needs: manage},
}

// may reports whether a role has a right. What it does not list is refused.
func may(role store.Role, needs right) bool {
	switch role {
	case store.RoleAdmin:
		return true
	case store.RoleSubmit:
		return needs == hello || needs == read || needs == run || needs == create || needs == change
	case store.RoleWorker:
		return needs == hello || needs == read || needs == run
	case store.RoleViewer:
		return needs == hello || needs == read
	}
	return false
}

// ownOnly reports whether a role runs and changes only studies of its owner.
func ownOnly(role store.Role) bool { return role == store.RoleSubmit }

// authorize lets a request through that its token has the right to. It comes
// after routing: what no route takes is answered by 404 or 405.
func (s *Server) authorize(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		need, routed := s.needs[r.Method+" "+c.Path()]
		if !routed || need.needs == noToken {
			return next(c)
		}
		this := callOf(r.Context())
		this.needs, this.routed = need.needs, true
		if this.attempt != nil {
			if err := ownAttempt(c, need, *this.attempt); err != nil {
				return err
			}
		} else if err := permit(&this.token, need.needs, c.Param("project")); err != nil {
			return err
		}
		if study := c.Param("study"); study != "" && this.limited() {
			// Before the handler looks at the body; it will ask again for the study that
			// it finds then.
			err := s.withStudy(r.Context(), StudyName{c.Param("project"), study}, func(int64) error { return nil })
			if err != nil && types.CodeOf(err) != types.NotFound { // which the handler tells in its words
				return err
			}
		}
		return next(c)
	}
}

// permit refuses what a token's role or projects do not allow. Without a project
// in the path a request is about all of them: who has some may only read, and the
// handler shows those.
func permit(t *store.Token, needs right, project string) error {
	if !may(t.Role, needs) {
		return lacking(t, needs)
	}
	switch {
	case needs == hello:
	case project != "" && !t.For(project):
		return types.Errorf(types.Forbidden, "the token %s is not for the project %s", t.Name, project).WithField("project").
			WithRemedy("use one of %s, or another token", strings.Join(t.Projects, ", "))
	case project == "" && needs != read && len(t.Projects) > 0:
		return types.Errorf(types.Forbidden, "the token %s is for some projects only, and this is about all", t.Name).
			WithRemedy("use the token of an administrator of all projects")
	}
	return nil
}

// lacking is the refusal of what a token's role does not allow.
func lacking(t *store.Token, needs right) error {
	does := map[right]string{
		administer: "do what concerns the whole server", run: "ask for trials or run them", create: "create studies",
		change: "change studies", manage: "manage workers", read: "read studies",
	}[needs]
	var others []string
	for _, r := range []store.Role{store.RoleViewer, store.RoleWorker, store.RoleSubmit, store.RoleAdmin} {
		if may(r, needs) {
			others = append(others, string(r))
		}
	}
	of := strings.Join(others, " or ")
	if i := len(others) - 1; i > 1 {
		of = strings.Join(others[:i], ", ") + " or " + others[i]
	}
	return types.Errorf(types.Forbidden, "a %s may not %s; %s may", t.Role, does, of).
		WithRemedy("use a token with the role %s in place of the token %s; tuner help security lists what each may do", of, t.Name)
}

// ownAttempt refuses the token of an attempt whatever is not of its attempt.
func ownAttempt(c echo.Context, need access, ref types.AttemptRef) error {
	if !need.attempt {
		return notOwnAttempt()
	}
	if need.needs == hello {
		return nil
	}
	if n := c.Param("attempt"); n != "" && n != strconv.Itoa(ref.Attempt) {
		return notOwnAttempt()
	}
	if c.Param("number") != strconv.FormatInt(ref.Trial, 10) {
		return notOwnAttempt()
	}
	return nil // withStudy sees to the study
}

// limited reports whether a token is for some studies of a project only.
func (c *call) limited() bool {
	return c.attempt != nil || ownOnly(c.token.Role) && (c.needs == run || c.needs == change)
}

// touches refuses a request whose token is not for the study with an ID.
func (s *Server) touches(ctx context.Context, id int64) error {
	this := callOf(ctx)
	switch {
	case !this.limited():
		return nil
	case this.attempt != nil && this.attempt.Study != id:
		return notOwnAttempt()
	case this.attempt != nil:
		return nil
	}
	if user, ok := s.users.Load(id); ok && user == this.token.Owner && this.token.Owner != "" {
		return nil
	}
	st, err := s.cfg.Store.StudyByID(ctx, id)
	if err != nil {
		return err
	}
	s.users.Store(id, st.CreatedBy)
	if st.CreatedBy != this.token.Owner || st.CreatedBy == "" {
		return trial.NotOwn(st, this.token.Owner)
	}
	return nil
}

func notOwnAttempt() error {
	return types.Errorf(types.Forbidden, "the token of an attempt is for that attempt only").
		WithRemedy("it may GET and report to what TUNER_TRIAL and TUNER_ATTEMPT name; tuner help security has the list")
}

// checkAttempt returns the attempt whose token a request shows. It is looked up
// in the store, once in a moment; whether the attempt still holds its lease, the
// engine says to each report.
func (k *tokens) checkAttempt(ctx context.Context, secret string, now time.Time) (*types.AttemptRef, error) {
	refused := types.Errorf(types.Unauthenticated, "the token is of no attempt that runs").
		WithRemedy("read the file that TUNER_TOKEN_FILE names again: a worker that restarts writes a new one")
	ref, ok := types.ParseBearer(secret)
	if !ok {
		return nil, refused
	}
	hash := HashToken(secret)
	if hit, ok := k.fresh(hash, now); ok {
		return hit.attempt, nil
	}
	as, err := k.store.Attempts(ctx, ref.Study, ref.Trial)
	if err != nil && types.CodeOf(err) != types.NotFound {
		return nil, err
	}
	for i := range as {
		a := &as[i]
		if a.Number != ref.Attempt || !sameSecret(a.Token, ref.Token) {
			continue
		}
		if a.State.Finished() {
			return nil, attemptOver(ref)
		}
		k.keep(hash, knownToken{attempt: &ref, until: now.Add(tokenFresh)})
		return &ref, nil
	}
	return nil, refused
}

func attemptOver(ref types.AttemptRef) error {
	return types.Errorf(types.Superseded, "attempt %d of trial %d is over, and its token ended with it", ref.Attempt, ref.Trial).
		WithRemedy("stop this attempt")
}

// tokenOf is the token that a report carries in its body: an attempt that calls
// itself has shown it already.
func tokenOf(ctx context.Context, body string) (string, error) {
	if body != "" {
		return body, nil
	}
	if ref := callOf(ctx).attempt; ref != nil {
		return ref.Token, nil
	}
	return "", types.Errorf(types.Invalid, "the token of the lease is missing").WithField("token").
		WithRemedy("send leases[].ref.token of the answer to the lease")
}

// echoPath is a path of an operation as echo writes it.
func echoPath(path string) string {
	return strings.ReplaceAll(strings.ReplaceAll(path, "{", ":"), "}", "")
}
