"""How many evaluations cmaes 0.13.1 (MIT licence) needs to 1e-8 on the problems
of TestConverges: the median of 21 runs.

    pip install cmaes==0.13.1 numpy && python budgets.py
"""
import numpy as np
from cmaes import CMA


def sphere(x):
    return float(x @ x)


def ellipsoid(x):
    n = len(x)
    return float(sum(1e6 ** (i / (n - 1)) * v * v for i, v in enumerate(x)))


def rosenbrock(x):
    z = x + 1
    return float(sum(100 * (z[1:] - z[:-1] ** 2) ** 2 + (z[:-1] - 1) ** 2))


def needed(f, n, seed, rotate):
    r = np.random.RandomState(seed)
    q = np.linalg.qr(r.randn(n, n))[0] if rotate else np.eye(n)
    o = CMA(mean=np.zeros(n), sigma=1.7, bounds=np.tile([-5.0, 5.0], (n, 1)), seed=seed)
    count = 0
    while count < 20_000:
        told = []
        for _ in range(o.population_size):
            x = o.ask()
            v = f(q @ (x - 1.3))
            count += 1
            if v <= 1e-8:
                return count
            told.append((x, v))
        o.tell(told)
    return count


for name, f, rotate in [("sphere", sphere, False), ("ellipsoid", ellipsoid, False),
                        ("rotated ellipsoid", ellipsoid, True), ("rosenbrock", rosenbrock, False)]:
    for n in (5, 10):
        print(name, n, int(np.median([needed(f, n, s + 1, rotate) for s in range(21)])))
