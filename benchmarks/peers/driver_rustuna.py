"""Rustuna. The argument is the sampler: tpe, cmaes or random.

Mapped as Optuna's (driver_optuna.py), whose interface it has.
"""

import sys
from importlib.metadata import version

import rustuna

from pipe import serve

samplers = {
    "tpe": rustuna.samplers.TPESampler,
    "cmaes": rustuna.samplers.CmaEsSampler,
    "random": rustuna.samplers.RandomSampler,
}


class Tuner:
    version = version("rustuna")

    def __init__(self, study, sampler):
        self.space = study.space
        self.study = rustuna.create_study(direction="minimize", sampler=sampler(seed=study.seed))

    def ask(self):
        trial, params = self.study.ask(), {}
        for p in self.space.params:
            if p.active(params):
                params[p.name] = p.axis.decode(self.suggest(trial, p)) if p.axis else p.only
        return trial.number, params

    def suggest(self, trial, p):
        a = p.axis
        if a.kind == "choice":
            return trial.suggest_categorical(p.name, list(range(a.size)))
        if a.kind == "ordinal":
            return trial.suggest_int(p.name, 0, a.size - 1)
        if a.kind == "int":
            return trial.suggest_int(p.name, a.low, a.high, step=a.step, log=a.log)
        return trial.suggest_float(p.name, a.low, a.high, step=a.step, log=a.log)

    def tell(self, number, params, value):
        if value is None:
            self.study.tell(number, state=rustuna.trial.TrialState.FAIL)
        else:
            self.study.tell(number, value)


if __name__ == "__main__":
    which = samplers[sys.argv[1]]
    serve("rustuna-" + sys.argv[1], lambda study: Tuner(study, which), warm_up=12)
