"""The toy problem of population-based training (arXiv:1711.09846, figure 2), with
Python's standard library alone: find the maximum 1.2 of

    score(x, y) = 1.2 - (x*x + y*y)

by gradient ascent on 1.2 - (a*x*x + b*y*y), whose weights a and b are the
parameters. With a = 0 or b = 0 one coordinate never moves: no fixed weights of the
kind are as good as a schedule of them.

It trains to the step TUNER_BUDGET and saves its state, so that it can be paused and
copied; it says where it goes on from.
"""

import json
import os
import sys

a, b = (float(arg) for arg in sys.argv[1:3])
state = {"step": 0, "x": 0.9, "y": 0.9}

resume = os.environ.get("TUNER_RESUME_FROM")
if resume:
    with open(os.path.join(resume, "state.json")) as f:
        state = json.load(f)
    print(f"goes on from step {state['step']}", flush=True)

while state["step"] < int(os.environ["TUNER_BUDGET"]):
    state["step"] += 1
    state["x"] -= 0.02 * a * state["x"]
    state["y"] -= 0.02 * b * state["y"]
    score = 1.2 - (state["x"] ** 2 + state["y"] ** 2)
    print(f"step={state['step']} score={score}", flush=True)

with open(os.path.join(os.environ["TUNER_CHECKPOINT_DIR"], "state.json"), "w") as f:
    json.dump(state, f)
