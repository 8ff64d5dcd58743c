#!/usr/bin/env python3
"""Tunes a descent with the Python SDK: the parameters are what the objective asks
for, and hopeless trials end early. TUNER_URL and TUNER_TOKEN_FILE name the server.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../api/client/python"))
import tuner  # noqa: E402


def objective(trial):
    rate = trial.suggest_float("rate", 1e-3, 2.0, log=True)
    momentum = 0.0
    if trial.suggest_categorical("method", ["plain", "momentum"]) == "momentum":
        momentum = trial.suggest_float("momentum", 0.0, 0.99)
    x, speed = 4.0, 0.0
    for step in range(30):
        speed = momentum * speed - rate * 2 * x
        x += speed
        trial.report(x * x, step)
        if trial.should_prune():
            raise tuner.TrialPruned()
    if x * x > 1e6:
        raise tuner.Infeasible("it diverged")
    return x * x


study = tuner.create_study("descent", metric="loss", stopper="median", seed=1)
study.optimize(objective, n_trials=30, n_jobs=2)
states = [t.state for t in study.trials]
print("%d trials, %d of them ended early" % (len(states), states.count("pruned")))
print("the best loss is %.3g, at %s" % (study.best_value, study.best_params))
