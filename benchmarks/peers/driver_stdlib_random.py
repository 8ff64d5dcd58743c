"""Random search with nothing but the standard library.

This is the example of a driver: copy it to add a tuner. It takes every space
without constraints.
"""

import math
import platform
import random

from pipe import serve


class Tuner:
    version = platform.python_version()

    def __init__(self, study):
        self.space = study.space
        self.random = random.Random(study.seed)

    def ask(self):
        # In the order of the space, so that parents are known before children.
        params = {}
        for p in self.space.params:
            if p.active(params):
                params[p.name] = p.axis.decode(self.draw(p.axis)) if p.axis else p.only
        return None, params

    def draw(self, axis):
        if axis.kind in ("choice", "ordinal"):
            return self.random.randrange(axis.size)
        if axis.log:
            return math.exp(self.random.uniform(math.log(axis.low), math.log(axis.high)))
        if axis.step:
            levels = round((axis.high - axis.low) / axis.step) + 1
            return axis.low + axis.step * self.random.randrange(levels)
        return self.random.uniform(axis.low, axis.high)

    def tell(self, handle, params, value):
        pass  # random search learns nothing


if __name__ == "__main__":
    serve("stdlib-random", Tuner)
