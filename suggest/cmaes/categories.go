package cmaes

import (
	"math"
	"math/rand/v2"
)

const (
	// asngAlpha is the threshold of the adaptive step (Akimoto et al. 2019).
	asngAlpha = 1.5
	// marginShare: all categorical coordinates at their most probable choice
	// have a probability of at least this (Hamano et al. 2024, section 4.2).
	marginShare = 0.73
)

// categories is the distribution of the choices: independent ones with
// probabilities q, moved along the natural gradient by steps of adaptive length
// (ASNG; Akimoto, Shirakawa, Yoshinari, Uchida, Saito and Nishida 2019) as in
// CatCMA (Hamano, Saito, Nomura, Uchida and Shirakawa 2024).
type categories struct {
	q     [][]float64
	least []float64 // lower bound of the probabilities
	s     []float64 // the path, of Σ(k-1) components
	gamma float64
	delta float64 // length of the next step
	trust float64 // Δ: the steps are 1/Δ
}

func newCategories(choices []choice) *categories {
	c := &categories{delta: 1, trust: 1}
	free := 0
	for _, d := range choices {
		q := make([]float64, d.k)
		for i := range q {
			q[i] = 1 / float64(d.k)
		}
		c.q = append(c.q, q)
		least := (1 - math.Pow(marginShare, 1/float64(len(choices)))) / float64(d.k-1)
		c.least = append(c.least, min(least, 1/float64(d.k)))
		free += d.k - 1
	}
	c.s = make([]float64, free)
	return c
}

func (c *categories) sample(r *rand.Rand, dst []int) {
	for j, q := range c.q {
		u, k := r.Float64(), 0
		for k < len(q)-1 && u >= q[k] {
			u -= q[k]
			k++
		}
		dst[j] = k
	}
}

// update takes the choices of the results, best first, -1 where a parameter was
// inactive, and their weights, of which the negative ones are not used.
func (c *categories) update(results [][]int, w []float64) {
	if len(c.q) == 0 {
		return
	}
	gradient := make([][]float64, len(c.q))
	local := make([]float64, 0, len(c.s))
	for j, q := range c.q {
		g := make([]float64, len(q))
		for i, r := range results {
			if w[i] <= 0 || r[j] < 0 {
				continue
			}
			g[r[j]] += w[i]
			for k := range g {
				g[k] -= w[i] * q[k]
			}
		}
		gradient[j] = g
		local = appendFisher(local, q, g)
	}
	norm := math.Sqrt(dot(local, local)) + 1e-30
	for j, q := range c.q {
		for k := range q {
			q[k] += c.delta / norm * gradient[j][k]
		}
	}
	c.adapt(local, norm)
	c.keepMargin()
}

// appendFisher appends the gradient in coordinates in which the Fisher
// information of q is the unit matrix (Akimoto et al. 2019, appendix B).
func appendFisher(dst, q, g []float64) []float64 {
	last := len(q) - 1
	sum := 0.0
	for _, v := range g[:last] {
		sum += v
	}
	for k := range last {
		root := math.Sqrt(q[k])
		dst = append(dst, g[k]/root+root*sum/(q[last]+math.Sqrt(q[last])))
	}
	return dst
}

// adapt shortens the steps while their directions contradict each other.
func (c *categories) adapt(local []float64, norm float64) {
	c.delta = 1 / c.trust
	beta := min(c.delta/math.Sqrt(float64(len(c.s))), 1)
	for i := range c.s {
		c.s[i] = (1-beta)*c.s[i] + math.Sqrt(beta*(2-beta))*local[i]/norm
	}
	c.gamma = (1-beta)*(1-beta)*c.gamma + beta*(2-beta)
	c.trust = max(c.trust*math.Exp(beta*(c.gamma-dot(c.s, c.s)/asngAlpha)), 1e-3)
}

// keepMargin raises the probabilities to their lower bound at the cost of the
// others.
func (c *categories) keepMargin() {
	for j, q := range c.q {
		least, sum := c.least[j], 0.0
		for k := range q {
			q[k] = max(q[k], least)
			sum += q[k]
		}
		spare := sum - least*float64(len(q))
		after := 0.0
		for k := range q {
			if spare > 0 {
				q[k] -= (sum - 1) * (q[k] - least) / spare
			}
			after += q[k]
		}
		for k := range q {
			q[k] /= after
		}
	}
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}
