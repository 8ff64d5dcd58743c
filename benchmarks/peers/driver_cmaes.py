"""The cmaes package. The argument is the way of restarts: ipop or bipop.

CMA where all is continuous, CMAwM (CMA-ES with margin) where there are steps,
integers or ordinals, both in the unit cube with sigma 1/5 of it and a random
mean, restarted when should_stop says so, as in the package's own examples
(examples/ipop_cma.py, bipop_cma.py): ipop doubles the population each time;
bipop alternates between doubled and small populations of equal budget.
Population size and all else are the package's defaults. Spaces need at least
two numeric parameters, no unordered choices and no conditions.

A generation is told when as many trials as it has are back, the first to come:
trials that were asked for beyond it, or before the last update, count for the
generation that is being collected, so none is wasted.
"""

import math
import sys

import cmaes
import numpy

from pipe import serve
from tuner_space import Cube, Unsupported

SIGMA = 0.2
WORST = 1e300  # of a trial without a value


class Tuner:
    version = cmaes.__version__

    def __init__(self, study, bipop):
        study.space.refuse(conditions=True, choices=True)
        self.space, self.cube, self.bipop = study.space, Cube(study.space), bipop
        self.steps = numpy.array(self.cube.steps)
        if len(self.steps) < 2:
            raise Unsupported("it needs two numeric parameters")
        self.random = numpy.random.RandomState(study.seed)
        self.large_restarts, self.small, self.large, self.run_is_small = 0, 0, 0, True
        self.restart(None)
        self.first_population = self.cma.population_size

    def restart(self, population):
        bounds = numpy.tile([0.0, 1.0], (len(self.steps), 1))
        more = {"bounds": bounds, "population_size": population, "seed": self.random.randint(2**31 - 1)}
        mean = self.random.rand(len(self.steps))
        if self.steps.any():
            self.cma = cmaes.CMAwM(mean, SIGMA, steps=self.steps, **more)
        else:
            self.cma = cmaes.CMA(mean, SIGMA, **more)
        self.back, self.evaluations = [], 0

    def ask(self):
        if isinstance(self.cma, cmaes.CMAwM):
            x, told = self.cma.ask()
        else:
            x = told = self.cma.ask()
        return (self.cma, told), self.space.complete(self.cube.decode(x))

    def tell(self, handle, params, value):
        run, x = handle
        if run is not self.cma:
            return  # of a run that has ended
        self.back.append((x, WORST if value is None else value))
        self.evaluations += 1
        if len(self.back) < self.cma.population_size:
            return
        self.cma.tell(self.back)
        self.back = []
        if self.cma.should_stop():
            self.restart(self.next_population())

    def next_population(self):
        if not self.bipop:
            return self.cma.population_size * 2
        if self.run_is_small:
            self.small += self.evaluations
        else:
            self.large += self.evaluations
        self.run_is_small = self.small < self.large
        if self.run_is_small:
            most = 2.0**self.large_restarts
            return math.floor(self.first_population * most ** (self.random.rand() ** 2))
        self.large_restarts += 1
        return self.first_population * 2**self.large_restarts


if __name__ == "__main__":
    bipop = sys.argv[1] == "bipop"
    serve("cmaes-" + sys.argv[1], lambda study: Tuner(study, bipop))
