package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
)

// pipeBeat is how often the leases of open trials are renewed: several times in
// a lease of 30 s.
const pipeBeat = 5 * time.Second

// pipe is a session of tuner ask --stdio. Its requests are carried out one after
// the other; beats renew the leases of its open trials meanwhile.
type pipe struct {
	st    *State
	db    *dbFlags
	flags *askFlags
	// at is nil as long as there is no database yet and no study for it.
	at *site
	// worker is the name under which its trials are leased.
	worker string
	// study is the open study; its ID is 0 before there is one. byFlags says
	// that the command line described it.
	study   types.Study
	byFlags bool
	// over ends the waiting of an ask: the input has ended or a signal came.
	over <-chan struct{}

	mu   sync.Mutex
	open map[int64]*openTrial
}

// openTrial is a trial that was asked for and not told yet.
type openTrial struct {
	ref types.AttemptRef
	// next is, for each metric that was reported, the step of a report that names
	// none.
	next map[string]int64
}

// connect opens the database or connects to the server.
func (p *pipe) connect(ctx context.Context) error {
	at, err := p.flags.open(ctx, p.db)
	if err != nil {
		return err
	}
	p.at = at
	if at.local != nil {
		p.worker = at.local.Owner()
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	p.worker = host + ":pipe-" + client.NewKey()
	at.coordinator = patient{at.coordinator}
	return nil
}

// close closes what connect has opened.
func (p *pipe) close() error {
	if p.at == nil {
		return nil
	}
	return p.at.Close()
}

// begin opens the study that the command line describes.
func (p *pipe) begin(ctx context.Context, pl *plan) (err error) {
	if p.study, err = p.at.OpenStudy(ctx, pl.spec); err != nil {
		return err
	}
	p.byFlags = true
	if p.flags.study.quiet {
		return nil
	}
	if err := pl.show(p.st); err != nil {
		return err
	}
	return p.announce()
}

// announce says on stderr which study this is and where it is kept.
func (p *pipe) announce() error {
	if p.flags.study.quiet {
		return nil
	}
	spec, verb, where := p.study.Spec, "new study", "not kept (--no-db)"
	if p.study.Continued {
		verb = fmt.Sprintf("continuing (%d trials so far)", p.study.Counts.Spent())
	}
	if p.at.url != "" {
		where = "server " + p.at.url
	} else if !p.flags.noDB {
		dsn, err := p.db.dsn()
		if err != nil {
			return err
		}
		if where = "database " + dsn; isPostgres(dsn) {
			where = "database PostgreSQL"
		}
	}
	_, err := fmt.Fprintf(p.st.Stderr, "%s: %s · %s · stopper %s · seed %d · %s\n",
		spec.Name, verb, spec.Algorithm.Name, spec.Stopper.Name, spec.Seed, where)
	return err
}

// openStudy answers an open request. Without a study it only tells the version.
func (p *pipe) openStudy(ctx context.Context, req pipeRequest) (types.PipeReply, error) {
	reply := types.PipeReply{Name: "tuner", Version: Version()}
	switch {
	case req.Study == nil && p.study.ID != 0:
		return reply, nil
	case req.Study == nil:
		return types.PipeReply{}, usagef("the request describes no study, and the command line none either").WithField("study").
			WithRemedy(`write {"op":"open","study":{"name":…,"space":…,"objectives":[…]}}, or describe it with -p and --min`)
	case p.byFlags:
		return types.PipeReply{}, types.Errorf(types.Conflict, "the command line has described the study %s already", p.study.Spec.Name).
			WithField("study").WithRemedy("leave the study out of the open request, or its name and flags out of tuner ask")
	case p.study.ID != 0:
		return types.PipeReply{}, types.Errorf(types.Conflict, "the study %s is open already", p.study.Spec.Name).
			WithField("study").WithRemedy("start another tuner ask --stdio for another study")
	case req.Study.Run != nil:
		return types.PipeReply{}, usagef("a pipe runs no command: its trials are told").WithField("study.run").
			WithRemedy("leave run out, or use tuner sweep")
	}
	spec := *req.Study
	spec.Project = cmp.Or(spec.Project, p.db.project)
	if err := p.flags.named(&spec); err != nil {
		return types.PipeReply{}, within(err, "study.name")
	}
	if list := strings.TrimSpace(string(spec.Space)); strings.HasPrefix(list, "[") {
		spec.Space = json.RawMessage(`{"parameters":` + list + `}`)
	}
	if err := p.ready(ctx, spec); err != nil {
		return types.PipeReply{}, err
	}
	if err := p.whole(ctx, p.at, spec); err != nil {
		return types.PipeReply{}, err
	}
	study, err := p.at.OpenStudy(ctx, spec)
	if err != nil {
		return types.PipeReply{}, inStudy(err)
	}
	p.study = study
	return reply, p.announce()
}

// ready makes sure that there is a database for the study of an open request. One
// that is refused makes none.
func (p *pipe) ready(ctx context.Context, spec types.StudySpec) error {
	if p.at != nil {
		return nil
	}
	if p.flags.unmade(p.db) { // nobody else has made it meanwhile
		err := inMemory(ctx, func(at *site) error {
			if err := p.whole(ctx, at, spec); err != nil {
				return err
			}
			_, err := at.Check(ctx, spec)
			return inStudy(err)
		})
		if err != nil {
			return err
		}
	}
	return p.connect(ctx)
}

// whole makes sure that the request for a new study has a space; one for a study
// that exists may leave it out.
func (p *pipe) whole(ctx context.Context, at *site, spec types.StudySpec) error {
	if len(spec.Space) > 0 {
		return nil
	}
	_, err := at.reader.Study(ctx, spec.Project, spec.Name)
	if types.CodeOf(err) == types.NotFound {
		return types.Errorf(types.NotFound, "there is no study %q to continue, and no space for a new one", spec.Name).WithField("study.space").
			WithRemedy(`give one, such as "space":[{"name":"lr","type":"float","low":0.001,"high":1.0}]; tuner help space explains it`)
	}
	return err
}

// inStudy is an error about a study in the words of an open request.
func inStudy(err error) error {
	err = asked(err)
	if e, ok := errors.AsType[*types.Error](err); ok && e.Field != "" {
		return e.WithField("study." + e.Field)
	}
	return err
}

const inRequest = `with --extend ("extend":true in the request)`

// asked replaces what an error advises to a user of tuner sweep.
func asked(err error) error {
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	inner := *e
	inner.Remedy = strings.NewReplacer("with extend", inRequest, "with --extend", inRequest, "another --name", "another name").Replace(e.Remedy)
	return &inner
}

// beats renews the leases of the open trials until ctx is done. What else the
// answers say, the next report or tell of the trial hears.
func (p *pipe) beats(ctx context.Context) {
	tick := time.NewTicker(pipeBeat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		var req types.HeartbeatRequest
		p.mu.Lock()
		for _, t := range p.open {
			req.Beats = append(req.Beats, types.Beat{Ref: t.ref, State: types.AttemptRunning})
		}
		p.mu.Unlock()
		if len(req.Beats) == 0 {
			continue
		}
		req.Worker = p.worker // with the first open trial there is one
		if _, err := p.at.Heartbeat(ctx, req); err != nil && ctx.Err() == nil {
			p.say("the leases of the open trials could not be renewed: " + err.Error())
		}
	}
}

// handBack puts the open trials back into the queue.
func (p *pipe) handBack(ctx context.Context) error {
	p.mu.Lock()
	open := slices.SortedFunc(maps.Values(p.open), func(a, b *openTrial) int { return cmp.Compare(a.ref.Trial, b.ref.Trial) })
	p.mu.Unlock()
	var errs []error
	for _, t := range open {
		_, err := p.at.Finish(ctx, types.FinishRequest{Ref: t.ref, Outcome: types.OutcomeInterrupted, Reason: "the pipe was closed"})
		if c := types.CodeOf(err); err != nil && c != types.Superseded && c != types.NotFound { // else it is somebody else's
			errs = append(errs, err)
		}
		p.forget(t.ref.Trial)
	}
	return errors.Join(errs...)
}
