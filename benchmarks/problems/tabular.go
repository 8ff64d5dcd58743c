package problems

import (
	"encoding/json"

	"github.com/gotuner/tuner/suggest/space"
)

// tabularMeta is the JSON beside the tables of a suite: full grids with some
// training seeds for each configuration.
type tabularMeta struct {
	Direction string `json:"direction"`
	Metric    string `json:"metric"`
	Params    []struct {
		Name    string            `json:"name"`
		Type    string            `json:"type"`
		Choices []json.RawMessage `json:"choices"`
	} `json:"params"`
	Datasets map[string]struct {
		Configs int    `json:"n_configs"`
		Seeds   int    `json:"n_seeds"`
		File    string `json:"file"`
	} `json:"datasets"`
}

// tabularSuites are the tables for development.
var tabularSuites = []struct {
	suite    string
	datasets []string
}{
	{"hpobench", []string{"australian", "blood_transfusion", "car", "credit_g"}},
	{"hpolib", []string{"naval_propulsion", "slice_localization"}},
	{"nasbench201", []string{"cifar10"}},
}

func (d *folder) tabularProblems() (out []*Problem, files []string) {
	for _, s := range tabularSuites {
		for _, set := range s.datasets {
			name := s.suite + "-" + set
			out = append(out, &Problem{
				Name: name, Group: "tables", Doc: "the table " + s.suite + " of " + set, Instances: []int{1}, Noisy: true,
				open: d.opener(name, func() (prototype, error) { return d.tabular(s.suite, set) }),
			})
			files = append(files, "tabular/"+s.suite+"_"+set+".f32.gz")
		}
	}
	return out, files
}

func (d *folder) tabular(suite, dataset string) (*table, error) {
	var meta tabularMeta
	file := "tabular/" + suite + ".json"
	if err := d.json(file, &meta); err != nil {
		return nil, err
	}
	set, ok := meta.Datasets[dataset]
	if !ok {
		return nil, badData(file, "it has no data set %s", dataset)
	}
	params := make([]space.Parameter, len(meta.Params))
	size := 1
	for i, p := range meta.Params {
		kind := space.Ordinal
		if p.Type == "cat" {
			kind = space.Categorical
		}
		values := make([]space.Value, len(p.Choices))
		for k, raw := range p.Choices {
			v, err := tabularChoice(p.Type, raw)
			if err != nil {
				return nil, badData(file, "choice %d of %s: %w", k, p.Name, err)
			}
			values[k] = v
		}
		params[i] = choiceParam(kind, p.Name, values...)
		size *= len(values)
	}
	if size != set.Configs || set.Seeds < 1 {
		return nil, badData(file, "%s has %d configurations and %d seeds, the parameters %d points", dataset, set.Configs, set.Seeds, size)
	}
	s, err := space.New(params, nil)
	if err != nil {
		return nil, err
	}
	values, err := d.floats("tabular/"+set.File, size*set.Seeds)
	if err != nil {
		return nil, err
	}
	t := &table{space: s, grid: true, repeats: make([][]float64, size)}
	t.points = func(config int) space.Point { return gridPoint(s, config) }
	for c := range t.repeats {
		for _, v := range values[c*set.Seeds : (c+1)*set.Seeds] {
			t.repeats[c] = append(t.repeats[c], float64(v))
		}
	}
	t.summarize(meta.Direction == "maximize")
	return t, nil
}

func tabularChoice(kind string, raw json.RawMessage) (space.Value, error) {
	switch kind {
	case "float":
		var f float64
		err := json.Unmarshal(raw, &f)
		return f, err
	case "int":
		var i int64
		err := json.Unmarshal(raw, &i)
		return i, err
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err
}
