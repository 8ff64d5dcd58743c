"""tuner for Python: one file, the standard library only, Python 3.9 and later.

Copy it beside your program. With a server (tuner serve):

    import tuner

    def objective(trial):
        lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
        for epoch in range(20):
            loss = train(lr)
            trial.report(loss, epoch)
            if trial.should_prune():
                raise tuner.TrialPruned()
        return loss

    study = tuner.create_study("mnist", metric="loss", direction="minimize")
    study.optimize(objective, n_trials=100)
    print(study.best_value, study.best_params)

The server is that of TUNER_URL and TUNER_TOKEN_FILE, or of the arguments url and
token. In a program that tuner starts (tuner sweep, tuner worker), tuner.current()
is the trial that the process is, and no server is needed.

The names are Optuna's where they mean the same. What is stored is stored by the
server before a call returns, and while it is away calls wait for it. See
docs/guide/python.md.
"""

import base64
import hashlib
import http.client
import json
import math
import os
import signal
import socket
import ssl
import sys
import threading
import time
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor

__all__ = ["create_study", "load_study", "current", "Study", "Trial", "FrozenTrial", "TrialState", "TunerError",
           "StudyDone", "TrialPruned", "Infeasible", "Superseded"]


class TunerError(Exception):
    """What the server refuses, or a use that cannot be right.

    code is as in docs/guide/server.md (invalid, conflict, not_found,
    unavailable…); field and remedy may be empty.
    """

    def __init__(self, message, code="invalid", field="", remedy=""):
        text = (field + ": " if field else "") + message + ("; " + remedy if remedy else "")
        super().__init__(text)
        self.code, self.message, self.field, self.remedy = code, message, field, remedy


class Superseded(TunerError):
    """The trial is somebody else's now: what it reports does not count."""


class StudyDone(TunerError):
    """The study hands out no more trials."""


class TrialPruned(Exception):
    """Raised by an objective that ends because should_prune() says so."""


class Infeasible(Exception):
    """Raised by an objective for a point that has no value."""


class TrialState:
    """The states of trials, as the server has them."""

    QUEUED, RUNNING, PAUSED = "queued", "running", "paused"
    COMPLETE, PRUNED, FAIL = "completed", "pruned", "failed"
    INFEASIBLE, CANCELLED = "infeasible", "cancelled"


# ---------------------------------------------------------------- the wire

def _spki(der):
    """The SubjectPublicKeyInfo of a certificate (RFC 5280, section 4.1)."""

    def element(at):  # start of the content and end of the element at a place
        size, at = der[at + 1], at + 2
        if size & 0x80:
            n = size & 0x7F
            size, at = int.from_bytes(der[at:at + n], "big"), at + n
        return at, at + size

    at, _ = element(0)   # Certificate
    at, _ = element(at)  # TBSCertificate
    if der[at] == 0xA0:  # version
        at = element(at)[1]
    for _ in range(5):   # serial number, algorithm, issuer, validity, subject
        at = element(at)[1]
    return der[at:element(at)[1]]


def _dumps(value):
    """JSON whose numbers keep their type; what JSON has no numbers for is text."""

    def plain(v):
        if isinstance(v, float) and not math.isfinite(v):
            return "NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity"
        if isinstance(v, dict):
            return {k: plain(x) for k, x in v.items()}
        if isinstance(v, (list, tuple)):
            return [plain(x) for x in v]
        return v

    return json.dumps(plain(value), allow_nan=False).encode()


def _number(v):
    return {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(v, v) if isinstance(v, str) else v


class _Held:
    """A connection, closed with the thread that has it."""

    def __init__(self, connection):
        self.connection = connection

    def __del__(self):
        self.connection.close()


class _Server:
    """A connection to a server, one socket a thread."""

    def __init__(self, url=None, token=None, pin=None):
        self.url = (url or os.environ.get("TUNER_URL") or "http://127.0.0.1:7070").rstrip("/")
        self.pin = pin or (os.environ.get("TUNER_PIN") if not url else None)
        self._token, self._file = token, None if token else os.environ.get("TUNER_TOKEN_FILE")
        if not token and not self._file:
            raise TunerError("there is no token", field="token",
                             remedy="set TUNER_TOKEN_FILE to the file that tuner serve names, or give token=")
        parts = urllib.parse.urlsplit(self.url)
        self._host, self._port, self._tls = parts.hostname, parts.port, parts.scheme == "https"
        if not self._host or parts.scheme not in ("http", "https") or parts.path or parts.query:
            raise TunerError("%r is no address of a server" % self.url, field="url", remedy="write it as in http://127.0.0.1:7070")
        if not self._tls and self._host not in ("localhost", "127.0.0.1", "::1"):
            raise TunerError("%s is not on this machine, and http would show the token to the network" % self.url, field="url",
                             remedy="use https, or a tunnel: ssh -L 7070:127.0.0.1:7070 HOST")
        if self.pin and not self._tls:
            raise TunerError("a pin is for https, and the address is %s" % self.url, field="pin")
        self._local = threading.local()

    def token(self):
        if self._token:
            return self._token
        try:
            with open(self._file) as f:
                return f.read().strip()
        except OSError as e:
            raise TunerError("the token cannot be read: %s" % e, field="TUNER_TOKEN_FILE") from e

    def _connect(self, timeout):
        if not self._tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        context = ssl.create_default_context()
        if self.pin:  # the key is checked instead of the name
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        c = http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=context)
        c.connect()
        if self.pin:
            der = c.sock.getpeercert(binary_form=True)
            got = "sha256:" + base64.b64encode(hashlib.sha256(_spki(der)).digest()).decode()
            if got != self.pin:
                c.close()
                raise TunerError("the server has the pin %s, not %s" % (got, self.pin), field="pin",
                                 remedy="compare with what tuner serve prints there")
        return c

    def send(self, method, path, body=None, timeout=40):
        """One request; TunerError of code unavailable if the server is away."""
        token = self.token()
        try:
            held = getattr(self._local, "held", None)
            if held is None:
                held = self._local.held = _Held(self._connect(timeout))
            elif held.connection.sock is not None:
                held.connection.sock.settimeout(timeout)
            c = held.connection
            c.request(method, path, body=None if body is None else _dumps(body),
                      headers={"Authorization": "Bearer " + token, "Content-Type": "application/json"})
            r = c.getresponse()
            status, data = r.status, r.read()
        except ssl.SSLCertVerificationError as e:
            raise TunerError("the certificate of %s is not good here: %s" % (self.url, e), field="url",
                             remedy="give the pin that tuner serve printed (pin= or TUNER_PIN)") from e
        except (OSError, http.client.HTTPException) as e:
            self._local.__dict__.pop("held", None)
            raise TunerError("%s cannot be reached: %s" % (self.url, e), "unavailable",
                             remedy="is tuner serve running there?") from e
        try:
            answer = json.loads(data) if data else None
        except ValueError:
            answer = None
        if status < 300 and answer is not None:
            return answer
        if not isinstance(answer, dict) or "code" not in answer:
            away = status in (502, 503, 504)
            raise TunerError("%s answers %d, and not as a tuner server does" % (self.url, status), "unavailable" if away else "internal")
        kind = Superseded if answer["code"] == "superseded" else TunerError
        raise kind(answer.get("detail", ""), answer["code"], answer.get("field", ""), answer.get("remedy", ""))

    def persist(self, method, path, body=None, timeout=40, patience=None):
        """send, again and again while the server is away; patience in seconds."""
        pause, began = 0.05, time.monotonic()
        while True:
            try:
                return self.send(method, path, body, timeout)
            except TunerError as e:
                if e.code != "unavailable" or patience is not None and time.monotonic() - began > patience:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 5)


def _quote(name):
    return urllib.parse.quote(str(name), safe="")


# ---------------------------------------------------------------- trials

class Trial:
    """A trial to evaluate. Do not make one; ask for it."""

    def __init__(self, host, number, params, seed=0, budget=0.0, metrics=()):
        self._host, self._metrics = host, list(metrics)
        self.number = number
        self.seed = seed        # for the trial's own randomness
        self.budget = budget    # what it may spend, 0 if there is none
        self._params, self._draws = dict(params), {}
        self._stop, self._reason, self._finals, self._unsent = False, "", {}, []
        self._over = ""
        self._lock = threading.Lock()

    @property
    def params(self):
        """The values of the parameters, those that were suggested so far."""
        return dict(self._params)

    def suggest_float(self, name, low, high, *, step=None, log=False):
        """A float between low and high, both included."""
        p = {"name": name, "type": "float", "low": float(low), "high": float(high)}
        if step is not None:
            p["step"] = float(step)
        if log:
            p["scale"] = "log"
        return float(self._draw(p))

    def suggest_int(self, name, low, high, *, step=1, log=False):
        """A whole number between low and high, both included."""
        p = {"name": name, "type": "int", "low": int(low), "high": int(high)}
        if step != 1:
            p["step"] = int(step)
        if log:
            p["scale"] = "log"
        return self._draw(p)

    def suggest_categorical(self, name, choices):
        """One of several numbers, texts or bools."""
        return self._draw({"name": name, "type": "categorical", "choices": list(choices)})

    def _draw(self, p):
        self._check_open()
        name = p["name"]
        if name not in self._draws:
            value = self._host.draw(self, p)
            self._draws[name], self._params[name] = (p, value), value
        before, value = self._draws[name]
        if before != p:
            raise TunerError("it was suggested as %s before, and now as %s" % (before, p), "conflict", "params." + str(name),
                             "use one range for a name")
        return value

    def report(self, value, step):
        """Report the first objective, or several metrics as a dict, at a step.

        While a server is away it is kept and sent with the next one.
        """
        self._check_open()
        if not isinstance(value, dict):
            if not self._metrics:
                raise TunerError("it is not known which metric the study optimises", "unsupported", remedy='report({"loss": value}, step)')
            value = {self._metrics[0]: value}
        with self._lock:
            self._unsent += [{"metric": k, "step": int(step), "value": float(v)} for k, v in value.items()]
            rs, self._unsent = self._unsent, []
        try:
            self._host.report(self, rs)
        except TunerError as e:
            if e.code != "unavailable":
                raise
            with self._lock:
                self._unsent = rs + self._unsent

    def should_prune(self):
        """Whether the trial should end now: raise TrialPruned then."""
        return self._stop

    @property
    def stop_reason(self):
        """Why should_prune() is true, in words."""
        return self._reason

    def set_metric(self, name, value):
        """A final value of a metric beside the objectives."""
        self._finals[name] = float(value)

    def _halt(self, reason):
        if not self._stop:
            self._reason = reason
            self._stop = True

    def _check_open(self):
        if self._over:
            raise TunerError("trial %d is over: it is %s" % (self.number, self._over), "conflict", remedy="ask for another")

    def __repr__(self):
        return "<Trial %d %s>" % (self.number, self._params)


class FrozenTrial:
    """A trial as it is stored."""

    def __init__(self, t, metrics):
        self.number, self.state = t["number"], t["state"]
        self.params, self.reason = t.get("params") or {}, t.get("reason", "")
        self.outside_space = t.get("outside_space", False)  # of the study's present space, which was changed since
        self.metrics = {k: _number(v) for k, v in (t.get("metrics") or {}).items()}
        self.values = [self.metrics.get(m) for m in metrics]
        self.value = self.values[0]

    def __repr__(self):
        return "<FrozenTrial %d %s %s at %s>" % (self.number, self.state, self.value, self.params)


class _Asked:
    """The host of the trials that a study was asked for: keeps their leases."""

    def __init__(self, study):
        self._study, self._server = study, study._server
        self.worker = "%s:python:%s" % (socket.gethostname().replace("|", "_"), uuid.uuid4().hex[:12])
        self._lock, self._open, self._beating = threading.Lock(), {}, False

    def _path(self, ref, what):
        return "%s/trials/%d/attempts/%d/%s" % (self._study._path, ref["trial"], ref["attempt"], what)

    def ask(self, timeout):
        until = None if timeout is None else time.monotonic() + timeout
        body = {"study": self._study.id, "worker": self.worker, "key": uuid.uuid4().hex, "executor": "ask"}
        while True:
            left = 20.0 if until is None else max(0.0, min(20.0, until - time.monotonic()))
            body["wait"] = "%dms" % (1000 * left)
            r = self._server.persist("POST", self._study._path + "/leases", body)
            if r["status"] == "granted":
                lease = r["leases"][0]
                t = Trial(self, lease["ref"]["trial"], lease.get("params") or {}, lease.get("seed", 0), lease.get("budget", 0.0), self._study.metrics)
                t._ref = lease["ref"]
                with self._lock:
                    self._open[t.number] = t
                    if not self._beating:
                        self._beating = True
                        threading.Thread(target=self._beat, daemon=True, name="tuner leases").start()
                return t
            if r["status"] == "done":
                raise StudyDone("the study %s hands out no more trials: %s" % (self._study.study_name, r.get("reason", "")), "exhausted")
            if until is not None and time.monotonic() >= until:
                return None

    def _beat(self):
        while True:
            with self._lock:
                ts = list(self._open.values())
                self._beating = bool(ts)
            if not ts:
                return
            began = time.monotonic()
            beats = [{"trial": t._ref["trial"], "attempt": t._ref["attempt"], "token": t._ref["token"],
                      "state": "stopping" if t._stop else "running"} for t in ts]
            try:
                r = self._server.send("POST", self._study._path + "/heartbeat", {"worker": self.worker, "beats": beats, "wait": "2s"})
                for t, d in zip(ts, r["decisions"]):
                    if d.get("stop"):
                        t._halt(d.get("reason") or d.get("kind", ""))
            except TunerError as e:
                if e.code in ("superseded", "not_found"):  # the study was removed
                    for t in ts:
                        t._halt(str(e))
            time.sleep(max(0.0, 1 - (time.monotonic() - began)))

    def report(self, t, rs):
        try:
            d = self._server.send("POST", self._path(t._ref, "reports"), {"token": t._ref["token"], "reports": rs})
        except TunerError as e:
            if e.code in ("superseded", "not_found"):
                t._halt(str(e))
            raise
        if d.get("stop"):
            t._halt(d.get("reason") or d.get("kind", ""))

    def draw(self, t, p):
        r = self._server.persist("POST", self._path(t._ref, "parameters"), {"token": t._ref["token"], "parameters": [p]})
        return r["params"][p["name"]]

    def finish(self, t, outcome, reason, metrics):
        t._check_open()
        body = {"token": t._ref["token"], "outcome": outcome, "reports": t._unsent, "metrics": {**t._finals, **metrics}}
        if reason:
            body["reason"] = reason
        try:
            t._over = self._server.persist("POST", self._path(t._ref, "finish"), body)["state"]
        except TunerError as e:
            if e.code not in ("superseded", "not_found"):
                raise
            t._over = "somebody else's"
            raise Superseded("the result of trial %d does not count: %s" % (t.number, e), "superseded") from e
        finally:
            if t._over:
                with self._lock:
                    self._open.pop(t.number, None)
        return t._over


# ---------------------------------------------------------------- studies

class Study:
    """A study on a server. Its methods may be called from several threads."""

    def __init__(self, server, project, info):
        self._server, self._project = server, project
        self.id, self.study_name = info["id"], info["spec"]["name"]
        self.metrics = [o["metric"] for o in info["spec"]["objectives"]]
        self.directions = ["minimize" if o["goal"] == "min" else "maximize" for o in info["spec"]["objectives"]]
        self._path = "/v1/projects/%s/studies/%s" % (_quote(project), _quote(self.study_name))
        self._asked, self._stopping = _Asked(self), False

    def info(self):
        """The study as the server has it: state, counts, spec."""
        info = self._server.persist("GET", self._path, patience=10)
        if info["id"] != self.id:
            raise TunerError("the study %s was removed, and another has its name now" % self.study_name, "not_found")
        return info

    def ask(self, timeout=None):
        """The next trial. It waits while there is none, at most timeout seconds
        (None then); StudyDone when there will be none."""
        return self._asked.ask(timeout)

    def tell(self, trial, values=None, state=None, reason=""):
        """End a trial: completed with a value, a list of the objectives' values or
        what was reported; or a TrialState (COMPLETE, PRUNED, FAIL, INFEASIBLE,
        and QUEUED to give it back). Returns the state that it has become."""
        outcome = {None: "completed", TrialState.QUEUED: "interrupted"}.get(state, state)
        if outcome not in ("completed", "pruned", "failed", "infeasible", "interrupted"):
            raise TunerError("%r is no state in which a trial can be told" % (state,), field="state")
        if values is None:
            values = []
        elif isinstance(values, (int, float)) or not hasattr(values, "__iter__"):
            values = [values]
        values = [float(v) for v in values]
        if values and len(values) != len(self.metrics):
            raise TunerError("%d values were told, and the study has %d objectives" % (len(values), len(self.metrics)), field="values")
        if outcome != "completed" and not reason:
            reason = trial.stop_reason or "the program said so"
        return self._asked.finish(trial, outcome, reason, dict(zip(self.metrics, values)))

    def optimize(self, func, n_trials=None, timeout=None, n_jobs=1, catch=(), callbacks=()):
        """Evaluate func(trial) for n_trials trials, or until timeout seconds have
        passed, or until the study is over, n_jobs at once in threads.

        An exception fails the trial and ends optimize, unless it is one of catch.
        callbacks are called as callback(study, frozen_trial) after each trial.
        """
        self._stopping, lock, left = False, threading.Lock(), [n_trials]
        until = None if timeout is None else time.monotonic() + timeout

        def next_trial():
            while not self._stopping and (until is None or time.monotonic() < until):
                with lock:
                    if left[0] is not None and left[0] <= 0:
                        return None
                    if left[0] is not None:
                        left[0] -= 1
                try:
                    t = self.ask(1)
                except StudyDone:
                    return None
                if t is not None:
                    return t
                with lock:
                    if left[0] is not None:
                        left[0] += 1
            return None

        def loop():
            for t in iter(next_trial, None):
                try:
                    self._evaluate(func, t, catch)
                except BaseException:
                    self._stopping = True
                    raise
                for callback in callbacks or ():
                    callback(self, self._frozen(t.number))

        if n_jobs == 1:
            loop()
            return
        with ThreadPoolExecutor(n_jobs) as pool:
            runs = [pool.submit(loop) for _ in range(n_jobs)]
        for r in runs:
            r.result()

    def _evaluate(self, func, t, catch):
        try:
            values = func(t)
            if values is None:
                raise TypeError("the objective returned None instead of a number")
        except TrialPruned:
            return self._end(t, state=TrialState.PRUNED)
        except Infeasible as e:
            return self._end(t, state=TrialState.INFEASIBLE, reason=str(e) or "infeasible")
        except Superseded:
            return self._end(t, state=TrialState.QUEUED)
        except Exception as e:
            self._end(t, state=TrialState.FAIL, reason="%s: %s" % (type(e).__name__, e))
            if not isinstance(e, tuple(catch) if isinstance(catch, (tuple, list)) else catch):
                raise
            return None
        except BaseException:  # an interrupt: somebody else may run it
            self._end(t, state=TrialState.QUEUED, reason="interrupted")
            raise
        return self._end(t, values)

    def _end(self, t, values=None, **how):
        try:
            self.tell(t, values, **how)
        except Superseded:
            pass  # another run of the trial counts

    def stop(self):
        """Let optimize end after the trials that run."""
        self._stopping = True

    def enqueue_trial(self, params):
        """Evaluate a point before those of the algorithm. Parameters that are not
        named are left to it."""
        self._server.persist("POST", self._path + "/trials", {"points": [params], "key": uuid.uuid4().hex}, patience=10)

    def _frozen(self, number):
        return FrozenTrial(self._server.persist("GET", "%s/trials/%d" % (self._path, number), patience=10), self.metrics)

    def get_trials(self, states=None):
        """All trials by number, or those of some states."""
        out, after = [], ""
        while True:
            query = {"limit": 1000, **({"after": after} if after else {}), **({"state": ",".join(states)} if states else {})}
            page = self._server.persist("GET", "%s/trials?%s" % (self._path, urllib.parse.urlencode(query)), patience=10)
            out += [FrozenTrial(t, self.metrics) for t in page["trials"]]
            after = page.get("next", "")
            if not after:
                return out

    @property
    def trials(self):
        """All trials by number."""
        return self.get_trials()

    @property
    def best_trials(self):
        """The best trial; with several objectives the Pareto front."""
        return [self._frozen(n) for n in self.info().get("best") or []]

    @property
    def best_trial(self):
        """The best completed trial, also one outside of the present space (outside_space)."""
        best = self.best_trials
        if not best:
            raise TunerError("no trial of %s has completed" % self.study_name, "not_found")
        return best[0]

    @property
    def best_value(self):
        """The first objective of the best trial."""
        return self.best_trial.value

    @property
    def best_params(self):
        """The parameters of the best trial."""
        return self.best_trial.params


def create_study(study_name, *, metric="value", direction="minimize", metrics=None, directions=None, space=None,
                 algorithm=None, algorithm_settings=None, stopper=None, stopper_settings=None, n_trials=None, seed=0,
                 project="default", url=None, token=None, pin=None):
    """Make a study, or continue the one of that name.

    direction is minimize or maximize; several objectives are metrics and
    directions. space is the search space in the form of docs/guide/space.md; by
    default the trials fill it (suggest_float…). n_trials is a limit of the study
    over all that run it. Objectives or a space that differ from those of a study
    that exists are an error.
    """
    metrics, directions = metrics or [metric], directions or [direction]
    if len(metrics) != len(directions):
        raise TunerError("there are %d metrics and %d directions" % (len(metrics), len(directions)), field="directions")
    goals = {"minimize": "min", "maximize": "max", "min": "min", "max": "max"}
    for d in directions:
        if d not in goals:
            raise TunerError("%r is no direction" % (d,), field="direction", remedy="use minimize or maximize")
    spec = {"name": study_name, "space": space or {"parameters": [], "open": True}, "seed": seed,
            "objectives": [{"metric": m, "goal": goals[d]} for m, d in zip(metrics, directions)]}
    for key, name, settings in (("algorithm", algorithm, algorithm_settings), ("stopper", stopper, stopper_settings)):
        if name:
            spec[key] = {"name": name, **({"settings": settings} if settings else {})}
    if n_trials:
        spec["budget"] = {"trials": n_trials}
    server = _Server(url, token, pin)
    return Study(server, project, server.persist("POST", "/v1/projects/%s/studies" % _quote(project), spec, patience=10))


def load_study(study_name, *, project="default", url=None, token=None, pin=None):
    """A study that exists."""
    server = _Server(url, token, pin)
    path = "/v1/projects/%s/studies/%s" % (_quote(project), _quote(study_name))
    return Study(server, project, server.persist("GET", path, patience=10))


# ---------------------------------------------------------------- processes

class _Process:
    """The host of the trial that this process is. Reports are printed, which
    needs no network; what the sweep does not have is drawn from the server."""

    def __init__(self, given, out):
        self._given, self._out, self._server, self.last = given, out, None, {}

    def report(self, _, rs):
        lines = {}
        for r in rs:
            if r["step"] < 0:
                raise TunerError("step %d is negative" % r["step"], field="step")
            if r["metric"] in ("", "step", "tuner"):
                raise TunerError("%r is no name of a metric" % r["metric"], field="metric")
            lines.setdefault(r["step"], {"tuner": "trial", "step": r["step"]})[r["metric"]] = r["value"]
            self.last[r["metric"]] = r["step"]
        for line in lines.values():
            self.print(line)

    def print(self, line):
        self._out.write(json.dumps(line) + "\n")  # NaN and Infinity are read bare
        self._out.flush()

    def draw(self, t, p):
        name = p["name"]
        if name in self._given:
            return _fitting(p, self._given[name])
        if not os.environ.get("TUNER_URL") or not os.environ.get("TUNER_TOKEN_FILE"):
            raise TunerError("this trial has no parameter of that name", "not_found", "params." + str(name), "give it to the sweep: -p %s=…" % name)
        if self._server is None:
            self._server = _Server()
        env = os.environ
        path = "/v1/projects/%s/studies/%s/trials/%d/attempts/%s/parameters" % (
            _quote(env["TUNER_PROJECT"]), _quote(env["TUNER_STUDY"]), t.number, env["TUNER_ATTEMPT"])
        return self._server.persist("POST", path, {"parameters": [p]})["params"][name]


def _fitting(p, v):
    """v, which the sweep chose, if it is a value of p."""
    if p["type"] == "float" and isinstance(v, int) and not isinstance(v, bool):
        v = float(v)
    kind = {"float": float, "int": int}.get(p["type"])
    if kind is None:
        ok = any(type(c) is type(v) and c == v for c in p["choices"])
    else:
        ok = type(v) is kind and p["low"] <= v <= p["high"]
    if not ok:
        raise TunerError("it is %r, which the program does not allow: %s" % (v, p), "conflict", "params." + p["name"],
                         "make the program and the sweep agree")
    return v


class CurrentTrial(Trial):
    """The trial that this process is."""

    attempt = 1
    trial_dir = checkpoint_dir = resume_from = ""

    def set_metric(self, name, value):
        """A final value of a metric: it takes the place of that of its last step."""
        self.report({name: value}, self._host.last.get(name, 0))

    def infeasible(self, reason):
        """Say that the point has no value; then exit with 0."""
        self._host.print({"tuner": "infeasible", "reason": str(reason)})


def current():
    """The trial that this process is, started by tuner sweep or tuner worker.

    Report prints JSON lines, which tuner reads; should_prune() is true once tuner
    has asked the process to end (by SIGTERM, SIGINT or SIGUSR1; a second signal
    ends it at once). The process's exit status says how it ended: to fail is to
    exit with another than 0. checkpoint_dir is where the attempt may save its
    state, resume_from what an earlier attempt has saved, "" if nothing.
    """
    env = os.environ
    if "TUNER_TRIAL" not in env or "TUNER_PARAMS_FILE" not in env:
        raise TunerError("tuner did not start this process: TUNER_TRIAL or TUNER_PARAMS_FILE is not set", "not_found",
                         remedy="run it as in: tuner sweep --min loss -p lr=1e-5..1e-1:log -n 30 -- python3 train.py")
    with open(env["TUNER_PARAMS_FILE"]) as f:
        params = json.load(f)
    t = CurrentTrial(_Process(params, sys.stdout), int(env["TUNER_TRIAL"]), params, int(env.get("TUNER_SEED") or 0),
                     float(env.get("TUNER_BUDGET") or 0), [env["TUNER_OBJECTIVE"]] if env.get("TUNER_OBJECTIVE") else [])
    t.attempt = int(env.get("TUNER_ATTEMPT") or 1)
    t.trial_dir, t.checkpoint_dir = env.get("TUNER_TRIAL_DIR", ""), env.get("TUNER_CHECKPOINT_DIR", "")
    t.resume_from = env.get("TUNER_RESUME_FROM", "")
    if threading.current_thread() is threading.main_thread():  # Python lets no other thread do it
        for name in ("SIGTERM", "SIGINT", "SIGUSR1"):
            if hasattr(signal, name):
                number = getattr(signal, name)

                def heard(n, _frame):
                    t._halt("signal %d" % n)
                    signal.signal(n, signal.SIG_DFL)

                signal.signal(number, heard)
    return t
