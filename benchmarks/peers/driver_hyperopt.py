"""Hyperopt. The argument is the algorithm: tpe or rand.

Choices are hp.choice, floats hp.uniform and hp.loguniform, integers on a log
scale hp.qloguniform with q = 1; integers, ordinals and everything with a step
are hp.uniformint over the level. Conditions are hp.choice with what is active
nested below each level, so a parent is a choice even if it is an integer. The
seed of a suggestion is drawn as fmin does it. A trial without a value fails.
"""

import logging
import math
import sys

import numpy
from hyperopt import STATUS_FAIL, STATUS_OK, Trials, hp, rand, tpe
from hyperopt.base import JOB_STATE_DONE, JOB_STATE_RUNNING, Domain
from importlib.metadata import version

from pipe import serve
from tuner_space import levels, tree

logging.disable(logging.WARNING)


def leaf(p):
    """The expression of a parameter without children, and its decoder."""
    a = p.axis
    if a.kind == "choice":
        return hp.choice(p.name, list(range(a.size))), a.decode
    if a.log:
        ends = math.log(a.low), math.log(a.high)
        if a.kind == "int":
            return hp.qloguniform(p.name, *ends, 1), a.decode
        return hp.loguniform(p.name, *ends), a.decode
    if a.kind == "ordinal":
        return hp.uniformint(p.name, 0, a.size - 1), lambda x: a.decode(round(x))
    if a.step:
        return hp.uniformint(p.name, 0, levels(p) - 1), lambda x: a.decode(a.low + a.step * round(x))
    return hp.uniform(p.name, a.low, a.high), a.decode


class Tuner:
    version = version("hyperopt")

    def __init__(self, study, suggest):
        self.space, self.suggest = study.space, suggest
        self.tree = tree(self.space)
        self.nodes, self.decoders = {}, {}
        top = {p.name: self.node(p) for p in self.space.params if p.name not in self.tree}
        self.domain = Domain(lambda _: 0, top)
        self.trials = Trials()
        self.random = numpy.random.default_rng(study.seed)

    def node(self, p):
        """The expression of a parameter; one object, wherever it is nested."""
        if p.name not in self.nodes:
            self.nodes[p.name] = self.build(p)
        return self.nodes[p.name]

    def build(self, p):
        children = [(q, at[1]) for q in self.space.params if (at := self.tree.get(q.name)) and at[0] is p]
        if p.axis is None:
            return {q.name: self.node(q) for q, _ in children}
        if not children:
            expression, self.decoders[p.name] = leaf(p)
            return expression
        a = p.axis
        self.decoders[p.name] = a.decode if a.kind in ("choice", "ordinal") else lambda k: a.decode(a.low + a.step * k)
        return hp.choice(p.name, [
            {"level of " + p.name: k, **{q.name: self.node(q) for q, on in children if k in on}}
            for k in range(levels(p))])

    def ask(self):
        ids = self.trials.new_trial_ids(1)
        self.trials.refresh()
        seed = self.random.integers(2**31 - 1)
        documents = self.suggest(ids, self.domain, self.trials, seed)
        self.trials.insert_trial_docs(documents)
        self.trials.refresh()
        document = self.trials._dynamic_trials[-1]
        document["state"] = JOB_STATE_RUNNING
        values = {n: self.decoders[n](v[0]) for n, v in document["misc"]["vals"].items() if len(v)}
        return document, self.space.complete(values)

    def tell(self, document, params, value):
        if value is None:
            document["result"] = {"status": STATUS_FAIL}
        else:
            document["result"] = {"status": STATUS_OK, "loss": value}
        document["state"] = JOB_STATE_DONE
        self.trials.refresh()


suggesters = {"tpe": tpe.suggest, "rand": rand.suggest}

if __name__ == "__main__":
    serve("hyperopt-" + sys.argv[1], lambda study: Tuner(study, suggesters[sys.argv[1]]), warm_up=22)
