"""The loop of a driver: it answers the pipe protocol (api/types/pipe.go).

A driver has a function that opens a study and hands it to serve:

    class Tuner:
        version = "1.2.3"                      # of the tuner, not of the driver
        def ask(self): ...                     # -> (handle, params) of one trial
        def tell(self, handle, params, value): # value is None where it has none
        def recommend(self): ...               # optional -> handle or None
        def preload(self, trials): ...         # optional; [(params, value), ...]
        def report(self, handle, step, value): # optional -> whether to stop there
        def prune(self, handle): ...           # with report: the trial was stopped

    serve("name", lambda study: Tuner(study))

params are {name: value} of the active parameters, in the types of the space.
A handle is whatever the tuner needs to recognise the trial. Any number of
trials may be pending. ask raises Exhausted when there are no more points, and
opening raises Unsupported where the tuner cannot take the space.

A driver serves one study after the other: "open" begins a new one.

What an ask cost, "seconds" and "cpu", is the time in Tuner.ask and in the calls
of Tuner.tell since the last ask, because tuners differ in where they do their
work.

Beside the protocol there is {"op":"preload","trials":[{"params":…,"metrics":…}]},
which gives a tuner finished trials that it did not propose.
"""

import json
import math
import os
import sys
import time
import traceback

from tuner_space import Space, Unsupported


class Exhausted(Exception):
    """There are no further points."""


class Study:
    """What a tuner is opened for, from the study of the open request."""

    def __init__(self, spec):
        objectives = spec.get("objectives") or [{"metric": "value"}]
        if len(objectives) != 1:
            raise Unsupported("there is more than one objective")
        if objectives[0].get("goal") == "max":
            raise Unsupported("the objective is maximised; drivers minimise")
        self.metric = objectives[0].get("metric", "value")
        self.space = Space(spec["space"])
        # Several libraries take 32 bits only.
        self.seed = int(spec.get("seed", 0)) % 2**32
        self.budget = int((spec.get("budget") or {}).get("trials") or 100)
        self.workers = int(spec.get("parallelism") or 1)
        self.deterministic = spec.get("deterministic", "auto") != "no"


class Clock:
    """Adds up the time that is spent under it."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.seconds = 0.0
        self.cpu = 0.0

    def __enter__(self):
        self._start = time.perf_counter(), time.process_time()

    def __exit__(self, *_):
        self.seconds += time.perf_counter() - self._start[0]
        self.cpu += time.process_time() - self._start[1]


class Session:
    """One study and its trials."""

    def __init__(self, study, tuner):
        self.study, self.tuner = study, tuner
        self.clock = Clock()
        self.pending = {}  # number -> handle, params
        self.handles = []  # by number
        self.next = 0
        self.best = None  # value, number, params

    def ask(self, request):
        trials, done = [], None
        for _ in range(request.get("n") or 1):
            try:
                with self.clock:
                    handle, params = self.tuner.ask()
            except Exhausted as e:
                done = str(e) or "there are no further points"
                break
            self.pending[self.next] = handle, params
            self.handles.append(handle)
            trials.append({"number": self.next, "params": params})
            self.next += 1
        reply = {"trials": trials, "seconds": self.clock.seconds, "cpu": self.clock.cpu}
        self.clock.reset()
        if done:
            reply["done"] = done
        return reply

    def value(self, metrics):
        v = float((metrics or {}).get(self.study.metric, math.nan))
        return v if math.isfinite(v) else None

    def report(self, request):
        if not hasattr(self.tuner, "report"):
            return fault("unsupported", "the driver has no report")
        number = request.get("number", 0)
        if number not in self.pending:
            return fault("conflict", "trial %s is not pending" % number)
        value = self.value(request.get("metrics"))
        with self.clock:
            stop = self.tuner.report(self.pending[number][0], request["step"], value)
        return {"stop": bool(stop)}

    def tell(self, request):
        number = request.get("number", 0)
        if number not in self.pending:
            return fault("conflict", "trial %s is not pending" % number)
        if request.get("state") == "pruned" and hasattr(self.tuner, "prune"):
            handle, _ = self.pending.pop(number)
            with self.clock:
                self.tuner.prune(handle)
            return {}
        value = self.value(request.get("metrics"))
        if request.get("state", "completed") not in ("", "completed"):
            value = None
        handle, params = self.pending.pop(number)
        with self.clock:
            self.tuner.tell(handle, params, value)
        if value is not None and (self.best is None or value < self.best[0]):
            self.best = value, number, params
        return {}

    def recommend(self, _):
        # The tuner's own choice if it makes one, else the best observed.
        own = getattr(self.tuner, "recommend", lambda: None)()
        if own is not None:
            return {"trials": [{"number": self.handles.index(own), "params": {}}]}
        if self.best is None:
            return {}
        value, number, params = self.best
        return {"trials": [{"number": number, "params": params, "metrics": {self.study.metric: value}}]}

    def preload(self, request):
        if not hasattr(self.tuner, "preload"):
            return fault("unsupported", "the driver has no preload")
        self.tuner.preload([(t["params"], self.value(t["metrics"])) for t in request["trials"]])
        return {}


def fault(code, message):
    return {"error": {"code": code, "message": message}}


def answer(name, open_study, session, request):
    """The session after the request, and the reply."""
    op = request.get("op")
    if op == "open":
        study = Study(request["study"])
        session = Session(study, open_study(study))
        return session, {"name": name, "version": session.tuner.version}
    if op == "close":
        return None, {}
    ops = {"ask": "ask", "tell": "tell", "best": "recommend", "preload": "preload", "report": "report"}
    if op not in ops:
        return session, fault("unsupported", "the driver has no op %r" % op)
    if session is None:
        return session, fault("conflict", "no study is open")
    return session, getattr(session, ops[op])(request)


def warm(open_study, trials):
    floats = [{"name": n, "type": "float", "low": 0.0, "high": 1.0} for n in "xy"]
    study = Study({"space": {"parameters": floats}, "seed": 1, "budget": {"trials": 2 * trials}})
    tuner = open_study(study)
    for _ in range(trials):
        handle, params = tuner.ask()
        tuner.tell(handle, params, params["x"] + params["y"] ** 2)


def serve(name, open_study, warm_up=0):
    """Answers requests until the input ends.

    Before the first, a small study of warm_up trials is run, so that what the
    tuner imports late or compiles counts for no trial. It should reach the model.
    """
    # Libraries print. What they print goes to stderr, replies alone to stdout.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warm(open_study, warm_up)
    session = None
    for line in sys.stdin:
        try:
            session, reply = answer(name, open_study, session, json.loads(line))
        except Unsupported as e:
            reply = fault("unsupported", str(e))
        except Exception as e:  # the other side decides what a fault means
            traceback.print_exc()
            reply = fault("internal", "%s: %s" % (type(e).__name__, e))
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
