#!/usr/bin/env python3
"""Writes bbob_golden.json.gz: what COCO says of its bbob suite.

Needs the package coco-experiment (module cocoex). The committed file was made
with version 2.8.2:

    python3 -m venv /some/where && /some/where/bin/pip install coco-experiment==2.8.2
    cd benchmarks/problems/testdata && /some/where/bin/python make_golden.py

For each function, dimension and instance the file has f_opt, x_opt and the
values at shared points: the origin, points of [-5,5]^d and one outside of it,
where the penalties count.
"""
import gzip
import json
import os
import random
import tempfile

import cocoex

CASES = {2: [1, 2, 3, 15], 3: [7], 5: [1, 2, 3, 15], 10: [7], 20: [1, 2, 3, 15], 40: [5]}
INSIDE = 5  # random points of the domain


def points(dim):
    rng = random.Random(dim)
    draw = lambda r: [round(rng.uniform(-r, r), 4) for _ in range(dim)]
    return [[0.0] * dim] + [draw(5) for _ in range(INSIDE)] + [draw(7)]


def best(problem):
    """x_opt; cocoex hands it out through a file in the working folder only."""
    problem._best_parameter("print")
    with open("._bbob_problem_best_parameter.txt") as f:
        return [float(x) for x in f.read().split()]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = {"source": "coco-experiment " + cocoex.__version__, "points": {}, "cases": []}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for dim, instances in CASES.items():
            at = points(dim)
            out["points"][str(dim)] = at
            numbers = ",".join(map(str, instances))
            for p in cocoex.Suite("bbob", "instances: " + numbers, "dimensions: %d" % dim):
                x = best(p)
                out["cases"].append({
                    "f": p.id_function, "dim": dim, "instance": p.id_instance,
                    "x_opt": x, "f_opt": p(x), "values": [p(y) for y in at],
                })
        os.chdir(here)
    with gzip.GzipFile(os.path.join(here, "bbob_golden.json.gz"), "wb", 9, mtime=0) as f:
        f.write(json.dumps(out, separators=(",", ":")).encode())


if __name__ == "__main__":
    main()
