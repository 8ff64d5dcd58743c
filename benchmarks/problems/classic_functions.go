package problems

import "math"

// The classic test functions in their usual form. Those that are sums over
// coordinates work in any dimension. Definitions and optima are those of the
// collections of Surjanovic and Bingham ("Virtual library of simulation
// experiments") and Jamil and Yang ("A literature survey of benchmark functions
// for global optimisation problems", 2013); optima without a closed form were
// refined to 17 digits from these definitions.

func branin(x []float64) float64 {
	const b, c, t = 5.1 / (4 * math.Pi * math.Pi), 5 / math.Pi, 1 / (8 * math.Pi)
	d := x[1] - b*x[0]*x[0] + c*x[0] - 6
	return d*d + 10*(1-t)*math.Cos(x[0]) + 10
}

func sixHumpCamel(x []float64) float64 {
	a, b := x[0]*x[0], x[1]*x[1]
	return (4-2.1*a+a*a/3)*a + x[0]*x[1] + (4*b-4)*b
}

func goldsteinPrice(z []float64) float64 {
	x, y := z[0], z[1]
	s, t := x+y+1, 2*x-3*y
	return (1 + s*s*(19-14*x+3*x*x-14*y+6*x*y+3*y*y)) * (30 + t*t*(18-32*x+12*x*x+48*y-36*x*y+27*y*y))
}

func eggholder(x []float64) float64 {
	a := x[1] + 47
	return -a*math.Sin(math.Sqrt(math.Abs(a+x[0]/2))) - x[0]*math.Sin(math.Sqrt(math.Abs(x[0]-a)))
}

func dropWave(x []float64) float64 {
	q := x[0]*x[0] + x[1]*x[1]
	return -(1 + math.Cos(12*math.Sqrt(q))) / (2 + q/2)
}

// hartmann has the sum of four Gaussian wells; sharp and centre have a row for
// each.
func hartmann(sharp, centre [][]float64) func([]float64) float64 {
	depth := [4]float64{1, 1.2, 3, 3.2}
	return func(x []float64) float64 {
		s := 0.0
		for i, a := range depth {
			q := 0.0
			for j, v := range x {
				d := v - centre[i][j]
				q += sharp[i][j] * d * d
			}
			s -= a * math.Exp(-q)
		}
		return s
	}
}

func hartmann3() func([]float64) float64 {
	return hartmann(
		[][]float64{{3, 10, 30}, {0.1, 10, 35}, {3, 10, 30}, {0.1, 10, 35}},
		[][]float64{{0.3689, 0.1170, 0.2673}, {0.4699, 0.4387, 0.7470}, {0.1091, 0.8732, 0.5547}, {0.0381, 0.5743, 0.8828}})
}

func hartmann6() func([]float64) float64 {
	return hartmann(
		[][]float64{{10, 3, 17, 3.5, 1.7, 8}, {0.05, 10, 17, 0.1, 8, 14}, {3, 3.5, 1.7, 10, 17, 8}, {17, 8, 0.05, 10, 0.1, 14}},
		[][]float64{
			{0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886}, {0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
			{0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650}, {0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381},
		})
}

// shekel10 has ten wells in four dimensions.
func shekel10(x []float64) float64 {
	width := [10]float64{0.1, 0.2, 0.2, 0.4, 0.4, 0.6, 0.3, 0.7, 0.5, 0.5}
	odd := [10]float64{4, 1, 8, 6, 3, 2, 5, 8, 6, 7}
	even := [10]float64{4, 1, 8, 6, 7, 9, 3, 1, 2, 3.6}
	s := 0.0
	for i, w := range width {
		a, b, c, d := x[0]-odd[i], x[1]-even[i], x[2]-odd[i], x[3]-even[i]
		s -= 1 / (a*a + b*b + c*c + d*d + w)
	}
	return s
}

func ackley(x []float64) float64 {
	n, squares, cosines := float64(len(x)), 0.0, 0.0
	for _, v := range x {
		squares += v * v
		cosines += math.Cos(2 * math.Pi * v)
	}
	return -20*math.Exp(-0.2*math.Sqrt(squares/n)) - math.Exp(cosines/n) + 20 + math.E
}

func griewank(x []float64) float64 {
	s, p := 0.0, 1.0
	for i, v := range x {
		s += v * v
		p *= math.Cos(v / math.Sqrt(float64(i+1)))
	}
	return s/4000 - p + 1
}

func levy(x []float64) float64 {
	w := func(i int) float64 { return 1 + (x[i]-1)/4 }
	first, last := math.Sin(math.Pi*w(0)), w(len(x)-1)
	s := first * first
	for i := range len(x) - 1 {
		d, a := w(i)-1, math.Sin(math.Pi*w(i)+1)
		s += d * d * (1 + 10*a*a)
	}
	d, a := last-1, math.Sin(2*math.Pi*last)
	return s + d*d*(1+a*a)
}

func michalewicz(x []float64) float64 {
	s := 0.0
	for i, v := range x {
		q := math.Sin(float64(i+1) * v * v / math.Pi)
		q *= q
		q4 := q * q * q * q
		s -= math.Sin(v) * q4 * q4 * q * q // the 20th power
	}
	return s
}

func styblinskiTang(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		q := v * v
		s += q*q - 16*q + 5*v
	}
	return s / 2
}

func schwefelSine(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s -= v * math.Sin(math.Sqrt(math.Abs(v)))
	}
	return s
}

func dixonPrice(x []float64) float64 {
	s := (x[0] - 1) * (x[0] - 1)
	for i := 1; i < len(x); i++ {
		d := 2*x[i]*x[i] - x[i-1]
		s += float64(i+1) * d * d
	}
	return s
}

// powell works in multiples of four dimensions.
func powell(x []float64) float64 {
	s := 0.0
	for i := 0; i+3 < len(x); i += 4 {
		a, b, c, d := x[i]+10*x[i+1], x[i+2]-x[i+3], x[i+1]-2*x[i+2], x[i]-x[i+3]
		s += a*a + 5*b*b + c*c*c*c + 10*d*d*d*d
	}
	return s
}
