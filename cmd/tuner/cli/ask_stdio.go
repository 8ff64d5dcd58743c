package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/jsonkeys"
	"github.com/gotuner/tuner/internal/nearest"
)

// pipeLineLimit is the length of the longest line that is read, in bytes.
const pipeLineLimit = 16 << 20

// pipeRequest is types.PipeRequest with a difference between 0 and absent.
type pipeRequest struct {
	Op      types.PipeOp           `json:"op"`
	Study   *types.StudySpec       `json:"study"`
	N       *int                   `json:"n"`
	Number  *int64                 `json:"number"`
	Step    *int64                 `json:"step"`
	State   types.State            `json:"state"`
	Reason  string                 `json:"reason"`
	Metrics map[string]types.Float `json:"metrics"`
}

// pipeOps are the requests with the fields that each may have.
var pipeOps = []struct {
	op     types.PipeOp
	fields []string
}{
	{types.PipeOpen, []string{"study"}}, {types.PipeAsk, []string{"n"}},
	{types.PipeReport, []string{"number", "step", "metrics"}},
	{types.PipeTell, []string{"number", "state", "reason", "metrics"}},
	{types.PipeBest, nil}, {types.PipeClose, nil},
}

// pipeLine is a line of the input.
type pipeLine struct {
	number int // from 1
	text   []byte
	err    error // of reading it
}

// run answers the requests of the input until it ends, a close or a signal.
// Whatever ends it, open trials are handed back and the database is closed.
func (p *pipe) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	signals, broken := make(chan os.Signal, 1), make(chan os.Signal, 1)
	unnotify := p.st.Notify(signals, stopSignals...)
	defer unnotify()
	// Without this the first reply that nobody reads would end the program before
	// it has handed its trials back.
	defer p.st.Notify(broken, syscall.SIGPIPE)()
	go func() {
		select {
		case sig := <-signals:
			unnotify() // a second one ends the program at once
			cancel(types.Errorf(types.Unavailable, "the pipe was ended by the signal %q", sig.String()))
		case <-ctx.Done():
		}
	}()
	p.invite()
	lines, over := make(chan pipeLine), make(chan struct{})
	p.over = over
	go func() { defer close(over); readPipe(ctx, p.st.Stdin, lines) }()

	beats, stopBeats := context.WithCancel(ctx)
	beating := make(chan struct{})
	go func() { defer close(beating); p.beats(beats) }()
	end := func() error {
		stopBeats()
		<-beating
		return errors.Join(p.handBack(context.WithoutCancel(ctx)), p.close())
	}
	closed, err := p.serve(ctx, lines, end)
	if !closed {
		err = errors.Join(err, end())
	}
	if err == nil && ctx.Err() != nil {
		return &exitError{exitInterrupted, ""}
	}
	return err
}

// invite tells somebody who types what is expected.
func (p *pipe) invite() {
	if f, ok := p.st.Stdin.(*os.File); ok && !p.flags.study.quiet && term.IsTerminal(int(f.Fd())) {
		p.say(`reading requests, one JSON object a line, such as {"op":"ask"}; tuner help pipe explains them`)
	}
}

// serve answers line after line. closed says that a close request has called end.
func (p *pipe) serve(ctx context.Context, lines <-chan pipeLine, end func() error) (closed bool, err error) {
	out := json.NewEncoder(p.st.Stdout)
	out.SetEscapeHTML(false)
	for {
		var l pipeLine
		var more bool
		select {
		case <-ctx.Done():
			return false, nil
		case l, more = <-lines:
		}
		if !more {
			return false, nil
		}
		if errors.Is(l.err, errRead) {
			return false, l.err
		}
		reply, last := p.answer(ctx, l)
		if last {
			err = end()
			if err != nil {
				reply = pipeFault(err)
			}
		}
		if werr := out.Encode(reply); werr != nil {
			return last, errors.Join(err, types.Errorf(types.Unavailable, "the replies cannot be written: %w", cause(werr)))
		}
		if last {
			return true, err
		}
	}
}

// answer carries out one request; last says that it was a close.
func (p *pipe) answer(ctx context.Context, l pipeLine) (reply types.PipeReply, last bool) {
	req, err := decodePipe(l)
	if err == nil {
		err = req.check(p.study.ID != 0)
	}
	if err != nil {
		return pipeFault(err), false
	}
	// What was asked is carried out whole; a signal ends the waiting only.
	work := context.WithoutCancel(ctx)
	switch req.Op {
	case types.PipeOpen:
		reply, err = p.openStudy(work, req)
	case types.PipeAsk:
		n := 1
		if req.N != nil {
			n = *req.N
		}
		reply, err = p.ask(ctx, n)
	case types.PipeReport:
		reply, err = p.report(work, req)
	case types.PipeTell:
		reply, err = p.tell(work, req)
	case types.PipeBest:
		reply, err = p.best(work)
	case types.PipeClose:
		return types.PipeReply{}, true
	}
	if err != nil {
		return pipeFault(err), false
	}
	return reply, false
}

// pipeFault is the reply to a request that could not be carried out.
func pipeFault(err error) types.PipeReply {
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		e = types.Errorf(types.Internal, "%w", err)
	}
	return types.PipeReply{Error: e}
}

// check finds what is wrong with a request whatever the trials are.
func (r *pipeRequest) check(open bool) error {
	names := make([]string, len(pipeOps))
	for i, o := range pipeOps {
		names[i] = string(o.op)
	}
	i := slices.Index(names, string(r.Op))
	switch {
	case r.Op == "":
		return usagef("the request says not what it wants").WithField("op").WithRemedy(`give "op", one of %s`, strings.Join(names, ", "))
	case i < 0:
		e := usagef("there is no request %q", r.Op).WithField("op").WithRemedy("the requests are %s", strings.Join(names, ", "))
		if s := suggestName(string(r.Op), names); s != "" {
			e.Remedy = s
		}
		return e
	}
	for _, f := range r.given() {
		if !slices.Contains(pipeOps[i].fields, f) {
			e := usagef("%s takes no %s", r.Op, f).WithField(f).WithRemedy("leave it out")
			if fs := pipeOps[i].fields; len(fs) > 0 {
				e.Remedy += fmt.Sprintf("; %s takes %s", r.Op, strings.Join(fs, ", "))
			}
			return e
		}
	}
	switch {
	case r.N != nil && *r.N < 1:
		return usagef("%d is no number of trials", *r.N).WithField("n").WithRemedy("ask for 1 or more")
	case r.N != nil && *r.N > pipeMostTrials:
		return usagef("%d trials are too many at once", *r.N).WithField("n").WithRemedy("ask for at most %d", pipeMostTrials)
	case !open && r.Op != types.PipeOpen && r.Op != types.PipeClose:
		return usagef("no study is open").WithField("op").
			WithRemedy(`begin with {"op":"open","study":{…}}, or describe the study on the command line: tuner ask --stdio NAME --min loss -p x=0.0..1.0`)
	}
	return nil
}

// given names the fields that the request has.
func (r *pipeRequest) given() []string {
	var out []string
	for _, f := range []struct {
		name  string
		there bool
	}{{"study", r.Study != nil}, {"n", r.N != nil}, {"number", r.Number != nil}, {"step", r.Step != nil},
		{"state", r.State != ""}, {"reason", r.Reason != ""}, {"metrics", r.Metrics != nil}} {
		if f.there {
			out = append(out, f.name)
		}
	}
	return out
}

// errRead means that the input cannot be read any further.
var errRead = errors.New("cannot read the requests")

// readPipe sends the lines of r until its end, an error or the end of ctx. Blank
// lines are passed over; one that is too long is read to its end and forgotten.
func readPipe(ctx context.Context, r io.Reader, out chan<- pipeLine) {
	defer close(out)
	b := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		l := pipeLine{number: n}
		var err error
		l.text, err = readLine(b)
		switch {
		case errors.Is(err, bufio.ErrTooLong):
			l.err, err = usagef("line %d is longer than %d MiB", n, pipeLineLimit>>20).WithRemedy("send less in one request"), nil
		case err != nil && !errors.Is(err, io.EOF):
			l.err = fmt.Errorf("%w: %w", errRead, cause(err))
		}
		if n == 1 {
			l.text = bytes.TrimPrefix(l.text, []byte("\ufeff")) // some systems begin a text with it
		}
		l.text = bytes.TrimSpace(l.text)
		if len(l.text) > 0 || l.err != nil {
			select {
			case out <- l:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// readLine reads up to the next line feed. A longer line than pipeLineLimit is
// bufio.ErrTooLong; the end of the input comes with what stood before it.
func readLine(b *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := b.ReadSlice('\n')
		if long = long || len(line)+len(part) > pipeLineLimit; long {
			line = nil
		} else {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case long && (err == nil || errors.Is(err, io.EOF)):
			return nil, bufio.ErrTooLong // after an end the next call returns io.EOF again
		default:
			return line, err
		}
	}
}

// decodePipe reads a request. Every fault names the line and, where that is
// known, the byte.
func decodePipe(l pipeLine) (req pipeRequest, err error) {
	if l.err != nil {
		return req, l.err
	}
	d := json.NewDecoder(bytes.NewReader(l.text))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		return req, badJSON(l, err)
	}
	if rest := bytes.TrimSpace(l.text[d.InputOffset():]); len(rest) > 0 {
		return req, usagef("line %d, byte %d: something follows the request", l.number, len(l.text)-len(rest)+1).
			WithRemedy("write one JSON object a line")
	}
	if e, ok := errors.AsType[*jsonkeys.TwiceError](jsonkeys.Check(l.text)); ok {
		return req, usagef("line %d: the field %q is given twice", l.number, e.Field).WithField(e.Field).WithRemedy(jsonkeys.Remedy)
	}
	return req, nil
}

// badJSON says what is wrong with a line in words that do not presume Go.
func badJSON(l pipeLine, err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		out := usagef("line %d, byte %d: no valid JSON: %s", l.number, e.Offset, e.Error()).WithRemedy("write one JSON object a line")
		if i := int(e.Offset) - 1; i >= 0 && i < len(l.text) && (l.text[i] == 'N' || l.text[i] == 'I') {
			out.Remedy = `write "NaN", "Infinity" and "-Infinity" in quotes, for JSON has no such numbers`
		}
		return out
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return usagef("line %d, byte %d: the JSON ends too early", l.number, len(l.text)).WithRemedy("write the whole request on one line")
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if number, ok := strings.CutPrefix(e.Value, "number "); ok {
			return usagef("line %d: %s does not fit: it has to be %s", l.number, number, kindName(e.Type)).WithField(e.Field)
		}
		given := map[string]string{"string": "a string", "array": "a list", "object": "an object", "bool": "true or false", "number": "a number"}
		out := usagef("line %d: it has to be %s, not %s", l.number, kindName(e.Type), cmp.Or(given[e.Value], e.Value)).WithField(e.Field)
		if e.Type.Kind() == reflect.Float64 {
			out.Remedy = `of strings only "NaN", "Infinity" and "-Infinity" are numbers`
		}
		return out
	}
	if text, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name, uerr := strconv.Unquote(text)
		if uerr != nil {
			name = text
		}
		known := jsonNames(reflect.TypeFor[pipeRequest]())
		e := usagef("line %d: the field %q is unknown", l.number, name).WithField(name)
		if w := nearest.Word(name, known); w != "" {
			return e.WithRemedy("did you mean %s?", w)
		}
		return e.WithRemedy("tuner help pipe lists the fields of each request")
	}
	return usagef("line %d: %s", l.number, strings.TrimPrefix(err.Error(), "json: "))
}

// kindName is a type in the words of JSON.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "of another kind"
	}
}

// jsonNames are the field names of t and of the structs in it.
func jsonNames(t reflect.Type) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var out []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(append(out, name), jsonNames(f.Type)...)
	}
	return out
}
