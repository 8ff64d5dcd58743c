package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/engine"
)

const (
	projectPath = "/v1/projects/{project}"
	studiesPath = projectPath + "/studies"
	studyPath   = studiesPath + "/{study}"
)

// StudyName is the part of a path that names a study. It is exported, as the
// others that are embedded, because huma fills in exported fields only.
type StudyName struct {
	Project string `path:"project" maxLength:"128" doc:"Name of the project, such as default"`
	Study   string `path:"study" maxLength:"128" doc:"Name of the study"`
}

type (
	studyOutput struct{ Body types.Study }
	// openOutput says by its status whether the study is new.
	openOutput struct {
		Status int
		Body   types.Study
	}
	openInput struct {
		Project string `path:"project" maxLength:"128" doc:"Name of the project, such as default"`
		Check   bool   `query:"check" doc:"Only check: store nothing, and answer with the study as it would be"`
		Body    types.StudySpec
	}
	listStudiesInput struct {
		Project string `path:"project" maxLength:"128" doc:"Name of the project, such as default"`
		After   string `query:"after" maxLength:"128" doc:"Name after which the page begins: next of the page before"`
		Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most studies of a page"`
	}
	studiesOutput struct{ Body types.StudyPage }
	patchInput    struct {
		StudyName

		Body types.StudyPatch
	}
	removeInput struct {
		StudyName

		ID int64 `query:"id" minimum:"0" doc:"Only if this is the ID of the study, and not of a later one of its name"`
	}
	spacesOutput struct{ Body types.SpaceList }
)

func (s *Server) studyRoutes() {
	tags := []string{"studies"}
	handle(s, huma.Operation{OperationID: "openStudy", Method: http.MethodPost, Path: studiesPath, Tags: tags,
		Summary: "Create a study, or continue the one of that name (200; 409 with the differences if they do not fit)", DefaultStatus: http.StatusCreated}, s.openStudy)
	handle(s, huma.Operation{OperationID: "listStudies", Method: http.MethodGet, Path: studiesPath, Tags: tags,
		Summary: "The studies of a project by name"}, s.listStudies)
	handle(s, huma.Operation{OperationID: "study", Method: http.MethodGet, Path: studyPath, Tags: tags,
		Summary: "A study as it is now"}, s.getStudy)
	handle(s, huma.Operation{OperationID: "patchStudy", Method: http.MethodPatch, Path: studyPath, Tags: tags,
		Summary: "Pause, resume or stop a study, or change its budget, parallelism, required labels and space"}, s.patchStudy)
	handle(s, huma.Operation{OperationID: "removeStudy", Method: http.MethodDelete, Path: studyPath, Tags: tags,
		Summary: "Delete a study and all that belongs to it; none of its trials may run", DefaultStatus: http.StatusOK}, s.removeStudy)
	handle(s, huma.Operation{OperationID: "spaces", Method: http.MethodGet, Path: studyPath + "/spaces", Tags: tags,
		Summary: "All versions of a study's space, the oldest first"}, s.spaces)
}

// withStudy calls call with the ID of a study. IDs of names are remembered, for
// each report would look for its study else; they are asked for again when the
// study turns out to be gone, for another may have its name now. A study that the
// caller's token is not for is refused.
func (s *Server) withStudy(ctx context.Context, name StudyName, call func(id int64) error) error {
	if known, ok := s.names.Load(name); ok {
		err := s.onStudy(ctx, known.(int64), call)
		if types.CodeOf(err) != types.NotFound {
			return err
		}
		s.names.Delete(name)
	}
	id, err := s.lookUp(ctx, name)
	if err != nil {
		return err
	}
	return s.onStudy(ctx, id, call)
}

func (s *Server) onStudy(ctx context.Context, id int64, call func(id int64) error) error {
	callOf(ctx).study = id
	if err := s.touches(ctx, id); err != nil {
		return err
	}
	return call(id)
}

// lookUp finds the ID of a name. It is a function of its own because what it
// needs of the stack, thousands who wait in withStudy would hold.
func (s *Server) lookUp(ctx context.Context, name StudyName) (int64, error) {
	st, err := s.cfg.Store.Study(ctx, name.Project, name.Study)
	if types.CodeOf(err) == types.NotFound {
		return 0, types.Errorf(types.NotFound, "the project %s has no study %q", name.Project, name.Study).WithField("study").
			WithRemedy("list the studies of the project for its name (GET %s), or make it", "/v1/projects/"+name.Project+"/studies")
	}
	if err != nil {
		return 0, err
	}
	s.names.Store(name, st.ID)
	return st.ID, nil
}

func (s *Server) openStudy(ctx context.Context, in *openInput) (*openOutput, error) {
	spec := in.Body
	if spec.Project != "" && spec.Project != in.Project {
		return nil, types.Errorf(types.Invalid, "the body says %q, the path %q", spec.Project, in.Project).WithField("project").
			WithRemedy("leave it out of the body")
	}
	spec.Project = in.Project
	if string(spec.Space) == "null" {
		spec.Space = nil
	}
	status := http.StatusCreated
	if in.Check {
		status = http.StatusOK
	}
	this := callOf(ctx)
	st, err := s.cfg.Engine.Open(ctx, spec, engine.Opening{User: this.token.Owner, Own: ownOnly(this.token.Role), Dry: in.Check})
	this.opened(&spec, st.ID, in.Check)
	if err != nil {
		return nil, err
	}
	if st.Continued {
		status = http.StatusOK
	}
	return &openOutput{status, st}, nil
}

func (s *Server) getStudy(ctx context.Context, in *StudyName) (*studyOutput, error) {
	var out studyOutput
	err := s.withStudy(ctx, *in, func(id int64) (err error) {
		out.Body, err = s.cfg.Engine.Study(ctx, id)
		return err
	})
	return &out, err
}

func (s *Server) listStudies(ctx context.Context, in *listStudiesInput) (*studiesOutput, error) {
	page, err := s.cfg.Store.ListStudies(ctx, in.Project, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	out := studiesOutput{types.StudyPage{Studies: []types.Study{}}}
	for _, p := range page {
		v, err := s.view(ctx, p.Study, p.Counts)
		if err != nil {
			return nil, err
		}
		out.Body.Studies = append(out.Body.Studies, v)
	}
	if len(page) == in.Limit {
		out.Body.Next = page[len(page)-1].Study.Spec.Name
	}
	return &out, nil
}

func (s *Server) view(ctx context.Context, st trial.Study, counts types.Counts) (types.Study, error) {
	best, err := engine.BestStored(ctx, s.cfg.Store, st)
	return types.Study{ID: st.ID, Spec: st.Spec, State: st.State, Reason: st.Reason, Created: st.Created, CreatedBy: st.CreatedBy,
		Counts: counts, Best: best, SpaceVersion: st.SpaceVersion}, err
}

// control carries out a change of a study by hand.
func (s *Server) control(ctx context.Context, name StudyName, req types.ControlRequest) (types.ControlReply, error) {
	var out types.ControlReply
	err := s.withStudy(ctx, name, func(id int64) (err error) {
		req.Study = id
		out, err = s.cfg.Engine.Control(ctx, req)
		return err
	})
	return out, err
}

func (s *Server) patchStudy(ctx context.Context, in *patchInput) (*studyOutput, error) {
	b := in.Body
	req := types.ControlRequest{Key: b.Key, Reason: b.Reason, Budget: b.Budget, Parallelism: b.Parallelism, Require: b.Require}
	if string(b.Space) != "null" {
		req.Space = b.Space
	}
	limits := b.Budget != nil || b.Parallelism != nil || b.Require != nil || len(req.Space) > 0
	switch {
	case limits && b.State != "":
		return nil, types.Errorf(types.Invalid, "state and limits are changed one after the other").WithField("state").
			WithRemedy("send two requests")
	case limits && b.Reason != "":
		return nil, types.Errorf(types.Invalid, "a change of limits has no reason").WithField("reason").WithRemedy("leave it out")
	case limits:
		req.Kind = types.Edit
	case b.State == types.StudyActive:
		req.Kind = types.ResumeStudy
	case b.State == types.StudyPaused:
		req.Kind = types.PauseStudy
	case b.State == types.StudyStopped:
		req.Kind = types.StopStudy
	case b.State == "":
		return nil, types.Errorf(types.Invalid, "the request changes nothing").
			WithRemedy("give state: active, paused or stopped; or budget, parallelism, require or space")
	default:
		return nil, types.Errorf(types.Invalid, "%q is no state that can be set", b.State).WithField("state").
			WithRemedy("use active, paused or stopped; or give budget, parallelism, require or space")
	}
	r, err := s.control(ctx, in.StudyName, req)
	return &studyOutput{r.Study}, err
}

func (s *Server) removeStudy(ctx context.Context, in *removeInput) (*studyOutput, error) {
	var r types.ControlReply
	err := s.withStudy(ctx, in.StudyName, func(id int64) (err error) {
		if err := sameStudy(in.ID, id); err != nil {
			return err
		}
		r, err = s.cfg.Engine.Control(ctx, types.ControlRequest{Study: id, Kind: types.RemoveStudy})
		return err
	})
	s.names.Delete(in.StudyName)
	return &studyOutput{r.Study}, err
}

func (s *Server) spaces(ctx context.Context, in *StudyName) (*spacesOutput, error) {
	out := spacesOutput{types.SpaceList{Spaces: []json.RawMessage{}}}
	err := s.withStudy(ctx, *in, func(id int64) error {
		texts, err := s.cfg.Store.Spaces(ctx, id)
		if err == nil && len(texts) == 0 {
			return types.Errorf(types.NotFound, "the study is gone")
		}
		for _, t := range texts {
			out.Body.Spaces = append(out.Body.Spaces, t)
		}
		return err
	})
	return &out, err
}

var _ Reader = store.Store(nil)
