"""A loop of one's own: tuner proposes, this program evaluates. Python's standard
library only; any language that can start a program and read JSON does the same.

Gradient descent with momentum on Rosenbrock's function from (-1.5, 2): which
settings come nearest to the minimum, 0, in 200 steps? Trials that lag behind are
ended early by the median rule.
"""

import json
import math
import subprocess
import sys


class Tuner:
    """A study behind the pipe of "tuner ask --stdio"."""

    def __init__(self, *args):
        self.process = subprocess.Popen(
            ["tuner", "ask", "--stdio", *args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def __call__(self, op, **fields):
        """Sends a request and returns the reply to it."""
        self.process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("tuner has ended; it says why above")
        reply = json.loads(line)
        if "error" in reply:
            e = reply["error"]
            raise ValueError(f"{e['message']}; {e.get('remedy', '')}")
        return reply

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()  # what was asked for and not told is queued again
        self.process.wait()


def descend(lr, momentum, nesterov):
    """Yields the loss after every 20 steps."""
    x, y, vx, vy = -1.5, 2.0, 0.0, 0.0
    for step in range(1, 201):
        px, py = (x + momentum * vx, y + momentum * vy) if nesterov else (x, y)
        gx = -2 * (1 - px) - 400 * px * (py - px * px)
        gy = 200 * (py - px * px)
        vx, vy = momentum * vx - lr * gx, momentum * vy - lr * gy
        x, y = x + vx, y + vy
        if not abs(x) + abs(y) < 1e6:
            yield step, math.inf
            return
        if step % 20 == 0:
            yield step, (1 - x) ** 2 + 100 * (y - x * x) ** 2


def evaluate(tuner, number, params):
    for step, loss in descend(**params):
        if math.isinf(loss):
            tuner("tell", number=number, state="infeasible", reason=f"diverged at step {step}")
            return f"diverged at step {step}"
        reply = tuner("report", number=number, step=step, metrics={"loss": loss})
        if reply.get("stop"):
            tuner("tell", number=number, state="pruned")
            return reply["reason"]
    tuner("tell", number=number, metrics={"loss": loss})
    return f"loss {loss:.4g}"


def main():
    with Tuner("descent", "-q", "--min", "loss", "--stopper", "median", "-n", "60", "--seed", "1",
               "-p", "lr=1e-5..1e-2:log", "-p", "momentum=0.0..0.99", "-p", "nesterov=true,false") as tuner:
        while trials := tuner("ask").get("trials"):
            for t in trials:
                print(f"trial {t['number']}: {evaluate(tuner, t['number'], t['params'])}")
        best, = tuner("best")["trials"]
        print(f"best: trial {best['number']}, loss {best['metrics']['loss']:.4g} at {best['params']}")


if __name__ == "__main__":
    main()
