#!/usr/bin/env python3
"""A program that tuner starts once for each trial:

    tuner sweep --min loss -p rate=0.001..1.0:log -n 10 -- python3 train.py
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../api/client/python"))
import tuner  # noqa: E402

trial = tuner.current()
rate = trial.suggest_float("rate", 0.001, 1.0, log=True)
x = 4.0
for step in range(20):
    x -= rate * 2 * x
    trial.report(x * x, step)
    if trial.should_prune():
        break
