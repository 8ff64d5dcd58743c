package cli

import (
	"context"
	"time"

	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/engine"
	"github.com/gotuner/tuner/trial/local"
)

// coordinator is what changes studies and hands out trials: the engine here, or
// a server.
type coordinator interface {
	agent.Backend
	Control(ctx context.Context, req types.ControlRequest) (types.ControlReply, error)
	Check(ctx context.Context, spec types.StudySpec) (types.Study, error)
	OpenStudy(ctx context.Context, spec types.StudySpec) (types.Study, error)
	Study(ctx context.Context, id int64) (types.Study, error)
	Trial(ctx context.Context, study, number int64) (types.Trial, error)
}

// site is where the studies of a command are: a database, or a server.
type site struct {
	coordinator

	asker  asker
	reader reader
	// glance is the coordinator for looks that may fail and must not wait.
	glance coordinator
	local  *local.Local   // nil with a server
	remote *client.Client // nil with a database
	close  func() error
	url    string // "" without
	pin    string // of the server; may be empty
}

func localSite(l *local.Local) *site {
	return &site{coordinator: l.Engine, asker: engineAsker{l.Engine, l.Host()}, reader: l.Store, glance: l.Engine, local: l, close: l.Close}
}

func remoteSite(c *client.Client) *site {
	return &site{coordinator: c, asker: c, reader: remoteReader{c}, glance: c.Impatient(), url: c.URL(), pin: c.Pin(), remote: c, close: c.Close}
}

// Close closes the database or lets go of the server.
func (s *site) Close() error { return s.close() }

// setAside puts a worker aside or lets it back.
func (s *site) setAside(ctx context.Context, db *dbFlags, p types.WorkerPatch) (types.Worker, error) {
	if s.remote != nil {
		return s.remote.PatchWorker(ctx, db.project, p)
	}
	return engine.SetAside(ctx, s.local.Store, db.project, p, db.st.now())
}

// forgetWorker forgets a worker and whose its name is.
func (s *site) forgetWorker(ctx context.Context, db *dbFlags, name string) error {
	if s.remote != nil {
		_, err := s.remote.RemoveWorker(ctx, db.project, name)
		return err
	}
	return s.local.Store.DropWorker(ctx, db.project, name)
}

// patient is a server that an agent's calls wait for as others do, for some time.
type patient struct{ coordinator }

// Lease implements agent.Backend; the request gets a key, so that it can be
// repeated.
func (p patient) Lease(ctx context.Context, req types.LeaseRequest) (types.LeaseReply, error) {
	req.Key = client.NewKey()
	return patiently(ctx, func() (types.LeaseReply, error) { return p.coordinator.Lease(ctx, req) })
}

// Report implements agent.Backend.
func (p patient) Report(ctx context.Context, req types.ReportRequest) (types.Decision, error) {
	return patiently(ctx, func() (types.Decision, error) { return p.coordinator.Report(ctx, req) })
}

// Finish implements agent.Backend.
func (p patient) Finish(ctx context.Context, req types.FinishRequest) (types.FinishReply, error) {
	return patiently(ctx, func() (types.FinishReply, error) { return p.coordinator.Finish(ctx, req) })
}

// patiently repeats a call while the server is away, up to remotePatience.
func patiently[R any](ctx context.Context, call func() (R, error)) (R, error) {
	ctx, cancel := context.WithTimeout(ctx, remotePatience)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		r, err := call()
		if types.CodeOf(err) != types.Unavailable || wait(ctx, pause) != nil {
			return r, err
		}
	}
}

// dirs are the folders of a study on this machine.
func (s *site) dirs(ctx context.Context, db *dbFlags, study trial.Study) ([]string, error) {
	if s.local != nil {
		dir, err := db.folder()
		if err != nil {
			return nil, err
		}
		return studyDirs(ctx, s.local.Store, study, dir)
	}
	dir, err := db.remoteDir(s.url, study.ID, study.Created)
	return []string{dir}, err
}

// orphanTime is how long the trials of a server's study may run here while the
// sweep or worker that started them is gone, which was killed or has detached:
// four leases. The server hands them out again after one.
const orphanTime = 2 * time.Minute

// machine runs the trials of a study of this site here.
func (s *site) machine(db *dbFlags, study types.Study) (*local.Machine, error) {
	if s.local != nil {
		return s.local.Machine, nil
	}
	dir, err := db.remoteDir(s.url, study.ID, study.Created)
	if err != nil {
		return nil, err
	}
	m, err := local.NewMachine(dir, db.logger())
	if err == nil {
		m.Orphan = orphanTime
	}
	return m, err
}
