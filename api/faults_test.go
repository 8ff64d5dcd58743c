package api

import (
	"net/http"
	"testing"

	"github.com/gotuner/tuner/api/types"
)

// What a request got wrong is said with its place, what came, what has to be
// there, and what was probably meant.
func TestFaultsOfRequests(t *testing.T) {
	f := newFixture(t)
	f.gets(http.StatusCreated, http.MethodPost, studies, studySpec, nil)
	const tell = `known are attempt, metrics, outcome, reason, value`
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		field, says, to    string
	}{
		"no JSON": {http.MethodPost, "/s/ask", `{"wait": `, http.StatusBadRequest, "body", "the body is no JSON: unexpected end of JSON input", docHint},
		"no body": {http.MethodPost, "/s/ask", "", http.StatusBadRequest, "body", "the request has no body", "send JSON, {} if there is nothing to say; " + docHint},
		"a list":  {http.MethodPost, "/s/ask", `[]`, http.StatusUnprocessableEntity, "body", "it is [], and has to be an object: {…}", docHint},
		"misspelt": {http.MethodPost, "/s/trials/0/tell", `{"vaule": 1}`, http.StatusUnprocessableEntity, "vaule", noField,
			"did you mean value? K" + tell[1:]},
		"twice": {http.MethodPost, "", `{"name":"t","budget":{"trials":10,"trials":20},"objectives":[]}`, http.StatusBadRequest, "budget.trials", "it is given twice", "leave one of the two out"},
		"twice in a list": {http.MethodPost, "/s/trials", `{"trials":[{"params":{"x":1.0}},{"params":{"x":1.0,"x":2.0}}]}`, http.StatusBadRequest,
			"trials[1].params.x", "it is given twice", "leave one of the two out"},
		"twice in another case": {http.MethodPatch, "/s", `{"parallelism":1,"Parallelism":2}`, http.StatusBadRequest, "Parallelism", "it is given twice", "leave one of the two out"},
		"unknown":               {http.MethodPost, "/s/trials/0/tell", `{"frobnicate": 1}`, http.StatusUnprocessableEntity, "frobnicate", noField, tell},
		"misspelt inside": {http.MethodPost, "", `{"name":"t","objectives":[{"metrik":"loss","goal":"min"}]}`, http.StatusUnprocessableEntity,
			"objectives[0].metrik", noField, "did you mean metric? Known are goal, metric"},
		"missing": {http.MethodPost, "", `{"name":"t","objectives":[{"goal":"min"}]}`, http.StatusUnprocessableEntity,
			"objectives[0].metric", isMissing, "give objectives[0].metric; " + docHint},
		"no duration": {http.MethodPost, "/s/ask", `{"wait": "soon"}`, http.StatusUnprocessableEntity, "wait",
			`it is "soon", and has to be a duration such as "90s" or "1h30m"`, docHint},
		"a number of seconds": {http.MethodPost, "/s/ask", `{"wait": 30}`, http.StatusUnprocessableEntity, "wait",
			`it is 30, and has to be a duration such as "90s" or "1h30m"`, docHint},
		"too many": {http.MethodPost, "/s/ask", `{"n": 5000}`, http.StatusUnprocessableEntity, "n", "it is 5000, and has to be an integer from 0 to 1000", docHint},
		"a value in words": {http.MethodPost, "/s/trials/0/tell", `{"metrics": {"loss": "low"}}`, http.StatusUnprocessableEntity, "metrics.loss",
			`it is "low", and has to be a number, or "NaN", "Infinity" or "-Infinity"`, docHint},
		"no number in the path": {http.MethodGet, "/s/trials/first", "", http.StatusUnprocessableEntity, "number", `it is "first", and has to be an integer from 0`, docHint},
		"query":                 {http.MethodGet, "?limt=3", "", http.StatusUnprocessableEntity, "limt", "there is no such query parameter", "did you mean limit? Known are after, limit"},
		"state":                 {http.MethodGet, "/s/trials?state=done", "", http.StatusUnprocessableEntity, "state[0]", `it is "done", and has to be one of queued, running, paused, completed, pruned, failed, infeasible, cancelled`, docHint},
		"out of range": {http.MethodPost, "/s/trials", `{"points":[{"x":0.5},{"x":7}]}`, http.StatusUnprocessableEntity, "points[1].x",
			"it is 7, which is above the high end 1.0", "x has 0.0 .. 1.0"},
		"imported without all": {http.MethodPost, "/s/trials/import", `{"trials":[{"params":{"x":0.1},"metrics":{"loss":1}},{"params":{"x":0.5}}]}`,
			http.StatusUnprocessableEntity, "trials[1]", "a trial without a state is completed, and needs the metric loss",
			"give it in metrics, or the trial the state that it has without"},
		"imported out of range": {http.MethodPost, "/s/trials/import", `{"trials":[{"params":{"x":-1.5},"state":"failed"}]}`, http.StatusUnprocessableEntity,
			"trials[0].x", "it is -1.5, which is below the low end 0.0", "x has 0.0 .. 1.0"},
		"no change": {http.MethodPatch, "/s", "{}", http.StatusUnprocessableEntity, "", "the request changes nothing", "give state: active, paused or stopped; or budget, parallelism, require or space"},
	} {
		p := f.refuses(c.status, types.Invalid, c.method, studies+c.path, c.body, nil)
		if p.Field != c.field || p.Detail != c.says || p.Remedy != c.to {
			t.Errorf("%s: field %q, %q, remedy %q\nwant %q, %q, %q", name, p.Field, p.Detail, p.Remedy, c.field, c.says, c.to)
		}
	}
	p := f.refuses(http.StatusMethodNotAllowed, types.Invalid, http.MethodPut, studies+"/s", "{}", nil)
	if p.Remedy != "use DELETE, GET, PATCH" {
		t.Errorf("the remedy for another method is %q", p.Remedy)
	}
	p = f.refuses(http.StatusNotFound, types.NotFound, http.MethodGet, studies+"/s/trials/9", "", nil)
	if p.Field != "number" || p.Remedy == "" {
		t.Errorf("a trial that there is not: %+v", p)
	}
}
