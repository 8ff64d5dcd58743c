"""HEBO with its defaults, one suggestion at a time.

Floats are num and pow, integers int and pow_int, choices cat, ordinals and what
has a step int (the level). HEBO has no conditions. It does not know of pending
trials, nor of trials without a value, which are not told.
"""

import random
import warnings
from importlib.metadata import version

import numpy
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

from pipe import serve
from tuner_space import levels

warnings.filterwarnings("ignore")


def stepped(p):
    a = p.axis
    return a.kind == "ordinal" or a.step and not a.log and not (a.kind == "int" and a.step == 1)


def parameter(p):
    a = p.axis
    if a.kind == "choice":
        return {"name": p.name, "type": "cat", "categories": list(range(a.size))}
    if stepped(p):
        return {"name": p.name, "type": "int", "lb": 0, "ub": levels(p) - 1}
    if a.kind == "int":
        return {"name": p.name, "type": "pow_int" if a.log else "int", "lb": a.low, "ub": a.high, "base": 10}
    return {"name": p.name, "type": "pow" if a.log else "num", "lb": a.low, "ub": a.high, "base": 10}


class Tuner:
    version = version("HEBO")

    def __init__(self, study):
        study.space.refuse(conditions=True)
        self.space = study.space
        random.seed(study.seed)
        numpy.random.seed(study.seed)
        torch.manual_seed(study.seed)
        self.hebo = HEBO(DesignSpace().parse([parameter(p) for p in self.space.free]), scramble_seed=study.seed)

    def ask(self):
        rows = self.hebo.suggest(n_suggestions=1)
        values = {}
        for p in self.space.free:
            a, x = p.axis, rows[p.name].iloc[0]
            if stepped(p) and a.kind != "ordinal":
                x = a.low + a.step * int(x)
            values[p.name] = a.decode(x)
        return rows, self.space.complete(values)

    def tell(self, rows, params, value):
        if value is not None:
            self.hebo.observe(rows, numpy.array([[value]]))


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve("hebo", Tuner, warm_up=10)
