package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/jsonkeys"
)

// MostBytes is the most that one trial may take, in bytes.
const MostBytes = 1 << 20

// Reader reads trials one after the other, as export writes them in JSON: a line
// each (jsonl), or a list. It holds one trial at a time, and is for one goroutine.
type Reader struct {
	from    *lines
	decoder *json.Decoder
	list    bool
	began   bool
	line    int
}

// NewReader reads from r.
func NewReader(r io.Reader) *Reader {
	from := &lines{from: r}
	return &Reader{from: from, decoder: json.NewDecoder(from)}
}

// Line is the line at which the last trial begins, from 1.
func (r *Reader) Line() int { return r.line }

// Next returns the next trial, which may be unfinished; one without a state is
// completed. The error is io.EOF at the end, what the stream itself failed with,
// or Invalid and about the Line.
func (r *Reader) Next() (types.FinishedTrial, error) {
	var t types.Trial
	err := r.next(&t)
	if err == nil || errors.Is(err, io.EOF) {
		return types.FinishedTrial{Params: t.Params, State: t.State, Metrics: t.Metrics, Reason: t.Reason}, err
	}
	if r.from.err != nil && !errors.Is(r.from.err, io.EOF) {
		return types.FinishedTrial{}, r.from.err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = types.Errorf(types.Invalid, "it ends in the middle of a trial")
	}
	e := asError(err)
	if e.Code = types.Invalid; e.Remedy == "" {
		e.Message = strings.TrimPrefix(e.Message, "json: ")
		e.Remedy = "a trial is an object with params, state and metrics, as tuner export -o jsonl writes it"
	}
	return types.FinishedTrial{}, AtLine(r.line, e)
}

func (r *Reader) next(t *types.Trial) error {
	if !r.began {
		r.began = true
		if r.list = r.from.first() == '['; r.list {
			if _, err := r.decoder.Token(); err != nil {
				return err
			}
		}
	}
	r.from.limit = r.decoder.InputOffset() + MostBytes
	if r.list && !r.decoder.More() {
		return r.endList()
	}
	var text json.RawMessage
	if err := r.decoder.Decode(&text); err != nil {
		r.line = r.from.lineAt(r.begins())
		return err
	}
	r.line = r.from.lineAt(r.decoder.InputOffset() - int64(len(text)))
	if len(text) > MostBytes {
		return tooLong()
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(t); err != nil {
		return err
	}
	if e, ok := errors.AsType[*jsonkeys.TwiceError](jsonkeys.Check(text)); ok {
		return types.Errorf(types.Invalid, jsonkeys.Twice).WithField(e.Field).WithRemedy(jsonkeys.Remedy)
	}
	switch t.State {
	case "":
		t.State = types.Completed
	case types.Queued, types.Running, types.Paused:
	default:
		if !t.State.Finished() {
			return types.Errorf(types.Invalid, "%q is no state of a trial", t.State).WithRemedy("use completed, pruned, failed, infeasible or cancelled")
		}
	}
	return nil
}

func tooLong() error {
	return types.Errorf(types.Invalid, "the trial is longer than %d KiB", MostBytes>>10).WithRemedy("leave out what is not needed, such as explain")
}

func (r *Reader) endList() error {
	_, err := r.decoder.Token()
	r.list = false
	switch {
	case err != nil:
		err = types.Errorf(types.Invalid, "the list does not end")
	case r.decoder.More():
		err = types.Errorf(types.Invalid, "there is more behind the list").WithRemedy("a file holds one list, or trials one after the other")
	default:
		return io.EOF
	}
	r.line = r.from.lineAt(r.begins())
	return err
}

// begins is the offset of what the decoder could not read.
func (r *Reader) begins() int64 {
	offset, rest := r.decoder.InputOffset(), r.decoder.Buffered()
	var b [512]byte
	for {
		n, err := rest.Read(b[:])
		space := n - len(bytes.TrimLeft(b[:n], " \t\r\n,"))
		offset += int64(space)
		if space < n || err != nil {
			return offset
		}
	}
}

// lines notes where lines begin in what is read through it, and bounds it.
type lines struct {
	from  io.Reader
	err   error
	read  int64 // bytes so far
	limit int64 // bytes after which it fails
	head  []byte

	passed int     // line breaks before all those of breaks
	breaks []int64 // their offsets, ascending
}

// first is the first byte that is no white space, 0 if there is none. It is
// called before anything is read.
func (l *lines) first() byte {
	var b [512]byte
	for l.err == nil && len(bytes.TrimSpace(l.head)) == 0 && len(l.head) < MostBytes {
		var n int
		n, l.err = l.from.Read(b[:])
		l.head = append(l.head, b[:n]...)
	}
	if t := bytes.TrimSpace(l.head); len(t) > 0 {
		return t[0]
	}
	return 0
}

// Read implements io.Reader.
func (l *lines) Read(b []byte) (n int, err error) {
	if l.read > l.limit {
		return 0, tooLong()
	}
	if len(l.head) > 0 {
		n = copy(b, l.head)
		l.head = l.head[n:]
	} else {
		if l.err == nil {
			n, l.err = l.from.Read(b)
		}
		if n == 0 {
			err = l.err
		}
	}
	for i, c := range b[:n] {
		if c == '\n' {
			l.breaks = append(l.breaks, l.read+int64(i))
		}
	}
	l.read += int64(n)
	return n, err
}

// lineAt is the line of an offset, from 1; offsets ascend.
func (l *lines) lineAt(offset int64) int {
	k := 0
	for k < len(l.breaks) && l.breaks[k] < offset {
		k++
	}
	l.passed += k
	l.breaks = l.breaks[:copy(l.breaks, l.breaks[k:])]
	return l.passed + 1
}
