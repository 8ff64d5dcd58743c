#!/usr/bin/env python3
"""Writes optuna_samples.json.gz: what Optuna's TPESampler suggests after some
histories, by which TestDistributionOfOptuna judges this package.

    python3 -m venv /some/where && /some/where/bin/pip install optuna==5.0.0
    cd suggest/tpe/testdata && /some/where/bin/python optuna_samples.py

The committed file was made with Optuna 5.0.0 and numpy 2.4.6. For each history
the file has the parameters, the trials, and DRAWS suggestions by parameter.
Numbers are stored as positions on the parameter's own scale (its logarithm for
logarithmic ones) in ten-thousandths of the range; choices as indices. Steps and
integers are their values.

Of equal observations, which one counts as the outermost depends on the order in
which numpy.argsort leaves them, which differs between processors. It is made
stable here, so that the order is that of the trials, as in this package.
"""
import gzip
import json
import math
import os
import random
import warnings

import numpy
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

DRAWS = 2000

argsort = numpy.argsort
numpy.argsort = lambda a, *args, **named: argsort(a, *args, **{"kind": "stable", **named})


def number(name, low, high, log=False, step=None, when=None):
    return dict(name=name, kind="float", low=low, high=high, log=log, step=step, when=when)


def integer(name, low, high, log=False, when=None):
    return dict(name=name, kind="int", low=low, high=high, log=log, step=None, when=when)


def choice(name, choices):
    return dict(name=name, kind="categorical", choices=choices, when=None)


X, Y, LR = number("x", -5.0, 5.0), number("y", -5.0, 5.0), number("lr", 1e-4, 1.0, log=True)
N, W, BIG = integer("n", 1, 8), integer("w", 1, 64, log=True), integer("big", 1, 300)
S, C = number("s", 0.0, 1.0, step=0.25), choice("c", ["a", "b", "c"])
OPT = choice("opt", ["sgd", "adam"])
M = number("momentum", 0.0, 1.0, when=["opt", "sgd"])
B = number("beta", 1e-3, 1.0, log=True, when=["opt", "adam"])

# name, parameters, trials, running ones, with pruned and failed ones, sampler's settings
CASES = [
    ("floats 12", [X, LR], 12, 0, False, {}),
    ("floats 60", [X, Y, LR], 60, 0, False, {}),
    ("integers 60", [N, W, BIG], 60, 0, False, {}),
    ("steps 30", [S, X], 30, 0, False, {}),
    ("mixed 60", [X, LR, N, C], 60, 2, True, {}),
    ("independent 60", [X, LR, N, C], 60, 2, True, {"multivariate": False}),
    ("conditional 60", [OPT, X, M, B], 60, 0, False, {"group": True}),
]


def distribution(p):
    if p["kind"] == "categorical":
        return CategoricalDistribution(p["choices"])
    if p["kind"] == "int":
        return IntDistribution(p["low"], p["high"], log=p["log"])
    return FloatDistribution(p["low"], p["high"], log=p["log"], step=p["step"])


def unit(p, v):
    if p["kind"] == "categorical":
        return p["choices"].index(v) / (len(p["choices"]) - 1)
    if p["log"]:
        return math.log(v / p["low"]) / math.log(p["high"] / p["low"])
    return (v - p["low"]) / (p["high"] - p["low"])


def history(params, count, running, rough):
    """The trials: random points, a third of them near a good one, so that the
    good and the bad ones differ."""
    rng, out = random.Random(count + len(params)), []
    for i in range(count + running):
        point = {}
        for j, p in enumerate(params):
            if p["when"] and point[p["when"][0]] != p["when"][1]:
                continue
            u = rng.random()
            if i % 3 == 0:
                u = 0.3 + 0.1 * j + 0.2 * (u - 0.5)
            if p["kind"] == "categorical":
                point[p["name"]] = p["choices"][min(int(u * len(p["choices"])), len(p["choices"]) - 1)]
                continue
            v = p["low"] * (p["high"] / p["low"]) ** u if p["log"] else p["low"] + (p["high"] - p["low"]) * u
            if p["kind"] == "int":
                v = min(max(round(v), p["low"]), p["high"])
            elif p["step"]:
                v = p["low"] + p["step"] * round((v - p["low"]) / p["step"])
            point[p["name"]] = v
        value = sum((unit(p, point[p["name"]]) - 0.3 - 0.1 * j) ** 2
                    for j, p in enumerate(params) if p["name"] in point) + 0.05 * rng.random()
        trial = dict(point=point, state="completed", value=value, step=0)
        if i >= count:
            trial["state"] = "running"
        elif rough and i % 7 == 3:
            trial.update(state="pruned", step=i % 5 + 1)
        elif rough and i % 11 == 5:
            trial["state"] = "failed"
        out.append(trial)
    return out


STATES = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL,
          "running": TrialState.RUNNING}


def frozen(params, t):
    state = STATES[t["state"]]
    return create_trial(
        state=state, params=t["point"],
        distributions={p["name"]: distribution(p) for p in params if p["name"] in t["point"]},
        value=t["value"] if state == TrialState.COMPLETE else None,
        intermediate_values={t["step"]: t["value"]} if state == TrialState.PRUNED else {})


def draws(params, trials, settings):
    sampler = optuna.samplers.TPESampler(seed=1, **settings)
    study = optuna.create_study(sampler=sampler)
    for t in trials:
        study.add_trial(frozen(params, t))
    current = study._storage.get_trial(study._storage.create_new_trial(study._study_id))
    independent = settings.get("multivariate") is False
    space = {} if independent else sampler.infer_relative_search_space(study, current)
    out = {p["name"]: [] for p in params}
    for _ in range(DRAWS):
        point = sampler.sample_relative(study, current, space)
        if independent:
            point = {p["name"]: sampler.sample_independent(study, current, p["name"], distribution(p)) for p in params}
        for p in params:
            v = point[p["name"]]
            if p["kind"] == "categorical":
                v = p["choices"].index(v)
            elif p["kind"] == "float" and not p["step"]:
                v = round(1e4 * unit(p, v))
            out[p["name"]].append(v)
    return out


def main():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore")
    cases = []
    for name, params, count, running, rough, settings in CASES:
        trials = history(params, count, running, rough)
        cases.append(dict(name=name, params=params, trials=trials, draws=draws(params, trials, settings)))
        print(name)
    file = dict(optuna=optuna.__version__, numpy=numpy.__version__, cases=cases)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "optuna_samples.json.gz")
    with gzip.GzipFile(path, "wb", mtime=0) as f:
        f.write(json.dumps(file, separators=(",", ":")).encode())
    print(optuna.__version__, numpy.__version__, os.path.getsize(path), "bytes")


main()
