// Package builtin lists the algorithms that come with tuner.
package builtin

import (
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/cmaes"
	"github.com/gotuner/tuner/suggest/goptuna"
	"github.com/gotuner/tuner/suggest/gp"
	"github.com/gotuner/tuner/suggest/grid"
	"github.com/gotuner/tuner/suggest/qmc"
	"github.com/gotuner/tuner/suggest/random"
	"github.com/gotuner/tuner/suggest/tpe"
)

// DefaultName is the algorithm of a study that names none.
const DefaultName = tpe.Name

// Algorithms are the built-in algorithms, in the order in which users see them.
func Algorithms() suggest.Registry {
	sobol := qmc.Sobol{Dimensions: goptuna.SobolDimensions, Vectors: goptuna.SobolVectors}
	return suggest.Registry{
		tpe.Algorithm(), random.Algorithm(), grid.Algorithm(), qmc.Algorithm(sobol), cmaes.Algorithm(), gp.Algorithm(),
		goptuna.TPEAlgorithm(), goptuna.CMAESAlgorithm(), goptuna.RandomAlgorithm(),
	}
}

// New builds the built-in algorithm that c names; an empty name is DefaultName.
func New(c types.Component, cfg suggest.Config) (suggest.Suggester, error) {
	if c.Name == "" {
		c.Name = DefaultName
	}
	return suggest.New(Algorithms(), c, cfg)
}
