package problems

import "math"

// shifted writes x - x_opt to dst.
func (b *bbob) shifted(dst, x []float64) {
	for i := range dst {
		dst[i] = x[i] - b.xopt[i]
	}
}

// rotated is m·(x - x_opt); it is valid until the next evaluation.
func (b *bbob) rotated(x []float64) []float64 {
	b.shifted(b.u, x)
	b.m.apply(b.v, b.u)
	return b.v
}

// penalty is the squared distance to the domain.
func penalty(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		if d := math.Abs(v) - bbobBound; d > 0 {
			s += d * d
		}
	}
	return s
}

// oscillate is T_osz of the definitions: a smooth distortion that keeps signs
// and is the identity to first order in log|x|. (The definitions scale the
// logarithm by the tenth; the exponent 0.1 undoes it.)
func oscillate(x float64) float64 {
	switch {
	case x > 0:
		t := math.Log(x) / 0.1
		return math.Exp(0.1 * (t + 0.49*(math.Sin(t)+math.Sin(0.79*t))))
	case x < 0:
		t := math.Log(-x) / 0.1
		return -math.Exp(0.1 * (t + 0.49*(math.Sin(0.55*t)+math.Sin(0.31*t))))
	}
	return x
}

// asymmetry is beta·i/(n-1), for asymmetric.
func asymmetry(n int, beta float64) []float64 {
	p := make([]float64, n)
	for i := range p {
		p[i] = beta * float64(i) / float64(n-1)
	}
	return p
}

// asymmetric is T_asy of the definitions: it bends the positive half axis.
func asymmetric(x, p float64) float64 {
	if x > 0 {
		return power(x, 1+p*math.Sqrt(x))
	}
	return x
}

// power is x^y for x ≥ 0, to within a few units of the last place and in a third
// of the time of math.Pow.
func power(x, y float64) float64 { return math.Exp(y * math.Log(x)) }

// f1.
func (b *bbob) sphere(x []float64) float64 {
	s := 0.0
	for i, v := range x {
		d := v - b.xopt[i]
		s += d * d
	}
	return s
}

// f2.
func (b *bbob) ellipsoidSeparable(x []float64) float64 {
	s := 0.0
	for i, v := range x {
		z := oscillate(v - b.xopt[i])
		s += b.scale[i] * z * z
	}
	return s
}

// rastriginOf is the plain Rastrigin function of z.
func rastriginOf(z []float64) float64 {
	cosines, squares := 0.0, 0.0
	for _, v := range z {
		cosines += math.Cos(2 * math.Pi * v)
		squares += v * v
	}
	return 10*(float64(len(z))-cosines) + squares
}

// f3.
func (b *bbob) rastriginSeparable(x []float64) float64 {
	n := float64(b.dim - 1)
	for i, v := range x {
		b.u[i] = b.scale[i] * asymmetric(oscillate(v-b.xopt[i]), 0.2*float64(i)/n)
	}
	return rastriginOf(b.u)
}

// f4: the positive halves of every other axis, from the first, are stretched
// by ten.
func (b *bbob) buecheRastrigin(x []float64) float64 {
	for i, v := range x {
		z := oscillate(v - b.xopt[i])
		if z > 0 && i%2 == 0 {
			z *= 10
		}
		b.u[i] = b.scale[i] * z
	}
	return rastriginOf(b.u) + 100*penalty(x)
}

// f5: beyond the optimal corner it is flat.
func (b *bbob) linearSlope(x []float64) float64 {
	s := 0.0
	for i, v := range x {
		if v*b.xopt[i] >= bbobBound*bbobBound {
			v = b.xopt[i]
		}
		s += bbobBound*math.Abs(b.scale[i]) - b.scale[i]*v
	}
	return s
}

// f6: the sector that contains x_opt is steep by a factor of 100.
func (b *bbob) attractiveSector(x []float64) float64 {
	s := 0.0
	for i, z := range b.rotated(x) {
		if z*b.xopt[i] > 0 {
			z *= 100
		}
		s += z * z
	}
	return power(oscillate(s), 0.9)
}

// f7: plateaus, except for a slight slope of the first coordinate.
func (b *bbob) stepEllipsoid(x []float64) float64 {
	z := b.rotated(x)
	first := z[0]
	for i, v := range z {
		if math.Abs(v) > 0.5 {
			z[i] = math.Floor(v + 0.5)
		} else {
			z[i] = math.Floor(10*v+0.5) / 10
		}
	}
	b.m2.apply(b.u, z)
	s := 0.0
	for i, v := range b.u {
		s += b.scale[i] * v * v
	}
	return 0.1*math.Max(1e-4*math.Abs(first), s) + penalty(x)
}

// rosenbrockOf is the plain Rosenbrock function of z.
func rosenbrockOf(z []float64) float64 {
	valley, slope := 0.0, 0.0
	for i := range len(z) - 1 {
		c, d := z[i]*z[i]-z[i+1], z[i]-1
		valley += c * c
		slope += d * d
	}
	return 100*valley + slope
}

// f8.
func (b *bbob) rosenbrock(x []float64) float64 {
	for i, v := range x {
		b.u[i] = b.factor*(v-b.xopt[i]) + 1
	}
	return rosenbrockOf(b.u)
}

// halved is m·x + 1/2, the variables of f9 and f19.
func (b *bbob) halved(x []float64) []float64 {
	b.m.apply(b.u, x)
	for i := range b.u {
		b.u[i] += 0.5
	}
	return b.u
}

// f9.
func (b *bbob) rotatedRosenbrock(x []float64) float64 { return rosenbrockOf(b.halved(x)) }

// f10.
func (b *bbob) ellipsoid(x []float64) float64 {
	s := 0.0
	for i, z := range b.rotated(x) {
		z = oscillate(z)
		s += b.scale[i] * z * z
	}
	return s
}

// f11.
func (b *bbob) discus(x []float64) float64 {
	s := 0.0
	for i, z := range b.rotated(x) {
		z = oscillate(z)
		if i == 0 {
			z *= 1e3
		}
		s += z * z
	}
	return s
}

// f12.
func (b *bbob) bentCigar(x []float64) float64 {
	z := b.rotated(x)
	for i, v := range z {
		z[i] = asymmetric(v, b.power[i])
	}
	b.m.apply(b.u, z)
	s := b.u[0] * b.u[0]
	for _, v := range b.u[1:] {
		s += 1e6 * v * v
	}
	return s
}

// f13.
func (b *bbob) sharpRidge(x []float64) float64 {
	z := b.rotated(x)
	s := 0.0
	for _, v := range z[1:] {
		s += v * v
	}
	return z[0]*z[0] + 100*math.Sqrt(s)
}

// f14.
func (b *bbob) differentPowers(x []float64) float64 {
	s := 0.0
	for i, z := range b.rotated(x) {
		s += power(math.Abs(z), b.power[i])
	}
	return math.Sqrt(s)
}

// f15.
func (b *bbob) rastrigin(x []float64) float64 {
	z, n := b.rotated(x), float64(b.dim-1)
	for i, v := range z {
		z[i] = asymmetric(oscillate(v), 0.2*float64(i)/n)
	}
	b.m2.apply(b.u, z)
	return rastriginOf(b.u)
}

// weierstrassTerms is the number of summands of the Weierstrass series.
const weierstrassTerms = 12

// weierstrassRun is the number of summands from one cosine. cos 3t is
// 4·cos³t - 3·cos t, which is faster and loses at most a digit each time.
const weierstrassRun = 3

// f16.
func (b *bbob) weierstrass(x []float64) float64 {
	z := b.rotated(x)
	for i, v := range z {
		z[i] = oscillate(v)
	}
	b.m2.apply(b.u, z)
	s, bottom := 0.0, 0.0
	for _, v := range b.u {
		amplitude, frequency, c := 1.0, 2*math.Pi, 0.0
		for k := range weierstrassTerms {
			if k%weierstrassRun == 0 {
				c = math.Cos(frequency * (v + 0.5))
			} else {
				c *= 4*c*c - 3
			}
			s += amplitude * c
			amplitude /= 2
			frequency *= 3
		}
	}
	// At half a period all cosines are -1.
	for k := range weierstrassTerms {
		bottom -= math.Ldexp(1, -k)
	}
	n := float64(b.dim)
	d := s/n - bottom
	return 10*d*d*d + 10/n*penalty(x)
}

// f17 and f18.
func (b *bbob) schaffers(x []float64) float64 {
	z := b.rotated(x)
	for i, v := range z {
		z[i] = asymmetric(v, b.power[i])
	}
	b.m2.apply(b.u, z)
	s := 0.0
	for i := range b.dim - 1 {
		q := b.u[i]*b.u[i] + b.u[i+1]*b.u[i+1]
		w := math.Sin(50 * power(q, 0.1))
		s += math.Sqrt(math.Sqrt(q)) * (1 + w*w)
	}
	s /= float64(b.dim - 1)
	return s*s + 10*penalty(x)
}

// f19.
func (b *bbob) griewankRosenbrock(x []float64) float64 {
	z, s := b.halved(x), 0.0
	for i := range len(z) - 1 {
		c, d := z[i]*z[i]-z[i+1], 1-z[i]
		t := 100*c*c + d*d
		s += t/4000 - math.Cos(t)
	}
	return 10 + 10*s/float64(b.dim-1)
}

// f20.
func (b *bbob) schwefel(x []float64) float64 {
	const limit, bottom = 500, 418.9828872724339
	s, outside, before := 0.0, 0.0, 0.0
	for i, v := range x {
		hat := 2 * v
		if b.xopt[i] < 0 {
			hat = -hat
		}
		z := hat
		if i > 0 {
			z += 0.25 * (before - schwefelShift)
		}
		before = hat
		z = 100 * (b.scale[i]*(z-schwefelShift) + schwefelShift)
		if d := math.Abs(z) - limit; d > 0 {
			outside += d * d
		}
		s += z * math.Sin(math.Sqrt(math.Abs(z)))
	}
	return 0.01 * (outside + bottom - s/float64(b.dim))
}

// f23.
func (b *bbob) katsuura(x []float64) float64 {
	const terms = 32
	n := float64(b.dim)
	exponent, product := 10/math.Pow(n, 1.2), 1.0
	for i, z := range b.rotated(x) {
		s, p := 0.0, 1.0
		for range terms {
			p *= 2
			t := p * z
			s += math.Abs(t-math.Floor(t+0.5)) / p
		}
		product *= power(1+float64(i+1)*s, exponent)
	}
	return 10/n/n*(product-1) + penalty(x)
}

// lunacekFirst is the centre of the better of the two funnels of f24.
const lunacekFirst = 2.5

// f24.
func (b *bbob) lunacek(x []float64) float64 {
	const depth = 1.0
	n := float64(b.dim)
	width := 1 - 0.5/(math.Sqrt(n+20)-4.1)
	second := -math.Sqrt((lunacekFirst*lunacekFirst - depth) / width)
	near, far := 0.0, 0.0
	for i, v := range x {
		h := 2 * v
		if b.xopt[i] < 0 {
			h = -h
		}
		b.u[i] = h - lunacekFirst
		near += b.u[i] * b.u[i]
		far += (h - second) * (h - second)
	}
	b.m.apply(b.v, b.u)
	cosines := 0.0
	for _, z := range b.v {
		cosines += math.Cos(2 * math.Pi * z)
	}
	return math.Min(near, depth*n+width*far) + 10*(n-cosines) + 1e4*penalty(x)
}
