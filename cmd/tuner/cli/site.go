package cli

import (
	"context"

	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/agent"
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

	reader reader
	// glance is the coordinator for looks that may fail and must not wait.
	glance coordinator
	local  *local.Local // nil with a server
	url    string       // "" without
}

func localSite(l *local.Local) *site {
	return &site{coordinator: l.Engine, reader: l.Store, glance: l.Engine, local: l}
}

func remoteSite(c *client.Client) *site {
	return &site{coordinator: c, reader: remoteReader{c}, glance: c.Impatient(), url: c.URL()}
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

// machine runs the trials of a study of this site here.
func (s *site) machine(db *dbFlags, study types.Study) (*local.Machine, error) {
	if s.local != nil {
		return s.local.Machine, nil
	}
	dir, err := db.remoteDir(s.url, study.ID, study.Created)
	if err != nil {
		return nil, err
	}
	return local.NewMachine(dir, db.logger())
}
