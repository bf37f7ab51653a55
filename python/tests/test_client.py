"""The notebook's part: searches on this machine by `nasctl run`, and on a real API server.

NASCTL, CONTROL_PLANE (the program of nas-testkit) and KUBECTL name the programs.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

import nas_operator
from nas_operator import Client, NotAccepted, Search, SearchFailed, ToolError

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = str(Path(nas_operator.__file__).parents[1])
TRAINER = ROOT / "examples/python/trainer.py"
KUBECTL = os.environ.get("KUBECTL", "kubectl")
os.environ["PYTHONPATH"] = PACKAGE


def experiment(name: str = "small", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "nas-operator.dev/v1alpha1",
        "kind": "NasExperiment",
        "metadata": {"name": name},
        "spec": {
            "space": {"parameters": [{"name": "learning_rate", "double": {"min": 0.01, "max": 0.9, "scale": "Log"}}]},
            "sampler": {"random": {}},
            "scheduler": {"asha": {"eta": 2, "rungs": [1, 3, 9]}},
            "resource": {"unit": "batches", "max": 9},
            "maxTrials": 6,
            "parallelTrials": 2,
            "seed": 3,
            "trial": {"data": {"name": "none"}, "checkpoints": {"claim": "checkpoints"}},
            **spec,
        },
    }


class RunTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def begin(self, document: dict[str, Any] | Path) -> Search:
        search = Client().run(document, folder=self.folder / "run", trainer=TRAINER, data_dir=self.folder)
        # Whatever a test has seen of it: it is stopped, and has ended before its folder goes.
        self.addCleanup(self.end, search)
        return search

    @staticmethod
    def end(search: Search) -> None:
        search.suspend()
        with contextlib.suppress(SearchFailed, ToolError):
            search.wait(progress=False)

    def test_a_search_is_run_waited_for_and_read(self) -> None:
        lines: list[str] = []
        search = self.begin(experiment()).wait(progress=lines.append)
        self.assertTrue(any("trial" in line for line in lines), lines)
        trials = search.trials()
        self.assertEqual([trial["trial"] for trial in trials], list(range(6)))
        self.assertTrue(all(0.01 <= trial["params"]["learning_rate"] < 0.9 for trial in trials), trials)
        # What the trainer says of a configuration is known in advance.
        for trial in trials:
            for rung in trial["rungs"]:
                self.assertAlmostEqual(rung["value"], 1 - (1 - trial["params"]["learning_rate"]) ** [1, 3, 9][rung["rung"]])
        best = search.best()
        full = [trial for trial in trials if trial["rung"] == 2]
        self.assertEqual(best.trial, max(full, key=lambda trial: trial["value"])["trial"])
        self.assertEqual(best.params, trials[best.trial]["params"])
        self.assertIsNone(best.genotype)
        with self.assertRaisesRegex(ValueError, "has no darts"):
            best.module()
        self.assertIn("trial 0:", search.explain(0))
        self.assertIn("<html", search.report(self.folder / "report.html").read_text())
        # Another process finds it by its folder.
        again = Client().search(self.folder / "run")
        self.assertEqual(again.wait().best().value, best.value)
        self.assertEqual(again.experiment()["spec"]["maxTrials"], 6)

    @unittest.skipUnless(importlib.util.find_spec("pandas"), "pandas is not installed")
    def test_trials_are_a_table(self) -> None:
        search = self.begin(experiment(maxTrials=4)).wait(progress=False)
        table = search.trials().to_pandas()
        self.assertEqual(len(table), 4)
        self.assertLessEqual({"trial", "value", "state", "params.learning_rate", "rung_0"}, set(table.columns))
        self.assertEqual(table["trial"].tolist(), [0, 1, 2, 3])

    def test_a_search_that_was_suspended_goes_on_by_the_same_call(self) -> None:
        document = experiment(scheduler={"fullLength": {}}, resource={"unit": "batches", "max": 400}, maxTrials=2)

        def suspend(line: str) -> None:
            search.suspend()

        search = self.begin(document)
        with self.assertRaises(ToolError) as stopped:
            search.wait(progress=suspend)
        self.assertEqual(stopped.exception.code, 130, stopped.exception)
        with self.assertRaisesRegex(RuntimeError, "Client.run goes on"):
            search.resume()
        with self.assertRaisesRegex(RuntimeError, "has not ended"):
            Client().search(self.folder / "run").wait()
        done = self.begin(document).wait(progress=False)
        self.assertEqual([trial["state"] for trial in done.trials()], ["Value", "Value"])

    def test_a_search_that_was_stopped_has_ended(self) -> None:
        document = experiment(scheduler={"fullLength": {}}, resource={"unit": "batches", "max": 400}, maxTrials=2)
        lines: list[str] = []

        def stop_at_the_first_line(line: str) -> None:
            if not lines:
                search.stop()
            lines.append(line)

        search = self.begin(document)
        search.wait(progress=stop_at_the_first_line)
        self.assertIn("wallClock", search.describe()["end"]["message"])
        # Whoever else waits hears the same, and it ends once.
        self.assertIs(search.wait(progress=False), search)
        Client().search(self.folder / "run").wait()
        with self.assertRaisesRegex(ToolError, "has ended"):
            search.stop()

    def test_who_waits_no_longer_ends_nothing(self) -> None:
        def interrupt(line: str) -> None:
            raise KeyboardInterrupt

        search = self.begin(experiment())
        with self.assertRaises(KeyboardInterrupt):
            search.wait(progress=interrupt)
        search.wait(progress=False)
        self.assertTrue(search.describe()["end"]["succeeded"])

    def test_a_search_without_success_says_why(self) -> None:
        document = experiment(maxFailedTrials=0, trial={"data": {"name": "none"}, "env": {"PYTHONPATH": "/nowhere"}})
        search = self.begin(document)
        with self.assertRaises((SearchFailed, ToolError)) as failed:
            search.wait(progress=False)
        self.assertIn("nas_operator", str(failed.exception))

    def test_a_file_that_is_wrong_is_refused_with_its_field(self) -> None:
        path = self.folder / "wrong.json"
        path.write_text(json.dumps(experiment(maxTrials=0)))
        for wrong in (path, experiment(maxTrials=0)):
            with self.assertRaisesRegex(ToolError, "spec.maxTrials"):
                self.begin(wrong)

    def test_a_program_that_is_not_there_is_named(self) -> None:
        with self.assertRaisesRegex(ToolError, r"no-such-nasctl is not there.*Client\(nasctl=...\)"):
            Client(nasctl="no-such-nasctl").run(experiment())

    def test_experiments_of_other_tools_are_converted(self) -> None:
        converted, notes = Client().convert(ROOT / "cli/tests/convert/katib/hyperband.yaml")
        self.assertIn("hyperband", converted)
        self.assertIn("Not carried over:", notes)
        with self.assertRaisesRegex(ToolError, "no known kind"):
            path = self.folder / "other.yaml"
            path.write_text("a: 1")
            Client().convert(path)


class ClusterTest(unittest.TestCase):
    """Against a real kube-apiserver, with this test in the operator's place."""

    plane: subprocess.Popen[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.plane = subprocess.Popen([os.environ["CONTROL_PLANE"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert cls.plane.stdout is not None
        kubeconfig = cls.plane.stdout.readline().strip()
        assert kubeconfig, "the control plane did not start"
        os.environ["KUBECONFIG"] = kubeconfig
        cls.kubectl("apply", "--server-side", *(f"--filename={path}" for path in (ROOT / "crds").glob("*.yaml")))
        cls.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        cls.kubectl("create", "namespace", "research")

    @classmethod
    def tearDownClass(cls) -> None:
        assert cls.plane.stdin is not None and cls.plane.stdout is not None
        cls.plane.stdin.close()
        cls.plane.wait()
        cls.plane.stdout.close()

    @staticmethod
    def kubectl(*arguments: str) -> str:
        return subprocess.run([KUBECTL, *arguments], capture_output=True, text=True, check=True).stdout

    def write_status(self, name: str, status: dict[str, Any]) -> None:
        patch = json.dumps({"status": status})
        self.kubectl("patch", "nasexp", name, "-n", "research", "--subresource=status", "--type=merge", "--patch", patch)

    @staticmethod
    def condition(kind: str, status: bool, reason: str, message: str, **more: Any) -> dict[str, Any]:
        at = "2026-01-01T00:00:00Z"
        return {"type": kind, "status": str(status), "reason": reason, "message": message, "lastTransitionTime": at, **more}

    def test_an_experiment_is_submitted_and_found_again(self) -> None:
        client = Client(namespace="research")
        search = client.submit(experiment("found"))
        self.assertEqual(search.experiment()["spec"]["maxTrials"], 6)
        uid = search.experiment()["metadata"]["uid"]
        self.assertEqual(client.submit(experiment("found")).experiment()["metadata"]["uid"], uid)
        self.assertEqual(client.submit(experiment("found", maxTrials=9)).experiment()["spec"]["maxTrials"], 9)
        with self.assertRaisesRegex(ToolError, "create a new experiment for anything else"):
            client.submit(experiment("found", seed=4))
        self.assertEqual(search.trials(), [])
        with self.assertRaisesRegex(ToolError, "no trial has a result yet"):
            search.best()

    def test_it_is_suspended_and_resumed(self) -> None:
        search = Client(namespace="research").submit(experiment("paused"))
        search.suspend()
        self.assertTrue(search.experiment()["spec"]["suspend"])
        search.resume()
        self.assertFalse(search.experiment()["spec"]["suspend"])

    def test_it_is_stopped_for_good_as_nasctl_does(self) -> None:
        search = Client(namespace="research").submit(experiment("over"))
        search.stop()
        spec = search.experiment()["spec"]
        self.assertIn("wallClock", spec["budget"])
        self.assertFalse(spec.get("suspend"))

    def test_it_is_drained(self) -> None:
        search = Client(namespace="research").submit(experiment("drained"))
        counts = ("completed", "retired", "infeasible", "diverged", "outOfMemory", "failed", "misconfigured", "cancelled")
        self.write_status("drained", {"trials": {"created": 2, "running": 2, **dict.fromkeys(counts, 0)}})
        search.stop(drain=True)
        self.assertEqual(search.experiment()["spec"]["maxTrials"], 2)

    def test_the_end_is_waited_for(self) -> None:
        search = Client(namespace="research").submit(experiment("ends"))
        with self.assertRaises(TimeoutError):
            search.wait(timeout=0, progress=False)
        done = [self.condition("Finished", True, "MaxTrials", "all 6 trials have ended"), self.condition("Succeeded", True, "MaxTrials", "")]
        self.write_status("ends", {"conditions": done})
        lines: list[str] = []
        search.wait(progress=lines.append)
        self.assertEqual(lines, ["0 trials, 0 running"])

    def test_an_end_without_success_says_why(self) -> None:
        search = Client(namespace="research").submit(experiment("fails"))
        why = "4 trials have failed, and 3 are allowed"
        ended = [self.condition("Finished", True, "Failed", why), self.condition("Succeeded", False, "Failed", why)]
        self.write_status("fails", {"conditions": ended})
        with self.assertRaisesRegex(SearchFailed, why):
            search.wait(progress=False)

    def test_one_that_is_refused_is_not_waited_for(self) -> None:
        search = Client(namespace="research").submit(experiment("refused"))
        why = "there is no PersistentVolumeClaim checkpoints in namespace research"
        self.write_status("refused", {"conditions": [self.condition("Accepted", False, "ClaimMissing", why, observedGeneration=1)]})
        with self.assertRaisesRegex(NotAccepted, rf"refused is not accepted \(ClaimMissing\): {why}"):
            search.wait(progress=False)
        with self.assertRaisesRegex(ToolError, "refused is not accepted.*kubectl delete"):
            search.stop()
        # What was edited since is looked at anew.
        search = Client(namespace="research").submit(experiment("refused", maxTrials=9))
        with self.assertRaises(TimeoutError):
            search.wait(timeout=0, progress=False)

    def test_one_that_waits_for_an_earlier_one_is_waited_for(self) -> None:
        search = Client(namespace="research").submit(experiment("later"))
        why = "first has not finished yet: this experiment waits for it"
        self.write_status("later", {"conditions": [self.condition("Accepted", False, "WarmStartRunning", why)]})
        with self.assertRaisesRegex(TimeoutError, why):
            search.wait(timeout=0, progress=False)

    def test_what_is_not_there_is_told(self) -> None:
        with self.assertRaisesRegex(ToolError, "absent"):
            Client(namespace="research").search("absent").trials()


if __name__ == "__main__":
    unittest.main()
