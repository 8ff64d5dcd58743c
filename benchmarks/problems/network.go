package problems

import (
	"math"
	"slices"
)

// network is a surrogate network of YAHPO Gym (Pfisterer et al., "YAHPO Gym: an
// efficient multi-objective multi-fidelity benchmark for hyperparameter
// optimization", 2022): embeddings of the categories and transformed numbers,
// then residual layers with gated linear units,
//
//	z = h∘scale + shift,  u = w0·z + b0,  h ← h + w1·(u_a ∘ relu(u_b)) + b1,
//
// and a head with a sigmoid for each target. It is immutable; what an
// evaluation needs is a pass.
type network struct {
	meta  *networkMeta
	embed [][]float32 // of each category: rows of its embedding
	first dense
	layer []residual
	// The end.
	scale, shift []float32
	head         dense
}

// dense is w·x + b with w row-major.
type dense struct {
	w, b []float32
}

type residual struct {
	scale, shift []float32
	up           dense
	// down is transposed: a row for each input, most of which are zero after
	// the gate and are left out.
	down []float32
	bias []float32
}

// networkMeta is the JSON beside the weights.
type networkMeta struct {
	Scenario       string                    `json:"scenario"`
	Cats           []string                  `json:"cat_names"`
	Conts          []string                  `json:"cont_names"`
	Targets        []string                  `json:"targets"`
	TargetMinimize []bool                    `json:"target_minimize"`
	InstanceParam  string                    `json:"instance_param"`
	RuntimeTarget  string                    `json:"runtime_target"`
	Encoding       map[string]map[string]int `json:"encoding"`
	EmbedDims      [][2]int                  `json:"emb_dims"`
	FirstDims      [2]int                    `json:"first_dims"`
	Layers         int                       `json:"n_layers"`
	Hidden         int                       `json:"hidden"`
	ContOps        [][]step                  `json:"cont_ops"`
	OutputOps      [][]step                  `json:"output_ops"`
	ConfigSpace    configSpace               `json:"config_space"`
}

// newNetwork takes the weights apart, which lie one behind the other.
func newNetwork(file string, meta *networkMeta, weights []float32) (*network, error) {
	width, in := meta.FirstDims[0], meta.FirstDims[1]
	want := width*in + width + meta.Layers*(3*width+meta.Hidden*width+meta.Hidden+width*meta.Hidden/2) +
		2*width + len(meta.Targets)*(width+1)
	inputs := len(meta.Conts)
	for _, e := range meta.EmbedDims {
		want += e[0] * e[1]
		inputs += e[1]
	}
	if want != len(weights) || inputs != in || len(meta.EmbedDims) != len(meta.Cats) || len(meta.ContOps) != len(meta.Conts) ||
		len(meta.OutputOps) != len(meta.Targets) || len(meta.TargetMinimize) != len(meta.Targets) {
		return nil, badData(file, "its %d weights do not fit its description, which needs %d", len(weights), want)
	}
	take := func(n int) []float32 {
		w := weights[:n:n]
		weights = weights[n:]
		return w
	}
	n := &network{meta: meta}
	for _, e := range meta.EmbedDims {
		n.embed = append(n.embed, take(e[0]*e[1]))
	}
	n.first = dense{take(width * in), take(width)}
	half := meta.Hidden / 2
	for range meta.Layers {
		l := residual{scale: take(width), shift: take(width)}
		l.up = dense{take(meta.Hidden * width), take(meta.Hidden)}
		w := take(width * half)
		l.down = make([]float32, len(w))
		for i := range width {
			for j := range half {
				l.down[j*width+i] = w[i*half+j]
			}
		}
		l.bias = take(width)
		n.layer = append(n.layer, l)
	}
	n.scale, n.shift = take(width), take(width)
	n.head = dense{take(len(meta.Targets) * width), take(len(meta.Targets))}
	return n, nil
}

// pass is the scratch space of evaluations, and the last one, so that asking for
// the runtime after the value costs nothing.
type pass struct {
	net   *network
	cats  []int
	conts []float64

	x, h, z   []float32
	out       []float64
	lastCats  []int
	lastConts []float64
}

func newPass(n *network) *pass {
	width, in := n.meta.FirstDims[0], n.meta.FirstDims[1]
	return &pass{
		net: n, cats: make([]int, len(n.meta.Cats)), conts: make([]float64, len(n.meta.Conts)),
		x: make([]float32, in), h: make([]float32, width), z: make([]float32, width), out: make([]float64, len(n.meta.Targets)),
	}
}

// run computes out from cats and conts.
func (p *pass) run() {
	if slices.Equal(p.cats, p.lastCats) && slices.Equal(p.conts, p.lastConts) {
		return
	}
	p.lastCats = append(p.lastCats[:0], p.cats...)
	p.lastConts = append(p.lastConts[:0], p.conts...)

	n := p.net
	x := p.x[:0]
	for i, e := range n.meta.EmbedDims {
		x = append(x, n.embed[i][p.cats[i]*e[1]:(p.cats[i]+1)*e[1]]...)
	}
	for i, v := range p.conts {
		x = append(x, float32(apply(n.meta.ContOps[i], v)))
	}
	for i := range p.h {
		p.h[i] = n.first.at(i, x)
	}
	for i := range n.layer {
		p.layer(&n.layer[i])
	}
	for i, h := range p.h {
		p.z[i] = max(h*n.scale[i]+n.shift[i], 0)
	}
	for i := range p.out {
		y := 1 / (1 + math.Exp(-float64(n.head.at(i, p.z))))
		p.out[i] = apply(n.meta.OutputOps[i], y)
	}
}

func (p *pass) layer(l *residual) {
	for i, h := range p.h {
		p.z[i] = h*l.scale[i] + l.shift[i]
	}
	for i, b := range l.bias {
		p.h[i] += b
	}
	half, width := len(l.up.b)/2, len(p.h)
	for j := range half {
		gate := l.up.at(half+j, p.z)
		if gate <= 0 {
			continue
		}
		u := l.up.at(j, p.z) * gate
		row := l.down[j*width : (j+1)*width]
		for i := range p.h {
			p.h[i] += u * row[i]
		}
	}
}

// at is output i.
func (d *dense) at(i int, x []float32) float32 {
	row := d.w[i*len(x) : (i+1)*len(x)]
	var a, b, c, e float32
	k := 0
	for ; k+4 <= len(x); k += 4 {
		q, v := row[k:k+4:k+4], x[k:k+4:k+4]
		a += q[0] * v[0]
		b += q[1] * v[1]
		c += q[2] * v[2]
		e += q[3] * v[3]
	}
	for ; k < len(x); k++ {
		a += row[k] * x[k]
	}
	return (a + b) + (c + e) + d.b[i]
}
