"""Ax: the Client of its API with its default generation strategy.

Floats and integers are range parameters, choices and ordinals choice parameters
of their levels without and with order; what has a step is an integer level.
Conditions are dependent_parameters of a choice, so a parent is a choice even if
it is an integer; each of them must hold at one level only. A trial without a
value failed.
"""

import logging
import warnings
from importlib.metadata import version

from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

from pipe import Exhausted, serve
from tuner_space import Unsupported, levels, tree

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


class Tuner:
    version = version("ax-platform")

    def __init__(self, study):
        self.space, self.tree = study.space, tree(study.space)
        self.client = Client(random_seed=study.seed % 2**31)
        self.client.configure_experiment([self.parameter(p) for p in self.space.free])
        self.client.configure_optimization(objective="-value")

    def dependents(self, p):
        out = {}
        for q in self.space.free:
            parent, on = self.tree.get(q.name, (None, []))
            if parent is p:
                if len(on) > 1:
                    raise Unsupported("%s is active under several values, which no tree of Ax holds" % q.name)
                out.setdefault(on[0], []).append(q.name)
        return out

    def parameter(self, p):
        a, below = p.axis, self.dependents(p)
        if below or a.kind in ("choice", "ordinal"):
            return ChoiceParameterConfig(
                p.name, list(range(levels(p))), "int", is_ordered=a.kind != "choice",
                dependent_parameters=below or None)
        scaling = "log" if a.log else "linear"
        if self.by_level(p):
            return RangeParameterConfig(p.name, (0, levels(p) - 1), "int")
        return RangeParameterConfig(p.name, (a.low, a.high), a.kind, scaling=scaling)

    def by_level(self, p):
        a = p.axis
        return a.step and not a.log and not (a.kind == "int" and a.step == 1) or (a.step and self.dependents(p))

    def ask(self):
        trials = self.client.get_next_trials(max_trials=1)
        if not trials:
            raise Exhausted("Ax gives no further trial")
        (index, own), = trials.items()
        values = {}
        for p in self.space.free:
            if p.name in own:
                a, x = p.axis, own[p.name]
                values[p.name] = a.decode(a.low + a.step * x if self.by_level(p) else x)
        return index, self.space.complete(values)

    def tell(self, index, params, value):
        if value is None:
            self.client.mark_trial_failed(index)
        else:
            self.client.complete_trial(index, raw_data={"value": value})


if __name__ == "__main__":
    serve("ax", Tuner, warm_up=8)
