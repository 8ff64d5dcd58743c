"""Makes reference.json with cmaes 0.13.1 (MIT licence): the constants, and the
state after each of some generations whose points are given, not drawn.

    pip install cmaes==0.13.1 numpy scipy && python reference.py > reference.json
"""
import json
import math

import numpy as np
from cmaes import CMA, CMAwM, CatCMA


def points(n, population, generation):
    """Steps that look random and are the same everywhere."""
    return [[math.sin(1.7 * (i + 1) * (j + 2) + 3.1 * generation) * 1.3
             for j in range(n)] for i in range(population)]


def state(o):
    return {"mean": o._mean.tolist(), "sigma": float(o._sigma), "c": o._C.flatten().tolist(),
            "ps": o._p_sigma.tolist(), "pc": o._pc.tolist()}


def constants(n):
    o = CMA(mean=np.zeros(n), sigma=1.0)
    return {"n": n, "population": o.population_size, "weights": o._weights.tolist(),
            "mu_eff": o._mu_eff, "c1": o._c1, "cmu": o._cmu, "cc": o._cc,
            "cs": o._c_sigma, "ds": o._d_sigma, "chi": o._chi_n}


def updates(n, lr_adapt, generations):
    o = CMA(mean=np.full(n, 0.4), sigma=0.2, lr_adapt=lr_adapt)
    out = []
    for g in range(generations):
        steps = points(n, o.population_size, g)
        xs = [o._mean + o._sigma * np.array(y) for y in steps]
        o.tell([(x, float(k)) for k, x in enumerate(xs)])  # already in the order of their values
        out.append(state(o))
    return {"n": n, "lr_adapt": lr_adapt, "population": o.population_size, "states": out}


def margin(mean, sigma):
    """One generation without selection pressure, to see the correction alone."""
    n, levels = len(mean), 5
    bounds = np.tile([0.0, 1.0], (n, 1))
    width = 1.0 / levels
    # Levels in the middles of the cells [k/5, (k+1)/5].
    o = CMAwM(mean=np.full(n, 0.5), sigma=sigma, bounds=np.tile([width / 2, 1 - width / 2], (n, 1)),
              steps=np.full(n, width))
    o._cma._mean[:] = mean
    before = {"mean": o._cma._mean.tolist(), "sigma": float(o._cma._sigma)}
    o._cma.tell = lambda solutions: None
    o.tell([])
    return {**before, "levels": levels, "alpha": o.margin,
            "after": o._cma._mean.tolist(), "a": o._A.tolist()}


def categories(generations):
    ks = [3, 4, 2]
    o = CatCMA(mean=np.zeros(2), sigma=1.0, cat_num=np.array(ks))
    out = []
    for g in range(generations):
        chosen = [[(i * (j + 1) + g) % k for j, k in enumerate(ks)] for i in range(o._popsize)]
        told = []
        for i, row in enumerate(chosen):
            c = np.zeros((len(ks), max(ks)))
            for j, k in enumerate(row):
                c[j, k] = 1
            told.append(((np.array(points(2, o._popsize, g)[i]), c), float(i)))
        o.tell(told)
        out.append({"chosen": chosen, "q": [o._q[j, :k].tolist() for j, k in enumerate(ks)]})
    return {"k": ks, "weights": o._weights.tolist(), "generations": out}


print(json.dumps({
    "constants": [constants(5), constants(10)],
    "updates": [updates(3, False, 4), updates(5, False, 12), updates(4, True, 6)],
    "margin": [margin([0.02, 0.5, 0.99, 0.45, 0.30], 0.01), margin([0.1, 0.5, 0.7, 0.21, 0.79], 0.08)],
    "categories": categories(6),
}, indent=1))
