"""Tests of tuner.py against the real program: make python.

TUNER_BIN names the tuner binary; by default it is bin/tuner.
"""

import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tuner  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
BIN = os.environ.get("TUNER_BIN") or str(HERE.parents[2] / "bin" / "tuner")
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("TUNER_")}


class Server:
    """tuner serve on a database of its own, which can be killed and started again."""

    def __init__(self, folder, *flags):
        self.folder, self.flags, self.listen = folder, flags, "127.0.0.1:0"
        self.db, self.pin = os.path.join(folder, "t.db"), None
        self.start()

    def start(self):
        self.process = subprocess.Popen([BIN, "serve", "--listen", self.listen, "--db", self.db, *self.flags], env=CLEAN,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        text = ""
        for line in self.process.stdout:
            text += line
            url = re.match(r"url +(\S+)", line)
            if url:
                self.url = url.group(1)
            if line.startswith("use it:"):
                break
        else:
            raise AssertionError("tuner serve ended: " + text)
        pin = re.search(r"sha256:[A-Za-z0-9+/=]+", text)
        self.pin = pin and pin.group(0)
        self.token_file = re.search(r"TUNER_TOKEN_FILE=(\S+)", text).group(1)
        self.listen = self.url.split("//")[1]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    @property
    def token(self):
        return pathlib.Path(self.token_file).read_text().strip()

    def access(self):
        return {"url": self.url, "token": self.token}


class WithServer(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.server = Server(self.folder)
        self.addCleanup(lambda: self.server.kill())

    def study(self, name="s", **how):
        return tuner.create_study(name, metric="loss", seed=1, **how, **self.server.access())


def branches(trial):
    x = trial.suggest_float("x", -5, 5)
    if trial.suggest_categorical("kind", ["flat", "steep"]) == "steep":
        return x * x + trial.suggest_int("n", 1, 16, log=True)
    return x * x


class Studies(WithServer):
    def test_optimize(self):
        study, seen = self.study(), []

        def objective(trial):
            v = branches(trial)
            for step in range(3):
                trial.report(v + 3 - step, step)
            self.assertEqual(trial.suggest_float("x", -5, 5), trial.params["x"])
            return v

        study.optimize(objective, n_trials=40, callbacks=[lambda s, t: seen.append(t)])
        trials = study.trials
        self.assertEqual([t.number for t in trials], list(range(40)))
        self.assertEqual({t.state for t in trials}, {tuner.TrialState.COMPLETE})
        best = min(trials, key=lambda t: t.value)
        self.assertEqual((study.best_value, study.best_params, study.best_trial.number), (best.value, best.params, best.number))
        self.assertLess(study.best_value, 1)
        self.assertEqual("n" in best.params, best.params["kind"] == "steep")
        self.assertIsInstance(best.params["x"], float)
        self.assertEqual([t.number for t in seen], list(range(40)))
        # It goes on, and repeats nothing.
        again = self.study()
        again.optimize(objective, n_trials=5)
        self.assertEqual(len(again.trials), 45)

    def test_ends_of_trials(self):
        study = self.study(metrics=["loss", "size"], directions=["minimize", "maximize"], algorithm="random")
        for how, state in (({"values": [1, 2]}, "completed"), ({"values": [math.nan, 1]}, "infeasible"), ({"state": "pruned"}, "pruned"),
                           ({"state": tuner.TrialState.INFEASIBLE, "reason": "too large"}, "infeasible"), ({"state": tuner.TrialState.FAIL}, "failed"),
                           ({"state": tuner.TrialState.QUEUED}, "queued")):
            t = study.ask()
            t.set_metric("other", 7)
            t.report({"loss": 5, "extra": math.inf}, 0)
            self.assertEqual(study.tell(t, **how), state)
            for misuse in (lambda: study.tell(t, [1, 2]), lambda: t.report(1, 1), lambda: t.suggest_int("a", 1, 2)):
                with self.assertRaisesRegex(tuner.TunerError, "trial %d is over: it is %s; ask for another" % (t.number, state)):
                    misuse()
        one, bad = study.trials[0], study.trials[1]
        self.assertEqual((one.values, one.metrics["other"], one.metrics["extra"]), ([1, 2], 7, math.inf))
        self.assertTrue(math.isnan(bad.value))
        again = study.ask()
        self.assertEqual(again.number, 5)  # the one that was given back
        for wrong in (lambda: study.tell(again, [1]), lambda: study.tell(again, [1, 2], state="done")):
            self.assertRaises(tuner.TunerError, wrong)
        study.tell(again, [1, 1])

    def test_exceptions(self):
        study = self.study()

        def objective(trial):
            if trial.number == 1:
                raise tuner.TrialPruned()
            if trial.number == 2:
                raise tuner.Infeasible("no memory")
            if trial.number == 3:
                raise ValueError("caught")
            if trial.number == 4:
                raise KeyError("not caught")
            return trial.suggest_float("x", 0, 1)

        with self.assertRaisesRegex(KeyError, "not caught"):
            study.optimize(objective, n_trials=9, catch=(ValueError,))
        self.assertEqual([(t.state, t.reason) for t in study.trials[1:]], [
            ("pruned", "the program said so"), ("infeasible", "no memory"), ("failed", "ValueError: caught"), ("failed", "KeyError: 'not caught'")])

        def interrupted(trial):
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            study.optimize(interrupted, n_trials=1)
        self.assertEqual(study.trials[5].state, "queued")

    def test_refusals(self):
        study = self.study()
        study.optimize(branches, n_trials=12)
        t = study.ask()
        with self.assertRaisesRegex(tuner.TunerError, r"space\.x: .*high 5.0 → 6.0"):
            t.suggest_float("x", -5, 6)
        with self.assertRaisesRegex(tuner.TunerError, "type float → int"):
            t.suggest_int("x", -5, 5)
        t.suggest_categorical("kind", ["flat", "steep"])
        with self.assertRaisesRegex(tuner.TunerError, "use one range for a name"):
            t.suggest_categorical("kind", ["flat"])
        study.tell(t, state="failed", reason="x")
        with self.assertRaisesRegex(tuner.TunerError, "objective: min loss → max loss"):
            self.study(direction="maximize")
        with self.assertRaisesRegex(tuner.TunerError, "there is no algorithm"):
            self.study("other", algorithm="tep")
        with self.assertRaises(tuner.TunerError) as e:
            tuner.load_study("none", **self.server.access())
        self.assertEqual(e.exception.code, "not_found")
        with self.assertRaises(tuner.TunerError) as e:
            tuner.create_study("s", url=self.server.url, token="x" * 40)
        self.assertEqual(e.exception.code, "unauthenticated")
        for url in ("http://example.org", "ftp://localhost", "localhost:7070", "http://localhost/x"):
            with self.assertRaises(tuner.TunerError):
                tuner.create_study("s", url=url, token="t")
        with self.assertRaisesRegex(tuner.TunerError, "no token"):
            tuner.create_study("s", url="http://localhost:1")
        empty = self.study("empty")
        with self.assertRaisesRegex(tuner.TunerError, "no trial of empty has completed"):
            empty.best_value

    def test_the_server_is_killed(self):
        study, killed = self.study(), threading.Event()

        def restart():
            self.server.kill()
            time.sleep(1)
            self.server.start()

        threads = []

        def objective(trial):
            v = branches(trial)
            if trial.number >= 10 and not killed.is_set():
                killed.set()
                threads.append(threading.Thread(target=restart))
                threads[0].start()
            for step in range(3):
                trial.report(v + 3 - step, step)
            return v

        told = []
        study.optimize(objective, n_trials=30, n_jobs=3, callbacks=[lambda s, t: told.append(t)])
        threads[0].join()
        self.assertEqual(sorted(t.number for t in told), list(range(30)))
        self.assertEqual({t.number: t.value for t in study.trials}, {t.number: t.value for t in told})

    def test_stopped_from_elsewhere(self):
        study = self.study(n_trials=3)
        t = study.ask()
        connection = tuner._Server(self.server.url, self.server.token)
        connection.send("POST", "/v1/projects/default/studies/s/trials/cancel", {"numbers": [0], "reason": "no use"})
        until = time.monotonic() + 30
        while not t.should_prune() and time.monotonic() < until:
            time.sleep(0.05)
        self.assertEqual((t.should_prune(), t.stop_reason), (True, "no use"))
        self.assertEqual(study.tell(t, 1), "cancelled")
        study.optimize(branches)  # until the study is over
        with self.assertRaises(tuner.StudyDone):
            study.ask()
        self.assertEqual(len(study.get_trials(["completed"])), 3)

    def test_pruned_by_the_stopper(self):
        study = self.study(stopper="median", stopper_settings={"startup": 2}, algorithm="random")

        def objective(trial):
            trial.suggest_float("x", 0, 1)
            for step in range(50):
                trial.report(trial.number + step, step)
                if trial.should_prune():
                    raise tuner.TrialPruned()
            return 0.0

        study.optimize(objective, n_trials=6)
        pruned = study.get_trials(["pruned"])
        self.assertGreater(len(pruned), 0)
        self.assertIn("median", pruned[0].reason)

    def test_declared_space_and_enqueue(self):
        space = {"parameters": [{"name": "x", "type": "float", "low": 0.0, "high": 1.0}, {"name": "n", "type": "int", "low": 1, "high": 3}]}
        study = self.study(space=space)
        study.enqueue_trial({"x": 0.25})
        t = study.ask()
        self.assertEqual(t.params["x"], 0.25)
        self.assertEqual((t.suggest_float("x", 0, 1), t.suggest_int("n", 1, 3)), (0.25, t.params["n"]))
        with self.assertRaisesRegex(tuner.TunerError, "not open"):
            t.suggest_float("y", 0, 1)
        study.tell(t, 1)
        self.assertFalse(study.best_trial.outside_space)
        space["parameters"][0]["low"] = 0.5
        study._server.persist("PATCH", study._path, {"space": space}, patience=10)
        self.assertTrue(study.best_trial.outside_space)


class Encrypted(unittest.TestCase):
    def test_pin(self):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(folder, "--listen", "0.0.0.0:0")
            try:
                self.assertTrue(server.pin, "it printed no pin")
                url = "https://127.0.0.1:" + server.url.rsplit(":", 1)[1]
                study = tuner.create_study("s", url=url, token=server.token, pin=server.pin)
                study.optimize(branches, n_trials=3)
                self.assertEqual(len(study.trials), 3)
                other = "sha256:" + "A" * 43 + "="
                with self.assertRaisesRegex(tuner.TunerError, "the server has the pin"):
                    tuner.load_study("s", url=url, token=server.token, pin=other)
                with self.assertRaisesRegex(tuner.TunerError, "certificate"):
                    tuner.load_study("s", url=url, token=server.token)
            finally:
                server.kill()


PROGRAM = """
    import math, os, sys
    sys.path.insert(0, %r)
    import tuner
    t = tuner.current()
    x, n = t.suggest_float("x", 0, 1), t.suggest_int("n", 1, 4)
    assert t.checkpoint_dir and os.path.isdir(t.checkpoint_dir), t.checkpoint_dir
    %%s
""" % str(HERE)


class Processes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def program(self, body):
        path = os.path.join(self.folder, "program.py")
        head = textwrap.dedent(PROGRAM % "").rstrip()
        pathlib.Path(path).write_text(head + "\n" + textwrap.dedent(body))
        return [sys.executable, path]

    def sweep(self, body, *flags, n=4, where=None):
        where = where or ["--db", os.path.join(self.folder, "t.db")]
        return subprocess.run([BIN, "sweep", "--name", "s", "--min", "loss", "-p", "x=0.0..1.0", "-p", "n=1..4", "-n", str(n), *where,
                               "--dir", os.path.join(self.folder, "trials"), *flags, "--", *self.program(body)],
                              env=CLEAN, capture_output=True, text=True, timeout=120)

    def export(self, *where):
        r = subprocess.run([BIN, "export", "s", "-o", "json", *(where or ["--db", os.path.join(self.folder, "t.db")])],
                           env=CLEAN, capture_output=True, text=True, check=True)
        return r.stdout

    def test_reports(self):
        r = self.sweep("""
            for step in range(3):
                t.report({"loss": x + 3 - step, "other": math.nan}, step)
            t.report(x * n, 3)
        """)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertIn("4 completed", r.stdout + r.stderr)

    def test_reports_beside_what_is_read_otherwise(self):
        body = """
            for step in range(1, 4):
                t.report({"loss": step + 0.5, "acc": 0.1}, step)
                print("loss %d" % step, flush=True)
                with open(os.path.join(t.trial_dir, "metrics.txt"), "a") as f:
                    f.write("loss=%d fromfile=8\\n" % step)
            t.set_metric("acc", 0.75)
        """
        for name, flags in (("plain", []), ("file", ["--metric-file", "{trial.dir}/metrics.txt"]), ("regex", ["--metric-regex", r"loss (\S+)"])):
            r = self.sweep(body, *flags, "--name", name, n=1)
            self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
            r = subprocess.run([BIN, "show", name, "0", "--json", "--db", os.path.join(self.folder, "t.db")], env=CLEAN, capture_output=True, text=True)
            trial = json.loads(r.stdout)
            self.assertEqual(trial["metrics"]["loss"], 3.5, r.stdout)
            self.assertEqual(trial["metrics"]["acc"], 0.75, r.stdout)
            self.assertEqual(trial["metrics"].get("fromfile"), 8 if name == "file" else None, r.stdout)
            curve = [(x["step"], x["value"]) for x in trial["reports"] if x["metric"] == "loss"]
            self.assertEqual(curve, [(1, 1.5), (2, 2.5), (3, 3.5)], r.stdout)
        r = self.sweep('t.report({"tuner": 1.0}, 0)\n', "--name", "bad", n=3)
        self.assertIn("'tuner' is no name of a metric", r.stdout + r.stderr)

    def test_infeasible_and_misfits(self):
        r = self.sweep('t.infeasible("no use")\nt.report(1, 0)\n', n=2)
        self.assertIn("2 infeasible", r.stdout + r.stderr)
        out = self.sweep('t._draws.clear(); t.suggest_float("n", 0.0, 0.5)\n', "--name", "misfit", n=3)
        self.assertIn("which the program does not allow", out.stdout + out.stderr)
        out = self.sweep('t.suggest_float("y", 0.0, 0.5)\n', "--name", "missing", n=3)
        self.assertIn("give it to the sweep: -p y=", out.stdout + out.stderr)

    def test_signal(self):
        r = self.sweep("""
            import time
            t.report(1.0, 0)
            until = time.monotonic() + 60
            while not t.should_prune() and time.monotonic() < until:
                time.sleep(0.01)
            open(os.path.join(t.checkpoint_dir, "saved"), "w").write(t.stop_reason)
            sys.exit(0 if t.should_prune() else 1)
        """, "--timeout", "1s", "--retries", "-1", n=1)
        saved = [p.read_text() for p in pathlib.Path(self.folder).rglob("saved")]
        self.assertEqual(saved, ["signal %d" % signal.SIGTERM], r.stdout + r.stderr)

    def test_draws_from_the_server(self):
        server = Server(self.folder)
        try:
            where = ["--url", server.url, "--token-file", server.token_file]
            run = {"command": self.program("""
                t.report(t.suggest_float("drawn", 2.0, 3.0), 0)
                assert t.suggest_float("drawn", 2.0, 3.0) == t.params["drawn"]
            """), "dir": self.folder}
            connection = tuner._Server(server.url, server.token)
            connection.send("POST", "/v1/projects/default/studies", {
                "name": "s", "objectives": [{"metric": "loss", "goal": "min"}], "budget": {"trials": 4}, "run": run,
                "space": {"parameters": [{"name": "x", "type": "float", "low": 0.0, "high": 1.0}, {"name": "n", "type": "int", "low": 1, "high": 4}],
                          "open": True}})
            r = subprocess.run([BIN, "worker", "s", "--trust-server-commands", "--dir", os.path.join(self.folder, "trials"), *where],
                               env=CLEAN, capture_output=True, text=True, timeout=120)
            trials = tuner.load_study("s", url=server.url, token=server.token).trials
            self.assertEqual([t.state for t in trials], ["completed"] * 4, r.stdout + r.stderr + str([t.reason for t in trials]))
            for t in trials:
                self.assertTrue(2 <= t.params["drawn"] <= 3)
                self.assertEqual(t.metrics["loss"], t.params["drawn"])
        finally:
            server.kill()

    def test_not_started_by_tuner(self):
        r = subprocess.run(self.program(""), env=CLEAN, capture_output=True, text=True)
        self.assertIn("tuner did not start this process", r.stderr)


class Words(unittest.TestCase):
    def test_json(self):
        text = tuner._dumps({"a": [1, 1.0, 1e-7, math.nan, math.inf, -math.inf, True, "ä"]}).decode()
        self.assertEqual(json.loads(text)["a"], [1, 1.0, 1e-7, "NaN", "Infinity", "-Infinity", True, "ä"])
        self.assertIn("[1, 1.0, 1e-07", text)


if __name__ == "__main__":
    unittest.main()
