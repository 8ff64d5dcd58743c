"""SMAC3. The argument is the facade: hpo (random forest) or bb (Gaussian process).

HyperparameterOptimizationFacade or BlackBoxFacade with their defaults: a Sobol
design of up to a quarter of the budget, then the model. Floats and integers are
Float and Integer, choices and ordinals Categorical without and with order (their
levels are values); what has a step is an integer level. Conditions on one value,
a list or a range, and "all" and "any" of these, are ConfigSpace's own; others
are refused.

On a problem with noise SMAC evaluates configurations again, and its incumbent is
what it recommends. A trial without a value has crashed and costs as much as the
worst so far, because the forest's logarithm of costs takes no infinity.
"""

import logging
import shutil
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

from ConfigSpace import (
    AndConjunction, Categorical, ConfigurationSpace, Float, InCondition, Integer, OrConjunction)
from smac import BlackBoxFacade, HyperparameterOptimizationFacade, Scenario
from smac.runhistory.dataclasses import TrialValue
from smac.runhistory.enumerations import StatusType

from pipe import Exhausted, serve
from tuner_space import Unsupported, holds, level_value, levels

warnings.filterwarnings("ignore")
logging.disable(logging.ERROR)


def parameter(p):
    a = p.axis
    if a.kind in ("choice", "ordinal"):
        return Categorical(p.name, list(range(a.size)), ordered=a.kind == "ordinal")
    if a.kind == "int" and a.step == 1:
        return Integer(p.name, (a.low, a.high), log=a.log)
    if a.step:
        return Integer(p.name, (0, levels(p) - 1))
    return Float(p.name, (a.low, a.high), log=a.log)


def stepped(a):
    return a.step and not (a.kind == "int" and a.step == 1)


def native(p, k):
    """What ConfigSpace calls the k-th level."""
    a = p.axis
    return a.low + k if a.kind == "int" and a.step == 1 else k


class Tuner:
    version = version("smac")

    def __init__(self, study, facade):
        self.space = study.space
        self.native = {p.name: parameter(p) for p in self.space.free}
        space = ConfigurationSpace(seed=study.seed)
        space.add(list(self.native.values()))
        space.add([self.condition(p, p.when) for p in self.space.free if p.when])
        self.noisy, self.told, self.worst = not study.deterministic, [], None
        self.folder = Path(tempfile.mkdtemp(prefix="tuner-smac-"))
        scenario = Scenario(
            space, output_directory=self.folder, deterministic=study.deterministic,
            n_trials=study.budget, seed=study.seed % 2**31)
        self.smac = facade(scenario, lambda config, seed=0: 0.0, overwrite=True, logging_level=False)

    def __del__(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def condition(self, p, c):
        for op, join in (("all", AndConjunction), ("any", OrConjunction)):
            if op in c:
                parts = [self.condition(p, d) for d in c[op]]
                return join(*parts) if len(parts) > 1 else parts[0]
        if "not" in c:
            raise Unsupported("the driver maps no conditions with not")
        parent = self.space.by_name[c["param"]]
        if parent.axis is None or not 0 < levels(parent) <= 1000:
            raise Unsupported("the driver maps no condition on %s, which has no list of values" % parent.name)
        on = [native(parent, k) for k in range(levels(parent)) if holds(c, {parent.name: level_value(parent, k)})]
        return InCondition(self.native[p.name], self.native[parent.name], on)

    def ask(self):
        try:
            info = self.smac.ask()
        except StopIteration:
            raise Exhausted("SMAC has no further configuration")
        values = {}
        for p in self.space.free:
            if p.name in info.config:
                a, x = p.axis, info.config[p.name]
                values[p.name] = a.decode(a.low + a.step * int(x) if stepped(a) else x)
        return info, self.space.complete(values)

    def tell(self, info, params, value):
        self.told.append(info)
        status = StatusType.CRASHED if value is None else StatusType.SUCCESS
        if value is not None:
            self.worst = value if self.worst is None else max(value, self.worst)
        cost = value if value is not None else self.worst or 0.0
        self.smac.tell(info, TrialValue(cost=cost, status=status), save=False)

    def recommend(self):
        if not self.noisy:
            return None
        incumbent = self.smac.intensifier.get_incumbent()
        return next((i for i in self.told if i.config == incumbent), None)


facades = {"hpo": HyperparameterOptimizationFacade, "bb": BlackBoxFacade}

if __name__ == "__main__":
    which = facades[sys.argv[1]]
    serve("smac-" + sys.argv[1], lambda study: Tuner(study, which), warm_up=12)
