package engine

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// someRecords are records of all kinds with all kinds of values.
func someRecords() []record {
	at := time.UnixMicro(1_700_000_000_123_456).UTC()
	return []record{
		{Event: trial.Event{Seq: 0, Kind: trial.EventStudy, Trial: -1, Time: at, Detail: []byte(`{"state":"active"}`)}},
		{Event: trial.Event{Seq: 1, Kind: trial.EventCreated, Trial: 0, Time: at, SpaceVersion: 1,
			Point: space.Point{nil, int64(math.MinInt64), -0.1, "tÿxt", true, false, "", math.MaxFloat64, int64(math.MaxInt64)}}, origin: trial.FromTry},
		{Event: trial.Event{Seq: 2, Kind: trial.EventStarted, Trial: 0, Time: at.Add(-time.Hour)}},
		{Event: trial.Event{Seq: 40, Kind: trial.EventRequeued, Trial: 0, Time: at, Detail: []byte(`{"reason":"x"}`)}},
		{Event: trial.Event{Seq: 41, Kind: trial.EventFinished, Trial: 0, Time: at, Finish: &trial.Finish{State: types.Pruned, Reason: "r",
			Step: -1, Duration: 3*time.Second + 1, Values: []float64{math.NaN(), math.Inf(1), 0.1}}}},
		{Event: trial.Event{Seq: 41 + 1, Kind: trial.EventDrawn, Trial: 3, Time: at, SpaceVersion: 2, Point: space.Point{0.5, nil}}},
		{Event: trial.Event{Seq: 41 + 2, Kind: trial.EventDrawn, Trial: 3, Time: at, SpaceVersion: 2}},
		{Event: trial.Event{Seq: 44, Kind: trial.EventSpace, Trial: -1, Time: at}},
		{Event: trial.Event{Seq: 1 << 40, Kind: trial.EventCreated, Trial: 1 << 33, Time: at, SpaceVersion: 7, Point: space.Point{}}, origin: trial.FromImport},
	}
}

// digestOf is the one digest of the records.
func digestOf(t testing.TB, records []record) store.PutDigest {
	t.Helper()
	var d digester
	for i, r := range records {
		d.add(trial.Event{Seq: r.Seq, Kind: trial.EventReported}, "") // leaves no trace
		if i == len(records)-1 {
			d.size = 1
		}
		d.add(r.Event, r.origin)
	}
	m, ok := d.take()
	if _, more := d.take(); !ok || more || len(d.buf) != 0 {
		t.Fatal("the records are not one digest")
	}
	return m
}

func TestDigestHasAllThatWasPutIn(t *testing.T) {
	want := someRecords()
	m := digestOf(t, want)
	if m.From != 0 || m.To != 1<<40+1 {
		t.Errorf("it covers [%d, %d)", m.From, m.To)
	}
	var r digestReader
	got, err := r.records(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(record{}), cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
}

// FuzzDigest: whatever a digest holds, reading it ends without a panic, and what
// can be read makes the same digest again.
func FuzzDigest(f *testing.F) {
	m := digestOf(f, someRecords())
	f.Add(m.Data[1:len(m.Data)-crc32.Size], false)
	f.Add([]byte{1, 0, 0, 0, 1, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, false)
	f.Add([]byte{}, true)
	f.Fuzz(func(t *testing.T, body []byte, torn bool) {
		data := append([]byte{digestForm}, body...)
		data = binary.LittleEndian.AppendUint32(data, crc32.ChecksumIEEE(data))
		if torn {
			data[len(data)-1] ^= 1
		}
		var r digestReader
		first, err := r.records(store.PutDigest{From: 0, To: math.MaxInt64, Data: data}, nil)
		if err != nil || len(first) == 0 {
			return
		}
		if torn {
			t.Fatal("a torn digest was read")
		}
		for i := range first {
			if y := first[i].Time.Year(); y < 1 || y > 9999 { // beyond what microseconds can say
				return
			}
		}
		again, err := r.records(digestOf(t, first), nil)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(first, again, cmp.AllowUnexported(record{}), cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
	})
}
