package api

import (
	"bufio"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/export"
)

type exportInput struct {
	StudyName
	TrialConditions

	Format string `query:"format" enum:"csv,json,jsonl,md" default:"csv" doc:"Form of the export"`
}

// exportTypes are the content types of the forms.
var exportTypes = map[string]string{export.CSV: "text/csv; charset=utf-8", export.JSON: "application/json", export.JSONL: "application/jsonl",
	export.Markdown: "text/markdown; charset=utf-8"}

func (s *Server) exportRoutes() {
	content := map[string]*huma.MediaType{}
	for _, t := range exportTypes {
		content[t] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	handle(s, huma.Operation{OperationID: "export", Method: http.MethodGet, Path: studyPath + "/export", Tags: []string{"trials"},
		Summary:   "All trials of a study, or those that fulfil the conditions, in the order of their numbers",
		Responses: map[string]*huma.Response{"200": {Description: "The trials. An answer that is cut short is not whole: its connection breaks", Content: content}}}, s.export)
}

func (s *Server) export(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	probe := f // a bad condition is told before the answer begins
	if _, err := probe.Normalise(); err != nil {
		return nil, err
	}
	var st trial.Study
	err = s.withStudy(ctx, in.StudyName, func(id int64) (err error) {
		st, err = s.cfg.Store.StudyByID(ctx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		w := hc.BodyWriter().(http.ResponseWriter)
		w.Header().Set("Content-Type", exportTypes[in.Format])
		w.Header().Set("Content-Disposition", `attachment; filename="`+st.Spec.Name+"."+in.Format+`"`)
		w.WriteHeader(http.StatusOK)
		b := bufio.NewWriterSize(patient{w, http.NewResponseController(w), s.cfg.AnswerTime}, outletBuffer)
		_, err := export.Write(ctx, b, s.cfg.Store, st, f, in.Format)
		if err == nil {
			err = b.Flush()
		}
		if err != nil {
			if ctx.Err() == nil {
				s.cfg.Logger.WarnContext(ctx, "an export broke off", "study", st.ID, "error", err)
			}
			panic(http.ErrAbortHandler) // so that nobody takes what came for the whole
		}
	}}, nil
}

// patient gives a client its time for each write, for the whole may take long.
type patient struct {
	http.ResponseWriter

	control *http.ResponseController
	time    time.Duration
}

func (p patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(p.time)) //nolint:forbidigo // the kernel's clock; recorders of tests have no deadlines
	return p.ResponseWriter.Write(b)
}
