"""Search spaces in their canonical JSON form (docs/guide/space.md) for drivers.

Space.params are in an order in which parents stand before their children. The
axis of a parameter is how a tuner sees it; there are four kinds:

    float    low, high, log, step (None: continuous; never with log)
    int      low, high, log, step (1 with log)
    choice   size; unordered, a level is 0 … size-1
    ordinal  size; the same, ordered. A tuner without ordinals takes an integer

axis.decode turns what the tuner gave into the parameter's value, axis.encode is
the inverse. What tuners have no form for is mapped here:

- A reverse-log range is the log range of y = low + high - value.
- A log range with a step other than 1 is one without; the value is the nearest
  level.
- A constant, or a range or list of one value, has no axis (axis is None): the
  driver adds its value.
- Priors and defaults are not passed on.
"""

import math


class Unsupported(Exception):
    """The tuner cannot take the space."""


def same(a, b):
    """Equality that keeps True and 1 apart."""
    return isinstance(a, bool) == isinstance(b, bool) and a == b


class Axis:
    def __init__(self, kind, size=0, low=None, high=None, log=False, step=None):
        self.kind, self.size = kind, size
        self.low, self.high, self.log, self.step = low, high, log, step


class NumberAxis(Axis):
    def __init__(self, p):
        self._mirror = p.scale == "reverse-log"
        self._low, self._high, self._step = p.low, p.high, p.step
        log = p.scale in ("log", "reverse-log")
        kind, step = p.kind, p.step
        if kind == "int":
            step = step or 1
            if log and step != 1:
                kind, step = "float", None
        elif log:
            step = None
        low, high = (float(p.low), float(p.high)) if kind == "float" else (p.low, p.high)
        super().__init__(kind, 0, low, high, log, step)
        self._integer = p.kind == "int"

    def decode(self, x):
        if self._mirror:
            x = self._low + self._high - x
        if self._integer:
            step = self._step or 1
            x = self._low + step * round((x - self._low) / step)
            return int(min(max(x, self._low), self._high))
        if self._step:
            x = self._low + self._step * round((x - self._low) / self._step)
        return float(min(max(x, self._low), self._high))

    def encode(self, v):
        x = self._low + self._high - v if self._mirror else v
        return min(max(x, self.low), self.high)


class LevelAxis(Axis):
    def __init__(self, p):
        super().__init__("ordinal" if p.kind == "ordinal" else "choice", len(p.choices))
        self._choices = p.choices

    def decode(self, k):
        return self._choices[int(k)]

    def encode(self, v):
        return next(k for k, c in enumerate(self._choices) if same(c, v))


class Param:
    def __init__(self, spec):
        self.name, self.kind = spec["name"], spec["type"]
        self.scale = spec.get("scale", "linear")
        self.when = spec.get("when")
        self.low, self.high, self.step = spec.get("low"), spec.get("high"), spec.get("step")
        choices = spec.get("choices", [False, True] if self.kind == "bool" else [])
        self.choices = [c["value"] if isinstance(c, dict) else c for c in choices]
        self.axis, self.only = None, None
        if self.kind in ("float", "int"):
            if self.low == self.high:
                self.only = float(self.low) if self.kind == "float" else self.low
            else:
                self.axis = NumberAxis(self)
        elif len(self.choices) == 1:
            self.only = self.choices[0]
        else:
            self.axis = LevelAxis(self)

    def active(self, params):
        """Whether it is part of a trial with these values of its parents."""
        if self.when is None:
            return True
        # A condition on an inactive parent does not hold, wherever it stands.
        return all(q in params for q in parents(self.when)) and holds(self.when, params)


def parents(c):
    """The names that a condition refers to."""
    if c is None:
        return set()
    if "param" in c:
        return {c["param"]}
    operands = c.get("all") or c.get("any") or [c["not"]]
    return set().union(*map(parents, operands))


def holds(c, params):
    if "all" in c:
        return all(holds(d, params) for d in c["all"])
    if "any" in c:
        return any(holds(d, params) for d in c["any"])
    if "not" in c:
        return not holds(c["not"], params)
    v = params[c["param"]]
    if "range" in c:
        lo, hi = c["range"]
        return (lo is None or lo <= v) and (hi is None or v <= hi)
    if "in" in c:
        return any(same(v, w) for w in c["in"])
    return not any(same(v, w) for w in c["not_in"])


class Space:
    def __init__(self, spec):
        if spec.get("constraints"):
            raise Unsupported("the space has constraints, which no driver passes on")
        self.params = in_order([Param(p) for p in spec["parameters"]])
        self.by_name = {p.name: p for p in self.params}
        self.free = [p for p in self.params if p.axis]
        self.conditional = any(p.when for p in self.params)

    def complete(self, params):
        """Those of params that are active, and the values of constants."""
        out = {}
        for p in self.params:
            if p.active(out):
                out[p.name] = params[p.name] if p.axis else p.only
        return out

    def refuse(self, conditions=False, choices=False):
        """Raises Unsupported for what the tuner cannot take."""
        if conditions and self.conditional:
            raise Unsupported("it has no conditional parameters")
        if choices and any(p.axis.kind == "choice" for p in self.free):
            raise Unsupported("it takes numbers only, and the space has unordered choices")


def in_order(params):
    """Parents before children, otherwise as they were."""
    out, names, rest = [], set(), list(params)
    while rest:
        p = next((p for p in rest if parents(p.when) <= names), None)
        if p is None:
            raise Unsupported("conditions go round in a circle or name unknown parameters")
        rest.remove(p)
        out.append(p)
        names.add(p.name)
    return out


class Cube:
    """The numeric axes as the unit cube, for tuners of plain vectors.

    Logarithmic ranges are laid out by ln. steps are the distance of
    neighbours where they are evenly spaced, else 0: integers on a logarithmic
    scale and the like are continuous and rounded by decode.
    """

    def __init__(self, space):
        self.params = space.free
        self.steps = [self._step(p.axis) for p in self.params]

    @staticmethod
    def _step(a):
        if a.kind == "ordinal":
            return 1 / (a.size - 1)
        return a.step / (a.high - a.low) if a.step and not a.log else 0.0

    def decode(self, u):
        out = {}
        for p, t in zip(self.params, u):
            a, t = p.axis, min(max(float(t), 0.0), 1.0)
            if a.kind == "ordinal":
                x = round(t * (a.size - 1))
            elif a.log:
                x = math.exp(math.log(a.low) + t * (math.log(a.high) - math.log(a.low)))
            else:
                x = a.low + t * (a.high - a.low)
            out[p.name] = a.decode(x)
        return out


def tree(space, most=16):
    """Conditions as a tree: {name: (parent, levels)} of conditional parameters.

    The parameter is active where its parent is at one of the levels, which
    count from 0. For tuners that nest parameters under a choice. A condition
    must have one parent, with up to most levels.
    """
    out = {}
    for p in space.params:
        if not p.when:
            continue
        names = parents(p.when)
        if len(names) != 1:
            raise Unsupported("the condition of %s has several parents, which no tree holds" % p.name)
        parent = space.by_name[names.pop()]
        n = levels(parent)
        if not 0 < n <= most:
            raise Unsupported("the parent %s of %s has no few levels" % (parent.name, p.name))
        out[p.name] = parent, [k for k in range(n) if holds(p.when, {parent.name: level_value(parent, k)})]
    return out


def levels(p):
    """How many values a parameter has; 0 if it is continuous."""
    a = p.axis
    if a is None:
        return 1
    if a.kind in ("choice", "ordinal"):
        return a.size
    return round((a.high - a.low) / a.step) + 1 if a.step else 0


def level_value(p, k):
    a = p.axis
    if a is None:
        return p.only
    return a.decode(k if a.kind in ("choice", "ordinal") else a.low + k * a.step)
