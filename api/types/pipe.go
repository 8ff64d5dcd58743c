package types

// The pipe protocol: an ask/tell loop over the standard input and output of a
// program. A request and its reply are one JSON object on a line each; replies
// come in the order of the requests. "tuner ask --stdio" answers it, and the
// drivers in benchmarks/peers answer it for other tuners.
//
//	> {"op":"open","study":{"space":[…],"objectives":[{"metric":"loss","goal":"min"}],…}}
//	< {"name":"tuner","version":"0.1.0"}
//	> {"op":"ask","n":2}
//	< {"trials":[{"number":0,"params":{"lr":0.1}},{"number":1,"params":{"lr":0.01}}]}
//	> {"op":"report","number":0,"step":1,"metrics":{"loss":0.7}}
//	< {"stop":true,"reason":"…"}
//	> {"op":"tell","number":0,"state":"completed","metrics":{"loss":0.5}}
//	< {}
//	> {"op":"best"}
//	< {"trials":[{"number":0,"params":{"lr":0.1},"metrics":{"loss":0.5}}]}
//	> {"op":"close"}
//	< {}
//
// A request that cannot be carried out is answered by {"error":{…}}; the
// program goes on with the next line.

// PipeOp is what a request wants.
type PipeOp string

// The requests, in the order in which a study uses them.
const (
	// PipeOpen creates or continues Study; it is the first request.
	PipeOpen PipeOp = "open"
	// PipeAsk asks for N trials (default 1). The reply has fewer, with Done,
	// once the study hands out no more.
	PipeAsk PipeOp = "ask"
	// PipeReport takes Metrics of the running trial Number at Step.
	PipeReport PipeOp = "report"
	// PipeTell ends the trial Number with State and Metrics.
	PipeTell PipeOp = "tell"
	// PipeBest asks for the best trials.
	PipeBest PipeOp = "best"
	// PipeClose ends the session; so does the end of the input.
	PipeClose PipeOp = "close"
)

// PipeRequest is a line to the tuner.
type PipeRequest struct {
	Op     PipeOp     `json:"op"`
	Study  *StudySpec `json:"study,omitempty"`
	N      int        `json:"n,omitempty"`
	Number int64      `json:"number,omitempty"`
	Step   *int64     `json:"step,omitempty"`
	// State is how the trial ended: "completed" ("" too), "failed",
	// "infeasible" or "pruned".
	State   State            `json:"state,omitempty"`
	Reason  string           `json:"reason,omitempty"`
	Metrics map[string]Float `json:"metrics,omitempty"`
}

// PipeReply is the line that answers a request.
type PipeReply struct {
	// Name and Version answer PipeOpen.
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	// Trials answer PipeAsk and PipeBest.
	Trials []PipeTrial `json:"trials,omitempty"`
	// Done says why there are no further trials.
	Done string `json:"done,omitempty"`
	// Seconds and CPU are what the tuner itself needed for an ask, on the clock
	// and of processor time, without the pipe; absent where it does not measure.
	Seconds float64 `json:"seconds,omitempty"`
	CPU     float64 `json:"cpu,omitempty"`
	// Stop and Reason answer PipeReport. Reason answers a PipeTell too after which
	// the trial is not in the state that was told, and says which and why.
	Stop   bool   `json:"stop,omitempty"`
	Reason string `json:"reason,omitempty"`

	Error *Error `json:"error,omitempty"`
}

// PipeTrial is a trial on the pipe.
type PipeTrial struct {
	Number  int64            `json:"number"`
	Params  Params           `json:"params"`
	Metrics map[string]Float `json:"metrics,omitempty"`
	// OutsideSpace is Trial.OutsideSpace of a best trial.
	OutsideSpace bool `json:"outside_space,omitempty"`
}
