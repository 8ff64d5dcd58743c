package store

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// What covers a sequence number of a batch.
const (
	coveredByEvent = 1 << iota
	coveredByReport
	coveredByReported
)

// Validate reports whether b is well formed; both stores call it before they
// write anything. A fault here is one of the program, not of the user, hence
// the code Internal.
//
//   - The AddTrial mutations have the numbers FromNumber … ToNumber-1, in order.
//   - Each sequence number from FromSeq to ToSeq-1 belongs to exactly one event
//     or report. An EventReported needs its report with the same Seq in b.
//   - Every other trial that a mutation names exists by then. As numbers have no
//     gap, that needs no look into the store.
//   - A trial has a time Finished if and only if its state is a final one.
//   - Parameter values are of the four types and finite.
func (b *Batch) Validate() error {
	if b.ToSeq < b.FromSeq || b.ToNumber < b.FromNumber {
		return b.fault("goes back from seq %d to %d, number %d to %d", b.FromSeq, b.ToSeq, b.FromNumber, b.ToNumber)
	}
	seqs := newCoverage(b.FromSeq, b.ToSeq)
	number := b.FromNumber
	for _, m := range b.Mutations {
		var err error
		switch m := m.(type) {
		case AddTrial:
			if m.Trial.Number != number || number >= b.ToNumber {
				return b.fault("adds trial %d where %d of [%d, %d) is next", m.Trial.Number, number, b.FromNumber, b.ToNumber)
			}
			number++
			if err = checkParams(m.Trial.Params); err == nil {
				err = b.checkFinished(m.Trial)
			}
		case UpdateTrial:
			if err = b.checkTrial(m.Trial.Number, 0, number); err == nil {
				err = b.checkFinished(m.Trial)
			}
		case PutAttempt:
			err = b.checkTrial(m.Attempt.Trial, 0, number)
		case UpdatePoint:
			if err = b.checkTrial(m.Trial.Number, 0, number); err == nil {
				err = checkParams(m.Trial.Params)
			}
		case AddDecision:
			err = b.checkTrial(m.Trial, 0, number)
		case PutAttribute:
			err = b.checkTrial(m.Trial, -1, number)
		case PutReports:
			err = b.checkReports(m.Reports, number, seqs)
		case AddEvents:
			err = b.checkEvents(m.Events, number, seqs)
		case PutDigest:
			if m.From < 0 || m.To <= m.From || m.To > b.ToSeq {
				err = b.fault("has a digest of the seqs [%d, %d), of which there are %d", m.From, m.To, b.ToSeq)
			}
		case PutStudy, AddSpace, PutSuggesterState, PutRequestKey, AnswerCommand:
		default:
			err = b.fault("has a %T, which is none of the known mutations", m)
		}
		if err != nil {
			return err
		}
	}
	if number != b.ToNumber {
		return b.fault("takes the numbers [%d, %d) but adds trials below %d only", b.FromNumber, b.ToNumber, number)
	}
	if seq, ok := seqs.full(); !ok {
		return b.fault("takes the seqs [%d, %d), but %d is no single event or report", b.FromSeq, b.ToSeq, seq)
	}
	return nil
}

func (b *Batch) checkTrial(n, low, end int64) error {
	if n < low || n >= end {
		return b.fault("names trial %d, but there is none", n)
	}
	return nil
}

func (b *Batch) checkFinished(t *trial.Trial) error {
	if t.State.Finished() == t.Finished.IsZero() {
		return b.fault("has trial %d in the state %q finished at %v", t.Number, t.State, t.Finished)
	}
	return nil
}

func (b *Batch) checkReports(reports []trial.Report, end int64, seqs coverage) error {
	for i := range reports {
		r := &reports[i]
		if err := b.checkTrial(r.Trial, 0, end); err != nil {
			return err
		}
		if !seqs.add(r.Seq, coveredByReport) {
			return b.fault("has a report with the seq %d, twice or outside [%d, %d)", r.Seq, b.FromSeq, b.ToSeq)
		}
	}
	return nil
}

func (b *Batch) checkEvents(events []trial.Event, end int64, seqs coverage) error {
	for i := range events {
		e := &events[i]
		low, bit := int64(0), byte(coveredByEvent)
		switch e.Kind {
		case trial.EventSpace, trial.EventStudy:
			low = -1
		case trial.EventReported:
			bit = coveredByReported
		case trial.EventCreated, trial.EventDrawn, trial.EventStarted, trial.EventRequeued, trial.EventPaused, trial.EventFinished:
		default:
			return b.fault("has an event of the unknown kind %q", e.Kind)
		}
		if err := b.checkTrial(e.Trial, low, end); err != nil {
			return err
		}
		if !seqs.add(e.Seq, bit) {
			return b.fault("has a %s event with the seq %d, twice or outside [%d, %d)", e.Kind, e.Seq, b.FromSeq, b.ToSeq)
		}
	}
	return nil
}

func (b *Batch) fault(format string, args ...any) error {
	e := types.Errorf(types.Internal, format, args...)
	e.Message = fmt.Sprintf("batch of study %d %s", b.Study, e.Message)
	return e
}

// coverage notes which sequence numbers of [from, from+len(bits)) are taken.
type coverage struct {
	from int64
	bits []byte
}

func newCoverage(from, to int64) coverage { return coverage{from, make([]byte, to-from)} }

func (c coverage) add(seq int64, bit byte) bool {
	i := seq - c.from
	if i < 0 || i >= int64(len(c.bits)) || c.bits[i]&bit != 0 {
		return false
	}
	c.bits[i] |= bit
	return true
}

// full returns the first number that is not covered as it should be.
func (c coverage) full() (int64, bool) {
	for i, b := range c.bits {
		switch b {
		case coveredByEvent, coveredByReport, coveredByReport | coveredByReported:
		default:
			return c.from + int64(i), false
		}
	}
	return 0, true
}

func checkParams(ps types.Params) error {
	for _, p := range ps {
		switch v := p.Value.(type) {
		case int64, bool, string:
		case float64:
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return types.Errorf(types.Internal, "%v is no parameter value", v).WithField(p.Name)
			}
		default:
			return types.Errorf(types.Internal, "%T is no parameter type; use int64, float64, string or bool", v).WithField(p.Name)
		}
	}
	return nil
}

// Time cuts t to what a store keeps: UTC and whole microseconds.
func Time(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// Text is s as every store keeps it: bytes that are no UTF-8, and NUL, which
// PostgreSQL cannot hold, become U+FFFD.
func Text(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// FinishOf is the Finish of a finished trial as far as its row tells.
func FinishOf(t *trial.Trial) *trial.Finish {
	f := &trial.Finish{State: t.State, Reason: t.Reason, Step: t.Step}
	if !t.Started.IsZero() {
		f.Duration = t.Finished.Sub(t.Started)
	}
	return f
}
