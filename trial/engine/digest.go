package engine

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// A digest is a copy of a stretch of a study's events, without the reports, in
// the order of their numbers. A study of a million trials is loaded from its
// digests in seconds, from the rows of its trials and reports in a minute. Only
// the owner of a study writes them, in the commit of the last event that they
// hold; what is behind the last of them is read from the rows.
//
// The form is: digestForm, the records, the CRC-32 of all that. A record has the
// kind, then as variable-length numbers its distance from the record before in
// seq, trial and microseconds, then what belongs to the kind.
const (
	digestForm = 1
	// digestSize is the length at which a digest is stored: that of some 4,000
	// trials with five parameters.
	digestSize = 256 << 10
)

var (
	digestKinds = []trial.EventKind{"", trial.EventCreated, trial.EventStarted, trial.EventRequeued, trial.EventFinished,
		trial.EventSpace, trial.EventStudy, trial.EventDrawn, trial.EventPaused}
	digestStates  = []types.State{"", types.Completed, types.Pruned, types.Failed, types.Infeasible, types.Cancelled}
	digestOrigins = []trial.Origin{"", trial.FromAlgorithm, trial.FromDefault, trial.FromTry, trial.FromUser, trial.FromImport}
)

// The tags of a point's values.
const (
	tagInactive = iota
	tagInt
	tagFloat
	tagString
	tagFalse
	tagTrue
)

// digester collects the events since the last digest.
type digester struct {
	size  int               // length of a digest; 0 is digestSize
	ready []store.PutDigest // full ones, to be stored
	from  int64             // seq of the first event that is not in one yet
	buf   []byte
	last  record
}

// record is an event with what a replay needs beside it.
type record struct {
	trial.Event

	// origin of the trial, for EventCreated; Event.Point is in the space version
	// that Event.SpaceVersion says.
	origin trial.Origin
}

// add takes the next event; origin is the trial's for EventCreated.
func (d *digester) add(ev trial.Event, origin trial.Origin) {
	if ev.Kind == trial.EventReported {
		return
	}
	kind := wordIndex(digestKinds, ev.Kind)
	b := d.buf
	if len(b) == 0 {
		b = append(b, digestForm)
		d.last = record{}
	}
	b = append(b, kind)
	b = binary.AppendUvarint(b, uint64(ev.Seq-d.last.Seq))
	b = binary.AppendVarint(b, ev.Trial-d.last.Trial)
	b = binary.AppendVarint(b, ev.Time.UnixMicro()-microsOf(d.last.Time))
	switch ev.Kind {
	case trial.EventCreated:
		b = append(b, wordIndex(digestOrigins, origin))
		b = binary.AppendUvarint(b, uint64(ev.SpaceVersion))
		b = appendPoint(b, ev.Point)
	case trial.EventFinished:
		f := ev.Finish
		b = append(b, wordIndex(digestStates, f.State))
		b = binary.AppendVarint(b, f.Step)
		b = binary.AppendVarint(b, int64(f.Duration))
		b = appendText(b, f.Reason)
		b = binary.AppendUvarint(b, uint64(len(f.Values)))
		for _, v := range f.Values {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	case trial.EventDrawn:
		b = binary.AppendUvarint(b, uint64(ev.SpaceVersion))
		b = appendPoint(b, ev.Point)
	case trial.EventStudy, trial.EventRequeued, trial.EventPaused:
		b = appendText(b, string(ev.Detail))
	case trial.EventStarted, trial.EventReported, trial.EventSpace:
	}
	d.buf, d.last.Seq, d.last.Trial, d.last.Time = b, ev.Seq, ev.Trial, ev.Time
	size := d.size
	if size == 0 {
		size = digestSize
	}
	if len(b) >= size {
		data := binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
		d.ready = append(d.ready, store.PutDigest{From: d.from, To: ev.Seq + 1, Data: slices.Clone(data)})
		d.from, d.buf = ev.Seq+1, b[:0]
	}
}

// take returns the next digest to be stored.
func (d *digester) take() (m store.PutDigest, ok bool) {
	if len(d.ready) == 0 {
		return m, false
	}
	m = d.ready[0]
	if d.ready = d.ready[1:]; len(d.ready) == 0 {
		d.ready = nil
	}
	return m, true
}

func microsOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// wordIndex panics for a word that has no number: a new one needs a new form.
func wordIndex[T comparable](words []T, w T) byte {
	i := slices.Index(words, w)
	if i < 0 {
		panic("engine: a word without a place in digests")
	}
	return byte(i)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendPoint(b []byte, p space.Point) []byte {
	b = binary.AppendUvarint(b, uint64(len(p)))
	for _, v := range p {
		switch v := v.(type) {
		case nil:
			b = append(b, tagInactive)
		case int64:
			b = binary.AppendVarint(append(b, tagInt), v)
		case float64:
			b = binary.LittleEndian.AppendUint64(append(b, tagFloat), math.Float64bits(v))
		case string:
			b = appendText(append(b, tagString), v)
		case bool:
			b = append(b, tagFalse+map[bool]byte{true: 1}[v])
		default:
			panic("engine: a value of a type that points do not have")
		}
	}
	return b
}

// errDigest means that a digest cannot be read, whatever the reason: the rows
// have all that is in it.
var errDigest = errors.New("unreadable digest")

// digestReader reads digests. Values that occur again and again share memory.
type digestReader struct {
	b     []byte
	bad   bool
	texts map[string]any
	ints  map[int64]any
}

// records are the events of a digest.
func (r *digestReader) records(d store.PutDigest, out []record) ([]record, error) {
	n := len(d.Data) - crc32.Size
	if n < 1 || d.Data[0] != digestForm || binary.LittleEndian.Uint32(d.Data[n:]) != crc32.ChecksumIEEE(d.Data[:n]) {
		return nil, errDigest
	}
	if r.texts == nil {
		r.texts, r.ints = map[string]any{}, map[int64]any{}
	}
	r.b, r.bad = d.Data[1:n], false
	var last struct{ seq, trial, micros int64 }
	finishes := make([]trial.Finish, 0, n/32) // one allocation for many
	for len(r.b) > 0 {
		kind := r.byte()
		last.seq += int64(r.uvarint())
		last.trial += r.varint()
		last.micros += r.varint()
		if int(kind) >= len(digestKinds) {
			return nil, errDigest
		}
		rec := record{Event: trial.Event{Seq: last.seq, Kind: digestKinds[kind], Trial: last.trial, Time: time.UnixMicro(last.micros).UTC()}}
		switch rec.Kind {
		case trial.EventCreated:
			rec.origin = word(r, digestOrigins)
			rec.SpaceVersion = int(r.uvarint())
			rec.Point = r.point()
		case trial.EventFinished:
			if len(finishes) == cap(finishes) {
				finishes = make([]trial.Finish, 0, 256)
			}
			finishes = append(finishes, trial.Finish{State: word(r, digestStates), Step: r.varint(), Duration: time.Duration(r.varint()), Reason: r.text()})
			rec.Finish = &finishes[len(finishes)-1]
			if n := r.length(8); n > 0 {
				rec.Finish.Values = make([]float64, n)
				for i := range rec.Finish.Values {
					rec.Finish.Values[i] = r.float()
				}
			}
		case trial.EventDrawn:
			rec.SpaceVersion = int(r.uvarint())
			if rec.Point = r.point(); len(rec.Point) == 0 {
				rec.Point = nil
			}
		case trial.EventStudy, trial.EventRequeued, trial.EventPaused:
			if s := r.text(); s != "" {
				rec.Detail = []byte(s)
			}
		case trial.EventStarted, trial.EventReported, trial.EventSpace:
		}
		if r.bad || rec.Seq < d.From || rec.Seq >= d.To {
			return nil, errDigest
		}
		out = append(out, rec)
	}
	return out, nil
}

func word[T any](r *digestReader, words []T) T {
	i := int(r.byte())
	if i >= len(words) {
		r.bad, i = true, 0
	}
	return words[i]
}

// take returns the next n bytes, or none if there are fewer.
func (r *digestReader) take(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *digestReader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *digestReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *digestReader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// length is a number of things of at least size bytes each.
func (r *digestReader) length(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/size) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *digestReader) float() float64 {
	if b := r.take(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

func (r *digestReader) text() string {
	s, _ := r.shared(r.take(r.length(1))).(string)
	return s
}

// manyShared bounds how many values are shared.
const manyShared = 1 << 16

func (r *digestReader) shared(b []byte) any {
	if v, ok := r.texts[string(b)]; ok {
		return v
	}
	var v any = string(b)
	if len(r.texts) < manyShared {
		r.texts[string(b)] = v
	}
	return v
}

func (r *digestReader) sharedInt(i int64) any {
	if v, ok := r.ints[i]; ok {
		return v
	}
	var v any = i
	if len(r.ints) < manyShared {
		r.ints[i] = v
	}
	return v
}

func (r *digestReader) point() space.Point {
	p := make(space.Point, r.length(1))
	for i := range p {
		switch r.byte() {
		case tagInactive:
		case tagInt:
			p[i] = r.sharedInt(r.varint())
		case tagFloat:
			p[i] = r.float()
		case tagString:
			p[i] = r.shared(r.take(r.length(1)))
		case tagFalse:
			p[i] = false
		case tagTrue:
			p[i] = true
		default:
			r.bad = true
		}
	}
	return p
}
