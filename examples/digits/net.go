package main

import (
	"math"
	"math/rand/v2"
)

// momentum of the stochastic gradient descent; the classical value (Rumelhart,
// Hinton and Williams, Nature 323, 1986).
const momentum = 0.9

// network is a perceptron with one hidden layer and softmax output. All
// weights lie in one slice, and their gradients and velocities in slices of
// the same layout.
type network struct {
	hidden int
	relu   bool // else tanh

	weight, gradient, velocity []float64
	w                          layers // views into weight
	g                          layers // views into gradient

	activation, hiddenDelta []float64 // scratch
	output                  [classes]float64
}

// layers are views into one flat slice. Rows belong to the sending unit, so
// that the loops over white pixels and idle units can be skipped as a whole.
type layers struct {
	in, inBias   []float64 // pixels × hidden, hidden
	out, outBias []float64 // hidden × classes, classes
}

func view(flat []float64, hidden int) layers {
	cut := func(n int) []float64 {
		head := flat[:n:n]
		flat = flat[n:]
		return head
	}
	return layers{in: cut(pixels * hidden), inBias: cut(hidden), out: cut(hidden * classes), outBias: cut(classes)}
}

// newNetwork draws the weights from normal distributions whose variance keeps
// the size of the signals: 2/fan-in for relu (He et al. 2015, arXiv:1502.01852,
// eq. 10), 1/fan-in for tanh (LeCun et al. 1998, "Efficient BackProp", 4.6).
func newNetwork(hidden int, relu bool, r *rand.Rand) *network {
	n := (pixels+1)*hidden + (hidden+1)*classes
	net := &network{
		hidden: hidden, relu: relu,
		weight: make([]float64, n), gradient: make([]float64, n), velocity: make([]float64, n),
		activation: make([]float64, hidden), hiddenDelta: make([]float64, hidden),
	}
	net.w, net.g = view(net.weight, hidden), view(net.gradient, hidden)
	gain := 1.0
	if relu {
		gain = 2
	}
	for i := range net.w.in {
		net.w.in[i] = r.NormFloat64() * math.Sqrt(gain/pixels)
	}
	for i := range net.w.out {
		net.w.out[i] = r.NormFloat64() * math.Sqrt(1/float64(hidden))
	}
	return net
}

// blank is a network of the same shape, to be judged and not to be trained.
func (n *network) blank() *network {
	b := &network{hidden: n.hidden, relu: n.relu, weight: make([]float64, len(n.weight)), activation: make([]float64, n.hidden)}
	b.w = view(b.weight, n.hidden)
	return b
}

// approach moves all weights by a share of the way towards those of the other. By
// 1/k after step k, they are the mean over the steps (Polyak and Juditsky, SIAM
// Journal on Control and Optimization 30, 1992).
func (n *network) approach(other *network, share float64) {
	to := other.weight[:len(n.weight)]
	for i := range n.weight {
		n.weight[i] += share * (to[i] - n.weight[i])
	}
}

// forward leaves the probabilities of the digits in n.output.
func (n *network) forward(s *sample) {
	a := n.activation
	copy(a, n.w.inBias)
	for p, grey := range s.grey {
		if grey != 0 {
			addScaled(a, grey, n.w.in[p*n.hidden:(p+1)*n.hidden])
		}
	}
	out := n.output[:]
	copy(out, n.w.outBias)
	for j, z := range a {
		if n.relu {
			z = max(z, 0)
		} else {
			z = math.Tanh(z)
		}
		a[j] = z
		if z != 0 {
			addScaled(out, z, n.w.out[j*classes:(j+1)*classes])
		}
	}
	softmax(out)
}

// backward adds the gradient of the cross-entropy of s, which forward has just
// seen, to n.gradient, and returns the cross-entropy in nats.
func (n *network) backward(s *sample) float64 {
	// delta is the derivative by the inputs of the softmax.
	delta := n.output
	loss := -math.Log(max(delta[s.label], math.SmallestNonzeroFloat64))
	delta[s.label]--

	addScaled(n.g.outBias, 1, delta[:])
	for j, z := range n.activation {
		n.hiddenDelta[j] = 0
		slope := 1 - z*z
		if n.relu {
			if z == 0 {
				continue
			}
			slope = 1
		}
		n.hiddenDelta[j] = slope * dot(n.w.out[j*classes:(j+1)*classes], delta[:])
		addScaled(n.g.out[j*classes:(j+1)*classes], z, delta[:])
	}
	addScaled(n.g.inBias, 1, n.hiddenDelta)
	for p, grey := range s.grey {
		if grey != 0 {
			addScaled(n.g.in[p*n.hidden:(p+1)*n.hidden], grey, n.hiddenDelta)
		}
	}
	return loss
}

// learn takes one step of gradient descent with momentum on the mean gradient
// of the batch, and returns the sum of the losses.
func (n *network) learn(batch []*sample, rate float64) float64 {
	clear(n.gradient)
	loss := 0.0
	for _, s := range batch {
		n.forward(s)
		loss += n.backward(s)
	}
	rate /= float64(len(batch))
	for i, g := range n.gradient {
		n.velocity[i] = momentum*n.velocity[i] - rate*g
		n.weight[i] += n.velocity[i]
	}
	return loss
}

// errorRate is the share of samples whose likeliest digit is wrong.
func (n *network) errorRate(samples []sample) float64 {
	wrong := 0
	for i := range samples {
		n.forward(&samples[i])
		best := 0
		for c, p := range n.output {
			if p > n.output[best] {
				best = c
			}
		}
		if best != samples[i].label {
			wrong++
		}
	}
	return float64(wrong) / float64(len(samples))
}

func addScaled(to []float64, f float64, v []float64) {
	v = v[:len(to)]
	for i := range to {
		to[i] += f * v[i]
	}
}

func dot(a, b []float64) float64 {
	b = b[:len(a)]
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// softmax subtracts the maximum first, so that no exponential overflows.
func softmax(v []float64) {
	top := v[0]
	for _, x := range v {
		top = max(top, x)
	}
	sum := 0.0
	for i, x := range v {
		v[i] = math.Exp(x - top)
		sum += v[i]
	}
	for i := range v {
		v[i] /= sum
	}
}
