"""Nevergrad. The argument is the name of the optimiser in its registry, NGOpt.

Floats are Scalar and Log with bounds, integers the same with integer casting,
choices Choice, ordinals TransitionChoice; a step is an integer level.
Conditions are a Choice of Dicts with what is active nested below each level, so
a parent is a choice even if it is an integer; a parameter that is active under
several levels is a parameter of its own under each. The optimiser is told budget and
workers. A trial without a value has the loss infinity.
"""

import logging
import math
import sys
import warnings
from importlib.metadata import version

import nevergrad as ng

from pipe import serve
from tuner_space import levels, tree

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


def leaf(p):
    a = p.axis
    if a.kind == "choice":
        return ng.p.Choice(range(a.size))
    if a.kind == "ordinal":
        return ng.p.TransitionChoice(range(a.size))
    if a.log:
        scalar = ng.p.Log(lower=a.low, upper=a.high)
        return scalar.set_integer_casting() if a.kind == "int" else scalar
    if a.step:
        return ng.p.Scalar(lower=0, upper=levels(p) - 1).set_integer_casting()
    return ng.p.Scalar(lower=a.low, upper=a.high)


def decode(p, x):
    a = p.axis
    if a.step and not a.log:
        x = a.low + a.step * int(x)
    return a.decode(x)


class Tuner:
    version = version("nevergrad")

    def __init__(self, study, optimiser):
        self.space = study.space
        self.tree = tree(self.space)
        top = {p.name: self.node(p) for p in self.space.params if p.axis and p.name not in self.tree}
        parametrization = ng.p.Dict(**top)
        parametrization.random_state.seed(study.seed)
        make = ng.optimizers.registry[optimiser]
        self.optimiser = make(parametrization, budget=study.budget, num_workers=study.workers)

    def children(self, p):
        return [(q, at[1]) for q in self.space.params if (at := self.tree.get(q.name)) and at[0] is p and q.axis]

    def node(self, p):
        children = self.children(p)
        if not children:
            return leaf(p)
        return ng.p.Choice([
            ng.p.Dict(**{"": k}, **{q.name: self.node(q) for q, on in children if k in on})
            for k in range(levels(p))])

    def flatten(self, values, out):
        for name, x in values.items():
            if not name:
                continue
            p = self.space.by_name[name]
            if isinstance(x, dict):
                a, k = p.axis, x[""]
                out[name] = a.decode(k if a.kind in ("choice", "ordinal") else a.low + a.step * k)
                self.flatten(x, out)
            else:
                out[name] = decode(p, x)
        return out

    def ask(self):
        candidate = self.optimiser.ask()
        return candidate, self.space.complete(self.flatten(candidate.value, {}))

    def tell(self, candidate, params, value):
        self.optimiser.tell(candidate, math.inf if value is None else value)


if __name__ == "__main__":
    serve("nevergrad-" + sys.argv[1], lambda study: Tuner(study, sys.argv[1]), warm_up=12)
