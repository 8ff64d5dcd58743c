"""Optuna. The argument is the sampler: tpe, gp, cmaes, random or auto; a second
one is the pruner: hyperband, halving or median, each with Optuna's defaults.

Spaces are define-by-run: what is active is asked for trial by trial. Choices
are passed by index, ordinals as integers. A trial without a value fails.

auto follows the rule of OptunaHub's AutoSampler (package samplers/auto_sampler
of optuna/optunahub-registry) for one objective, which can't be installed from a
package index: the first trial at random; from then on TPE (multivariate, with
constant liar) once there are categorical or conditional parameters; else GP up
to 250 finished trials, then CMA-ES warm-started from them.
"""

import sys
import warnings

import numpy
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from pipe import serve
from tuner_space import Unsupported

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore")


def distribution(axis):
    if axis.kind == "choice":
        return CategoricalDistribution(range(axis.size))
    if axis.kind == "ordinal":
        return IntDistribution(0, axis.size - 1)
    if axis.kind == "int":
        return IntDistribution(axis.low, axis.high, log=axis.log, step=axis.step)
    return FloatDistribution(axis.low, axis.high, log=axis.log, step=axis.step)


class Tuner:
    version = optuna.__version__

    def __init__(self, study, sampler, pruner=NopPruner):
        self.space = study.space
        self.distributions = {p.name: distribution(p.axis) for p in self.space.free}
        self.study = optuna.create_study(
            direction="minimize", sampler=sampler(seed=study.seed), pruner=pruner(), study_name="study")

    def ask(self):
        trial, params = self.study.ask(), {}
        for p in self.space.params:
            if p.active(params):
                params[p.name] = p.axis.decode(self.suggest(trial, p)) if p.axis else p.only
        return trial, params

    def suggest(self, trial, p):
        d = self.distributions[p.name]
        if isinstance(d, CategoricalDistribution):
            return trial.suggest_categorical(p.name, d.choices)
        if isinstance(d, IntDistribution):
            return trial.suggest_int(p.name, d.low, d.high, step=d.step, log=d.log)
        return trial.suggest_float(p.name, d.low, d.high, step=d.step, log=d.log)

    def tell(self, trial, params, value):
        if value is None:
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, value)

    def report(self, trial, step, value):
        trial.report(value, step)
        return trial.should_prune()

    def prune(self, trial):
        self.study.tell(trial, state=TrialState.PRUNED)

    def preload(self, trials):
        if isinstance(self.study.sampler, CmaEsSampler):
            raise Unsupported("Optuna's CMA-ES learns from trials of its own only")
        self.study.add_trials([self.finished(*t) for t in trials])

    def finished(self, params, value):
        own = {n: self.space.by_name[n].axis.encode(v) for n, v in params.items() if n in self.distributions}
        return optuna.create_trial(
            params=own, distributions={n: self.distributions[n] for n in own}, value=value)


class Auto(Tuner):
    most_gp = 250

    def __init__(self, study):
        super().__init__(study, RandomSampler)
        self.random = numpy.random.RandomState(study.seed)
        self.keys = set()  # the sets of parameters that finished trials had
        self.choices = any(isinstance(d, CategoricalDistribution) for d in self.distributions.values())

    def ask(self):
        self.study.sampler = self.choose(self.study.sampler)
        return super().ask()

    def tell(self, trial, params, value):
        super().tell(trial, params, value)
        if value is not None:
            self.keys.add(frozenset(trial.params))

    def preload(self, trials):
        super().preload(trials)
        self.keys.update(frozenset(n for n in params if n in self.distributions) for params, _ in trials)

    def choose(self, now):
        if not self.keys or isinstance(now, TPESampler):
            return now
        seed = self.random.randint(2**31 - 1)
        if self.choices or len(self.keys) > 1:
            return TPESampler(seed=seed, multivariate=True, constant_liar=True, warn_independent_sampling=False)
        done = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(done) < self.most_gp:
            return now if isinstance(now, GPSampler) else GPSampler(seed=seed)
        if isinstance(now, CmaEsSampler):
            return now
        first = sorted(done, key=lambda t: t.datetime_complete)[:self.most_gp]
        return CmaEsSampler(seed=seed, source_trials=first)


pruners = {"hyperband": HyperbandPruner, "halving": SuccessiveHalvingPruner, "median": MedianPruner}
samplers = {"tpe": TPESampler, "gp": GPSampler, "cmaes": CmaEsSampler, "random": RandomSampler}

if __name__ == "__main__":
    which, rule = sys.argv[1], pruners[sys.argv[2]] if len(sys.argv) > 2 else NopPruner
    serve("-".join(["optuna"] + sys.argv[1:]),
          Auto if which == "auto" else lambda study: Tuner(study, samplers[which], rule), warm_up=12)
