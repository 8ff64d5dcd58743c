package problems

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"sync"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
)

// step is one operation of a transformation: ["add", 1e-12], ["log"].
type step struct {
	op  string
	arg float64
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *step) UnmarshalJSON(b []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	args := map[string]int{"add": 1, "sub": 1, "mul": 1, "div": 1, "exp": 0, "log": 0, "neg": 0, "round": 0}
	if len(raw) == 0 {
		return types.Errorf(types.Invalid, "an operation is empty")
	}
	if err := json.Unmarshal(raw[0], &s.op); err != nil {
		return err
	}
	n, ok := args[s.op]
	if !ok || len(raw) != n+1 {
		return types.Errorf(types.Invalid, "%s is no operation", b)
	}
	if n == 1 {
		return json.Unmarshal(raw[1], &s.arg)
	}
	return nil
}

func apply(steps []step, v float64) float64 {
	for _, s := range steps {
		switch s.op {
		case "add":
			v += s.arg
		case "sub":
			v -= s.arg
		case "mul":
			v *= s.arg
		case "div":
			v /= s.arg
		case "exp":
			v = math.Exp(v)
		case "log":
			v = math.Log(v)
		case "neg":
			v = -v
		case "round":
			v = math.RoundToEven(v)
		}
	}
	return v
}

// configSpace is the space as the data describes it.
type configSpace struct {
	Params []struct {
		Name    string   `json:"name"`
		Type    string   `json:"type"`
		Log     bool     `json:"log"`
		Lower   float64  `json:"lower"`
		Upper   float64  `json:"upper"`
		Choices []string `json:"choices"`
	} `json:"hyperparameters"`
	Conditions []struct {
		Child  string   `json:"child"`
		Parent string   `json:"parent"`
		Type   string   `json:"type"`
		Value  string   `json:"value"`
		Values []string `json:"values"`
	} `json:"conditions"`
}

// yahpoScenario is a set of surrogate problems.
type yahpoScenario struct {
	name, target string
	// fixed are the fidelities, at which all evaluations are made; epoch, if
	// there is one, gives the curves.
	fixed map[string]float64
	epoch string
	steps int
}

var yahpoScenarios = []yahpoScenario{
	{"lcbench", "val_accuracy", map[string]float64{"epoch": 52}, "epoch", 52},
	{"rbv2_xgboost", "acc", map[string]float64{"trainsize": 1, "repl": 10}, "", 0},
	{"rbv2_rpart", "acc", map[string]float64{"trainsize": 1, "repl": 10}, "", 0},
	{"iaml_glmnet", "mmce", map[string]float64{"trainsize": 1}, "", 0},
}

func (d *folder) yahpoProblems() (out []*Problem, files []string) {
	for _, s := range yahpoScenarios {
		for _, task := range yahpoDevelopment[s.name] {
			name := yahpoName(s.name, task)
			out = append(out, &Problem{
				Name: name, Group: "surrogates", Doc: "the YAHPO Gym surrogate " + s.name + " of OpenML task or data set " + strconv.Itoa(task),
				Instances: []int{1}, Runtimes: true, Curves: s.epoch != "",
				open: d.opener(name, func() (prototype, error) { return d.yahpo(s, task) }),
			})
			files = append(files, "yahpo/"+s.name+".f32.gz")
		}
	}
	return out, files
}

func yahpoName(scenario string, task int) string { return scenario + "-" + strconv.Itoa(task) }

// surrogate is what the instances of one task share.
type surrogate struct {
	scenario yahpoScenario
	net      *network
	space    *space.Space
	// Where the values come from: cat or cont of parameter i of the space, the
	// other being -1; encode gives the category.
	cat, cont []int
	encode    []map[string]int
	conts     []float64 // with the fixed ones
	cats      []int     // with the task
	target    int
	sign      float64
	runtime   int
	epoch     int
	optimum   float64
	best      space.Point
	median    func() float64 // shared, as it takes a while
}

// yahpo is the surrogate of a task. It refuses those of the test split.
func (d *folder) yahpo(s yahpoScenario, task int) (*surrogate, error) {
	if !slices.Contains(yahpoDevelopment[s.name], task) {
		return nil, types.Errorf(types.Invalid, "%s is no development instance of %s", strconv.Itoa(task), s.name).
			WithField("problem").WithRemedy("it is kept to judge releases; take one that the list of problems names")
	}
	net, err := d.networks.get(s.name, func() (*network, error) {
		meta, file := new(networkMeta), "yahpo/"+s.name+".json"
		if err := d.json(file, meta); err != nil {
			return nil, err
		}
		weights, err := d.floats("yahpo/"+s.name+".f32.gz", -1)
		if err != nil {
			return nil, err
		}
		return newNetwork(file, meta, weights)
	})
	if err != nil {
		return nil, err
	}
	out, err := newSurrogate(s, net, task)
	if err != nil {
		return nil, err
	}
	name := yahpoName(s.name, task)
	out.median = sync.OnceValue(func() float64 {
		in := &Instance{space: out.space, f: &estimate{surrogate: out, pass: newPass(net)}}
		return medianOf(in, medianDraws, stream("median/"+name, 1))
	})
	return out, out.known(name)
}

func newSurrogate(s yahpoScenario, net *network, task int) (*surrogate, error) {
	meta, file := net.meta, "yahpo/"+s.name+".json"
	out := &surrogate{
		scenario: s, net: net, sign: 1, conts: make([]float64, len(meta.Conts)), cats: make([]int, len(meta.Cats)),
		target: slices.Index(meta.Targets, s.target), runtime: slices.Index(meta.Targets, meta.RuntimeTarget),
		epoch: slices.Index(meta.Conts, s.epoch),
	}
	instance := slices.Index(meta.Cats, meta.InstanceParam)
	code, known := meta.Encoding[meta.InstanceParam][strconv.Itoa(task)]
	if out.target < 0 || out.runtime < 0 || instance < 0 || !known || s.epoch != "" && out.epoch < 0 {
		return nil, badData(file, "it does not describe task %d with target %s and a runtime", task, s.target)
	}
	out.cats[instance] = code
	if !meta.TargetMinimize[out.target] {
		out.sign = -1
	}
	for name, v := range s.fixed {
		i := slices.Index(meta.Conts, name)
		if i < 0 {
			return nil, badData(file, "it has no fidelity %s", name)
		}
		out.conts[i] = v
	}
	params, err := out.params(file)
	if err != nil {
		return nil, err
	}
	if out.space, err = space.New(params, nil); err != nil {
		return nil, badData(file, "%w", err)
	}
	return out, nil
}

// params are the parameters but for the task and the fidelities.
func (s *surrogate) params(file string) ([]space.Parameter, error) {
	meta := s.net.meta
	var params []space.Parameter
	for _, h := range meta.ConfigSpace.Params {
		if _, fixed := s.scenario.fixed[h.Name]; fixed || h.Name == meta.InstanceParam {
			continue
		}
		cat, cont := slices.Index(meta.Cats, h.Name), slices.Index(meta.Conts, h.Name)
		if cat < 0 && cont < 0 {
			return nil, badData(file, "%s is no input of the network", h.Name)
		}
		scale := space.Linear
		if h.Log {
			scale = space.Log
		}
		var p space.Parameter
		switch h.Type {
		case "uniform_float":
			p = floatParam(h.Name, h.Lower, h.Upper, scale)
		case "uniform_int":
			p = intParam(h.Name, int64(h.Lower), int64(h.Upper), scale)
		case "categorical":
			p = choiceParam(space.Categorical, h.Name)
			for _, c := range h.Choices {
				if _, ok := meta.Encoding[h.Name][c]; !ok {
					return nil, badData(file, "the choice %s of %s has no code", c, h.Name)
				}
				p.Choices = append(p.Choices, space.Choice{Value: c})
			}
		default:
			return nil, badData(file, "%s has the unknown type %s", h.Name, h.Type)
		}
		for _, c := range meta.ConfigSpace.Conditions {
			if c.Child != h.Name {
				continue
			}
			values := make([]space.Value, 0, len(c.Values)+1)
			for _, v := range c.Values {
				values = append(values, v)
			}
			if c.Type == "EQ" {
				values = append(values, c.Value)
			}
			p.When = space.In{Param: c.Parent, Values: values}
		}
		params = append(params, p)
		s.cat, s.cont = append(s.cat, cat), append(s.cont, cont)
		s.encode = append(s.encode, meta.Encoding[h.Name])
	}
	return params, nil
}

func (s *surrogate) instance() (*Instance, error) {
	e := &estimate{surrogate: s, pass: newPass(s.net)}
	in := &Instance{space: s.space, f: e, optimum: s.optimum, best: s.best, median: s.median}
	if s.epoch >= 0 {
		in.f = &estimateCurves{e}
	}
	return in, nil
}

// estimate is a surrogate as an objective.
type estimate struct {
	*surrogate
	*pass
}

type estimateCurves struct{ *estimate }

// load sets the network's inputs; what is inactive is 0, the code of a missing
// category and the value of a missing number.
func (e *estimate) load(p space.Point) {
	copy(e.pass.conts, e.surrogate.conts)
	copy(e.pass.cats, e.surrogate.cats)
	for i, v := range p {
		switch v := v.(type) {
		case float64:
			e.pass.conts[e.cont[i]] = v
		case int64:
			e.pass.conts[e.cont[i]] = float64(v)
		case string:
			e.pass.cats[e.cat[i]] = e.encode[i][v]
		}
	}
}

func (e *estimate) value(p space.Point) float64 {
	e.load(p)
	e.run()
	return e.sign * e.out[e.target]
}

func (e *estimate) seconds(p space.Point) float64 {
	e.load(p)
	e.run()
	return e.out[e.runtime]
}

func (e *estimateCurves) steps() int { return e.scenario.steps }

func (e *estimateCurves) curve(dst []float64, p space.Point) {
	for i := range dst {
		dst[i] = e.at(p, i+1)
	}
}

func (e *estimateCurves) at(p space.Point, step int) float64 {
	e.load(p)
	e.pass.conts[e.epoch] = float64(step)
	e.run()
	return e.sign * e.out[e.target]
}
