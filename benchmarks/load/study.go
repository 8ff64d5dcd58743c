package main

import (
	"fmt"
	"strconv"

	"github.com/gotuner/tuner/api/types"
)

const studies = "/v1/projects/default/studies"

// five is the space of all measurements: five parameters of different kinds.
const five = `{"parameters":[
	{"name":"lr","type":"float","low":1e-5,"high":1e-1,"scale":"log"},
	{"name":"drop","type":"float","low":0.0,"high":0.8},
	{"name":"units","type":"int","low":8,"high":512,"scale":"log"},
	{"name":"depth","type":"int","low":1,"high":8},
	{"name":"opt","type":"categorical","choices":["sgd","adam","lion"]}]}`

// create makes a study without an end.
func create(c *conn, name, algorithm string) error {
	spec := fmt.Sprintf(`{"name":%q,"space":%s,"objectives":[{"metric":"loss","goal":"min"}],"algorithm":{"name":%q},"seed":1,"budget":{"trials":100000000}}`,
		name, five, algorithm)
	_, err := c.post(studies, []byte(spec), nil)
	return err
}

// count asks how many trials are completed.
func count(c *conn, name string) (int64, error) {
	var st types.Study
	_, err := c.get(studies+"/"+name, &st)
	return st.Counts.Completed, err
}

// lease is what a worker needs of a types.Lease.
type lease struct {
	Ref struct {
		Trial   int64  `json:"trial"`
		Attempt int    `json:"attempt"`
		Token   string `json:"token"`
	} `json:"ref"`
	Params struct {
		LR    float64 `json:"lr"`
		Units float64 `json:"units"`
	} `json:"params"`
}

type leaseReply struct {
	Status string  `json:"status"`
	Leases []lease `json:"leases"`
	Reason string  `json:"reason"`
}

// worker runs trials of a study on one connection.
type worker struct {
	*conn

	study string // its path
	name  string
	now   lease
	path  []byte
	body  []byte
}

func newWorker(c *conn, study, name string) *worker {
	return &worker{conn: c, study: studies + "/" + study, name: name}
}

// ask leases the first trial.
func (w *worker) ask() error {
	var r leaseReply
	_, err := w.post(w.study+"/leases", []byte(`{"worker":"`+w.name+`"}`), &r)
	if err != nil {
		return err
	}
	return w.take(r)
}

func (w *worker) take(r leaseReply) error {
	if r.Status != "granted" || len(r.Leases) != 1 {
		return fmt.Errorf("no lease: %+v", r)
	}
	w.now = r.Leases[0]
	return nil
}

// of is the path of a call for the current attempt.
func (w *worker) of(call string) string {
	p := append(append(w.path[:0], w.study...), "/trials/"...)
	p = strconv.AppendInt(p, w.now.Ref.Trial, 10)
	p = append(p, "/attempts/"...)
	p = strconv.AppendInt(p, int64(w.now.Ref.Attempt), 10)
	w.path = append(append(p, '/'), call...)
	return string(w.path)
}

func (w *worker) begin() []byte {
	return append(append(append(w.body[:0], `{"token":"`...), w.now.Ref.Token...), '"')
}

// reports appends n reports from step on.
func (w *worker) reports(b []byte, step, n int) []byte {
	b = append(b, `,"reports":[`...)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"metric":"loss","step":`...)
		b = strconv.AppendInt(b, int64(step+i), 10)
		b = append(b, `,"value":`...)
		b = strconv.AppendFloat(b, w.loss()+1/float64(step+i+1), 'g', -1, 64)
		b = append(b, '}')
	}
	return append(b, ']')
}

func (w *worker) loss() float64 { return w.now.Params.LR * w.now.Params.Units }

// report sends n reports in one request.
func (w *worker) report(step, n int) error {
	w.body = append(w.reports(w.begin(), step, n), '}')
	_, err := w.post(w.of("reports"), w.body, nil)
	return err
}

// finish completes the trial and takes the next with the same request.
func (w *worker) finish() error {
	b := append(w.begin(), `,"outcome":"completed","metrics":{"loss":`...)
	b = strconv.AppendFloat(b, w.loss(), 'g', -1, 64)
	b = append(append(append(b, `},"next":{"worker":"`...), w.name...), `"}}`...)
	w.body = b
	var r struct {
		State string     `json:"state"`
		Next  leaseReply `json:"next"`
	}
	if _, err := w.post(w.of("finish"), b, &r); err != nil {
		return err
	}
	if r.State != "completed" {
		return fmt.Errorf("trial %d became %s", w.now.Ref.Trial, r.State)
	}
	return w.take(r.Next)
}
