"""The trainer's part, as processes that are started as the contract says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

import nas_operator

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = str(Path(nas_operator.__file__).parents[1])
TRAINER = ROOT / "examples/python/trainer.py"
NASCTL = os.environ.get("NASCTL", "nasctl")


class TrialTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": PACKAGE,
            "NAS_CONTRACT": "1",
            "NAS_EXPERIMENT": "small",
            "NAS_TRIAL_NAME": "small-7",
            "NAS_TRIAL_UID": "uid-7",
            "NAS_ATTEMPT": "1",
            "NAS_TARGET_RUNG": "1",
            "NAS_TARGET_STEP": "3",
            "NAS_RUNG_STEPS": "1,3,9",
            "NAS_MAX_STEP": "9",
            "NAS_STEP_UNIT": "epochs",
            "NAS_METRIC": "accuracy",
            "NAS_SEED": "1",
            "NAS_PARAMETERS": '{"learning_rate":0.5}',
            "NAS_CHECKPOINT_DIR": str(self.folder / "checkpoints"),
            "NAS_EVALUATE_EVERY": "1",
            "NAS_TERMINATION_LOG": str(self.folder / "log"),
            **more,
        }

    def start(self, program: list[str], **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(program, env=self.environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def train(self, *arguments: str, code: int = 0, **more: Any) -> dict[str, Any]:
        """Runs the example, and gives its report, or what it said."""
        process = self.start([sys.executable, str(TRAINER), *arguments], **more)
        out, error = process.communicate()
        self.assertEqual(process.returncode, code, error)
        log = self.folder / "log"
        said = log.read_text() if log.exists() else out
        return dict(json.loads(said)) if code == 0 and not arguments else {"said": said}

    def run_code(self, code: str, **more: str) -> tuple[int, str]:
        process = self.start([sys.executable, "-c", "from nas_operator.trial import *\n" + code], **more)
        _, error = process.communicate()
        return process.returncode, error

    def test_a_segment_reports_each_rung_and_the_curve(self) -> None:
        report = self.train()
        self.assertEqual((report["attempt"], report["seq"], report["step"]), (1, 2, 3))
        self.assertEqual(
            report["results"],
            [{"rung": 0, "outcome": "Value", "value": 0.5}, {"rung": 1, "outcome": "Value", "value": 0.875}],
        )
        self.assertEqual([point["step"] for point in report["curve"]], [1, 2, 3])

    def test_the_next_segment_goes_on_and_reports_what_was_there_before(self) -> None:
        first = self.train()
        second = self.train(NAS_ATTEMPT="2", NAS_TARGET_RUNG="2", NAS_TARGET_STEP="9")
        self.assertEqual(second["results"][:2], first["results"])
        self.assertEqual(second["results"][2]["value"], 1 - 0.5**9)
        self.assertEqual((second["attempt"], second["step"]), (2, 9))
        # A target that is reached is reported again, without what lies above it.
        again = self.train(NAS_ATTEMPT="3")
        self.assertEqual(again["results"], first["results"])
        self.assertEqual((again["attempt"], again["step"]), (3, 3))

    def test_a_newer_attempt_makes_an_older_one_void(self) -> None:
        self.train(NAS_ATTEMPT="2")
        self.assertIn("void", self.train(code=70)["said"])

    def test_what_is_wrong_with_the_environment_has_its_exit_code_and_words(self) -> None:
        for code, words, more in [
            (64, "NAS_CONTRACT is 9", {"NAS_CONTRACT": "9"}),
            (64, "NAS_ATTEMPT is 'x'", {"NAS_ATTEMPT": "x"}),
            (64, "NAS_RUNG_STEPS", {"NAS_RUNG_STEPS": "1;3"}),
            (64, "NAS_TARGET_RUNG is 3", {"NAS_TARGET_RUNG": "3"}),
            (78, "NAS_METRIC is 'f1'", {"NAS_METRIC": "f1"}),
            (78, "learning_rate is 'high': it must be a number", {"NAS_PARAMETERS": '{"learning_rate":"high"}'}),
            (78, "learning_rate is True", {"NAS_PARAMETERS": '{"learning_rate":true}'}),
            (78, "unknown parameters ['lr']", {"NAS_PARAMETERS": '{"lr":1}'}),
        ]:
            with self.subTest(words):
                self.assertIn(words, self.train(code=code, **more)["said"])

    def test_parameters_may_lie_in_a_file(self) -> None:
        path = self.folder / "parameters.json"
        path.write_text('{"learning_rate":1}')
        self.assertEqual(self.train(NAS_PARAMETERS=str(path))["results"][0]["value"], 1)

    def test_without_the_contract_it_says_who_starts_a_trainer(self) -> None:
        process = subprocess.run(
            [sys.executable, str(TRAINER)], env={"PYTHONPATH": PACKAGE}, capture_output=True, text=True, check=False
        )
        self.assertEqual(process.returncode, 64)
        self.assertIn("nasctl run", process.stderr)

    def test_check_says_what_would_be_trained_and_trains_nothing(self) -> None:
        self.assertIn("learning_rate=0.5", self.train("check")["said"])
        self.assertFalse((self.folder / "checkpoints").exists())

    def test_a_required_parameter_and_dotted_names(self) -> None:
        code = 'print(Trial().configure({"optimizer.beta2": 0.9, "kind": str}), file=__import__("sys").stderr)'
        self.assertEqual(self.run_code(code, NAS_PARAMETERS='{"optimizer.beta2":1}')[0], 78)
        done = self.run_code(code, NAS_PARAMETERS='{"optimizer.beta2":1,"kind":"sgd"}')
        self.assertEqual(done, (0, "{'optimizer.beta2': 1.0, 'kind': 'sgd'}\n"))

    def test_a_value_that_is_no_number_is_diverged(self) -> None:
        loop = "for step in trial.steps(lambda folder: None, lambda folder: None): trial.report(float('nan') if step == 3 else .5, step=step)"
        self.assertEqual(self.run_code(f"trial = Trial()\n{loop}")[0], 0)
        report = json.loads((self.folder / "log").read_text())
        self.assertEqual([result["outcome"] for result in report["results"]], ["Value", "Diverged"])
        self.assertEqual((report["seq"], report["results"][1]["rung"]), (2, 1))

    def test_a_rung_without_a_value_is_a_mistake_of_the_trainer(self) -> None:
        code, error = self.run_code("for step in Trial().steps(lambda folder: None, lambda folder: None): pass")
        self.assertEqual(code, 1)
        self.assertIn("trial.report(value, step=1)", error)

    def test_causes_of_an_end_have_their_exit_codes(self) -> None:
        for error, code in [("MemoryError('tensor')", 71), ("OSError(28, 'No space left')", 75), ("ValueError('odd')", 1)]:
            with self.subTest(error):
                self.assertEqual(self.run_code(f"with Trial(): raise {error}")[0], code)
                self.assertNotEqual((self.folder / "log").read_text(), "")
        self.assertEqual((self.folder / "log").read_text(), "ValueError: odd")

    def test_a_report_is_never_too_long(self) -> None:
        rungs = ",".join(str(10 * rung) for rung in range(1, 17))
        loop = (
            "trial = Trial()\nfor step in trial.steps(lambda folder: None, lambda folder: None):\n"
            "    trial.report(1 / 3 + step * 1e-9, step=step, metrics={f'metric_{n}': step / 7 for n in range(12)})"
        )
        more = {"NAS_RUNG_STEPS": rungs, "NAS_TARGET_RUNG": "15", "NAS_TARGET_STEP": "160", "NAS_MAX_STEP": "160"}
        self.assertEqual(self.run_code(loop, **more)[0], 0)
        text = (self.folder / "log").read_text()
        report = json.loads(text)
        self.assertLessEqual(len(text), 4096)
        self.assertEqual([result["value"] for result in report["results"]], [1 / 3 + 10 * rung * 1e-9 for rung in range(1, 17)])
        self.assertIn("metrics", report["results"][-1])
        self.assertNotIn("metrics", report["results"][0])

    def test_half_a_checkpoint_does_not_exist_and_one_of_another_trial_is_refused(self) -> None:
        self.train()
        newest = max((self.folder / "checkpoints").glob("a1-*/step-*"), key=lambda path: path.name)
        (newest / "trial.json").write_text('{"step": 3')
        self.assertEqual(self.train(NAS_ATTEMPT="2")["results"][1]["value"], 0.875)
        self.assertIn("another trial", self.train(code=65, NAS_ATTEMPT="3", NAS_TRIAL_UID="other")["said"])

    def test_a_stop_writes_a_checkpoint_from_which_the_next_attempt_ends_alike(self) -> None:
        long: dict[str, Any] = {"NAS_RUNG_STEPS": "2000", "NAS_TARGET_RUNG": "0", "NAS_TARGET_STEP": "2000", "NAS_MAX_STEP": "2000"}
        process = self.start([sys.executable, str(TRAINER)], NAS_CHECKPOINT_EVERY="0.05", **long)
        while process.poll() is None and not list((self.folder / "checkpoints").glob("a1-*/step-*")):
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate()
        self.assertEqual(process.returncode, 143, error)
        self.assertIn("after a checkpoint", (self.folder / "log").read_text())
        self.assertLessEqual(len(list((self.folder / "checkpoints").glob("a1-*/step-*"))), 2)
        report = self.train(NAS_ATTEMPT="2", **long)
        self.assertAlmostEqual(report["results"][0]["value"], 1.0)

    def test_the_example_keeps_to_the_contract(self) -> None:
        options = "--unit batches --rungs 1,2,150 --param learning_rate=0.05 --infeasible learning_rate=1.5 --".split()
        done = subprocess.run(
            [NASCTL, "conform", *options, sys.executable, str(TRAINER)],
            env={**os.environ, "PYTHONPATH": PACKAGE},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
