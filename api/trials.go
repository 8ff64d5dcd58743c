package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/engine"
)

const (
	trialsPath = studyPath + "/trials"
	trialPath  = trialsPath + "/{number}"
)

// TrialInput is the part of a path that names a trial.
type TrialInput struct {
	StudyName

	Number int64 `path:"number" minimum:"0" doc:"Number of the trial"`
}

type (
	listTrialsInput struct {
		StudyName

		TrialConditions

		Sort   store.TrialSort `query:"sort" enum:"number,metric,finished,param" default:"number" doc:"Order of the trials; those without a value come last"`
		Metric string          `query:"metric" doc:"The metric to sort by"`
		Param  string          `query:"param" doc:"The parameter to sort by"`
		Desc   bool            `query:"desc" doc:"The largest or latest first"`
		After  string          `query:"after" doc:"Where the page begins: next of the page before"`
		Limit  int             `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most trials of a page"`
	}
	trialsOutput struct{ Body types.TrialPage }
	trialOutput  struct{ Body types.Trial }
	enqueueInput struct {
		StudyName

		Body types.EnqueueBody
	}
	importInput struct {
		StudyName

		Body types.ImportBody
	}
	cancelInput struct {
		StudyName

		Body types.CancelBody
	}
	controlOutput struct{ Body types.ControlReply }
	curveInput    struct {
		TrialInput

		Metric    string `query:"metric" doc:"Only this metric"`
		MaxPoints int    `query:"max_points" minimum:"1" maximum:"100000" default:"1000" doc:"Most reports of a metric: of more, evenly chosen ones"`
	}
	curveOutput struct{ Body types.Curve }
)

func (s *Server) trialRoutes() {
	tags := []string{"trials"}
	handle(s, huma.Operation{OperationID: "listTrials", Method: http.MethodGet, Path: trialsPath, Tags: tags,
		Summary: "A page of trials, without their attempts"}, s.listTrials)
	handle(s, huma.Operation{OperationID: "enqueueTrials", Method: http.MethodPost, Path: trialsPath, Tags: tags,
		Summary: "Add trials at given points, which are run next", DefaultStatus: http.StatusCreated}, s.enqueue)
	handle(s, huma.Operation{OperationID: "importTrials", Method: http.MethodPost, Path: trialsPath + "/import", Tags: tags,
		Summary: "Add finished trials", DefaultStatus: http.StatusCreated}, s.importTrials)
	handle(s, huma.Operation{OperationID: "cancelTrials", Method: http.MethodPost, Path: trialsPath + "/cancel", Tags: tags,
		Summary: "Cancel queued and running trials"}, s.cancelTrials)
	handle(s, huma.Operation{OperationID: "trial", Method: http.MethodGet, Path: trialPath, Tags: tags,
		Summary: "A trial with its attempts"}, s.getTrial)
	handle(s, huma.Operation{OperationID: "reports", Method: http.MethodGet, Path: trialPath + "/reports", Tags: tags,
		Summary: "The reports of a trial's last attempt that made any, by metric and step"}, s.curve)
}

func (s *Server) listTrials(ctx context.Context, in *listTrialsInput) (*trialsOutput, error) {
	out := trialsOutput{types.TrialPage{Trials: []types.Trial{}}}
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	f.Sort, f.Metric, f.Param, f.Desc, f.After, f.Limit = in.Sort, in.Metric, in.Param, in.Desc, in.After, in.Limit
	if f.Metric != "" && f.Sort != store.SortMetric || f.Param != "" && f.Sort != store.SortParam {
		return nil, types.Errorf(types.Invalid, "the order %q has neither a metric nor a parameter to sort by", f.Sort).WithField("sort").
			WithRemedy("sort by metric or param, or leave the other out; conditions are params and metrics")
	}
	err = s.withStudy(ctx, in.StudyName, func(id int64) error {
		page, next, err := s.cfg.Store.ListTrials(ctx, id, f)
		if err != nil {
			return err
		}
		if len(page) == 0 { // the study may be gone: its readers find nothing then
			if _, err := s.cfg.Store.StudyByID(ctx, id); err != nil {
				return err
			}
		}
		versions, err := engine.StoredVersions(ctx, s.cfg.Store, id)
		if err != nil {
			return err
		}
		for i := range page {
			v := page[i].View(nil)
			if v.OutsideSpace, err = versions.Outside(&page[i]); err != nil {
				return err
			}
			out.Body.Trials = append(out.Body.Trials, v)
		}
		out.Body.Next = next
		return nil
	})
	return &out, err
}

func (s *Server) getTrial(ctx context.Context, in *TrialInput) (*trialOutput, error) {
	var out trialOutput
	err := s.withStudy(ctx, in.StudyName, func(id int64) (err error) {
		out.Body, err = s.cfg.Engine.Trial(ctx, id, in.Number)
		return err
	})
	return &out, err
}

func (s *Server) curve(ctx context.Context, in *curveInput) (*curveOutput, error) {
	out := curveOutput{types.Curve{Reports: []types.Report{}}}
	err := s.withStudy(ctx, in.StudyName, func(id int64) error {
		if _, err := s.cfg.Store.Trial(ctx, id, in.Number); err != nil {
			return err
		}
		rs, err := s.cfg.Store.Reports(ctx, id, in.Number, in.Metric, in.MaxPoints)
		for _, r := range rs {
			out.Body.Reports = append(out.Body.Reports, types.Report{Metric: r.Metric, Step: r.Step, Value: types.Float(r.Value)})
		}
		return err
	})
	return &out, err
}

func (s *Server) enqueue(ctx context.Context, in *enqueueInput) (*controlOutput, error) {
	r, err := s.control(ctx, in.StudyName, types.ControlRequest{Kind: types.Enqueue, Points: in.Body.Points, Key: in.Body.Key})
	return &controlOutput{r}, err
}

func (s *Server) importTrials(ctx context.Context, in *importInput) (*controlOutput, error) {
	r, err := s.control(ctx, in.StudyName, types.ControlRequest{Kind: types.Import, Trials: in.Body.Trials, Key: in.Body.Key})
	return &controlOutput{r}, err
}

func (s *Server) cancelTrials(ctx context.Context, in *cancelInput) (*controlOutput, error) {
	b := in.Body
	r, err := s.control(ctx, in.StudyName, types.ControlRequest{Kind: types.StopTrial, Numbers: b.Numbers, Reason: b.Reason, Key: b.Key})
	return &controlOutput{r}, err
}
