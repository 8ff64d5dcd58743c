package problems

import (
	"strings"

	"github.com/gotuner/tuner/suggest/space"
)

// tasksetTasks are the learning curves for development.
var tasksetTasks = []string{
	"imdb_patch128_LSTM128_avg_bs64", "imdb_patch128_LSTM128_embed128_bs64", "imdb_patch32_GRU64_avg_bs128",
	"imdb_patch32_IRNN64_relu_last_bs128", "imdb_patch32_LSTM128_bs128", "imdb_patch32_VRNN64_relu_avg_bs128",
}

const (
	tasksetPrefix  = "FixedTextRNNClassification_"
	tasksetConfigs = 1000
	tasksetSteps   = 51
)

func (d *folder) tasksetProblems() (out []*Problem, files []string) {
	for _, task := range tasksetTasks {
		name := "taskset-" + strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(task, "imdb_")), "_", "-")
		file := "taskset/" + tasksetPrefix + task + ".f32.gz"
		out = append(out, &Problem{
			Name: name, Group: "curves", Doc: "the validation losses of TaskSet's " + task, Instances: []int{1}, Curves: true,
			open: d.opener(name, func() (prototype, error) { return d.taskset(file, tasksetConfigs) }),
		})
		files = append(files, file)
	}
	return out, files
}

// taskset reads 1,000 random configurations of Adam with their validation
// losses at 51 points. A point of the space stands for the nearest of them. The
// value is the last loss, NaN if the training diverged.
func (d *folder) taskset(file string, configs int) (*table, error) {
	// The scales are those the configurations were drawn from (Metz et al.
	// 2020); 1 - beta is logarithmic.
	scales := []struct {
		name  string
		scale space.Scale
	}{
		{"learning_rate", space.Log}, {"beta1", space.ReverseLog}, {"beta2", space.ReverseLog}, {"epsilon", space.Log},
		{"l1", space.Log}, {"l2", space.Log}, {"linear_decay", space.Log}, {"exponential_decay", space.Log},
	}
	n := len(scales)
	width := n + 2*tasksetSteps // the training losses come last
	rows, err := d.floats(file, configs*width)
	if err != nil {
		return nil, err
	}
	params := make([]space.Parameter, n)
	for i, s := range scales {
		lo, hi := rows[i], rows[i]
		for c := range configs {
			lo, hi = min(lo, rows[c*width+i]), max(hi, rows[c*width+i])
		}
		params[i] = floatParam(s.name, float64(lo), float64(hi), s.scale)
	}
	s, err := space.New(params, nil)
	if err != nil {
		return nil, badData(file, "%w", err)
	}
	t := &table{space: s, repeats: make([][]float64, configs), curves: make([][]float32, configs)}
	points := make([]space.Point, configs)
	for c := range points {
		row := rows[c*width : (c+1)*width]
		points[c] = make(space.Point, n)
		for i := range n {
			points[c][i] = float64(row[i])
		}
		t.curves[c] = row[n : n+tasksetSteps]
		t.repeats[c] = []float64{float64(row[n+tasksetSteps-1])}
	}
	t.points = func(config int) space.Point { return points[config] }
	t.locate(points)
	t.summarize(false)
	return t, nil
}
