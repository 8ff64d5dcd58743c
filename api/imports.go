package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/bulk"
)

// lineTypes are the content types of JSON lines; the second is that of exports.
var lineTypes = []string{"application/x-ndjson", "application/jsonl", "application/ndjson"}

type importLinesInput struct {
	StudyName

	Key string `query:"key" required:"true" minLength:"1" maxLength:"128" doc:"Your name for this import. The same lines again with the same key are not added twice: an import that broke off goes on"`

	request huma.Context
}

var _ huma.Resolver = (*importLinesInput)(nil)

// Resolve implements huma.Resolver: it keeps the request, whose body is read as
// it comes.
func (in *importLinesInput) Resolve(c huma.Context) []error {
	in.request = c
	return nil
}

type importLinesOutput struct{ Body types.ImportResult }

func (s *Server) importRoutes() {
	content := map[string]*huma.MediaType{}
	for _, t := range lineTypes {
		content[t] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	handle(s, huma.Operation{OperationID: "importLines", Method: http.MethodPost, Path: studyPath + "/import", Tags: []string{"trials"},
		Summary: "Add finished trials from JSON lines of any length, as export writes them", DefaultStatus: http.StatusCreated,
		RequestBody: &huma.RequestBody{Required: true, Content: content,
			Description: "A trial a line: an object with params, state (else completed), metrics and reason; of the other fields of an exported trial nothing is taken, " +
				"and trials that are not finished are left out. It is stored in batches of at most 1,000 trials as it comes. A line that is wrong ends the import with its number: " +
				"the batches before its own stay"}}, s.importLines)
}

// mayBeLines reports whether a request may have a body of JSON lines.
func mayBeLines(r *http.Request, kind string) bool {
	return strings.HasSuffix(r.URL.Path, "/import") && slices.Contains(lineTypes, kind)
}

// importLines reads and stores a batch at a time. It is done by the server that it
// comes to, whoever owns the study: a stream cannot be sent twice, and a batch
// that goes through the database is as safe as one that does not.
func (s *Server) importLines(ctx context.Context, in *importLinesInput) (*importLinesOutput, error) {
	if kind, _, err := mime.ParseMediaType(in.request.Header("Content-Type")); err != nil || !slices.Contains(lineTypes, kind) {
		return nil, types.Errorf(types.Invalid, "the body is not declared as JSON lines").WithField("Content-Type").
			WithRemedy("send the header Content-Type: %s; trials in one JSON object go to trials/import", lineTypes[0])
	}
	var out importLinesOutput
	begun := false
	err := s.withStudy(ctx, in.StudyName, func(id int64) error {
		if begun { // what was read of the body is gone
			return types.Errorf(types.Conflict, "the study was removed, and another has its name").WithField("study").WithRemedy("send all again")
		}
		begun = true
		into := bulk.Into{Study: id, Key: in.Key, Do: s.cfg.Engine.Control}
		err := s.takeLines(ctx, bulk.NewReader(s.paced(in.request)), &into)
		out.Body = into.Result
		return err
	})
	return &out, err
}

func (s *Server) takeLines(ctx context.Context, from *bulk.Reader, into *bulk.Into) error {
	for {
		t, err := from.Next()
		switch {
		case errors.Is(err, io.EOF):
			return into.Flush(ctx)
		case err == nil && s.draining.Err() != nil:
			err = errDraining()
		case err == nil:
			if err = into.Add(ctx, from.Line(), t); err == nil {
				continue
			}
			return err
		}
		if _, ours := errors.AsType[*types.Error](err); !ours {
			err = types.Errorf(types.Invalid, "the body could not be read to its end: %w", err)
		}
		return into.Fault(err)
	}
}

// paced is the body of a request that may take as long as it likes, if something
// comes of it now and then.
func (s *Server) paced(c huma.Context) io.Reader {
	x := c.(*echoContext)
	return &pacedBody{from: c.BodyReader(), control: http.NewResponseController(x.c.Response()), patience: s.cfg.BodyTime, answer: s.cfg.MaxWait + s.cfg.AnswerTime}
}

type pacedBody struct {
	from             io.Reader
	control          *http.ResponseController
	patience, answer time.Duration
}

// Read implements io.Reader. While nothing is read there is no deadline: the
// caller does not have to send while a batch is stored.
func (p *pacedBody) Read(b []byte) (int, error) {
	now := time.Now() //nolint:forbidigo // the kernel's clock; recorders of tests have no deadlines
	_ = p.control.SetReadDeadline(now.Add(p.patience))
	n, err := p.from.Read(b)
	_ = p.control.SetReadDeadline(time.Time{})
	_ = p.control.SetWriteDeadline(now.Add(p.patience + p.answer))
	return n, err
}
