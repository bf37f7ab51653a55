"""Spaces of Ray Tune and Optuna, taken from the real packages where they are installed (`make check-python` brings Optuna; Ray is too large for that)."""

from __future__ import annotations

import importlib.util
import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

from nas_operator import Client, spaces


class SpacesTest(unittest.TestCase):
    def convert(self, file: dict[str, Any]) -> tuple[str, str]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "space.json")
            path.write_text(json.dumps(file))
            return Client().convert(path)

    def test_plain_values_and_what_no_file_can_say(self) -> None:
        file = spaces.ray_tune({"layers": 20, "net": {"kind": object()}}, name="small", metric="loss", mode="min")
        self.assertEqual(file["tune_config"], {"metric": "loss", "mode": "min"})
        self.assertEqual(list(file["param_space"]["net"]["kind"]), ["not in a file"])
        experiment, _ = self.convert(file)
        self.assertIn("{name: layers, constant: 20}", experiment)

    @unittest.skipUnless(importlib.util.find_spec("optuna"), "Optuna is not installed")
    def test_a_study_of_optuna(self) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(study_name="small-net", direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))

        def objective(trial: optuna.Trial) -> float:
            rate = trial.suggest_float("learning_rate", 0.005, 0.5, log=True)
            trial.suggest_int("channels", 4, 32)
            trial.suggest_categorical("optimizer", ["sgd", "adamw"])
            trial.report(rate, 9)
            return rate

        study.optimize(objective, n_trials=3)
        experiment, notes = self.convert(spaces.optuna(study))
        for line in (
            "metadata: {name: small-net}",
            "objective: {metric: accuracy, direction: Maximize}",
            "{name: learning_rate, double: {min: 0.005, max: 0.5, scale: Log}}",
            "{name: channels, int: {min: 4, max: 32}}",
            "{name: optimizer, categorical: {values: [sgd, adamw]}}",
            "random: {}",
            "resource: {unit: epochs, max: 9}",
            "maxTrials: 3",
        ):
            self.assertIn(line, experiment)
        self.assertIn("MedianPruner", notes)

    @unittest.skipUnless(importlib.util.find_spec("ray"), "Ray is not installed")
    def test_a_space_of_ray_tune(self) -> None:
        from ray import tune

        space = {
            "learning_rate": tune.loguniform(0.005, 0.5),
            "channels": tune.randint(4, 33),
            "depth": tune.lograndint(1, 100),
            "dropout": tune.quniform(0, 0.5, 0.1),
            "rate": tune.qloguniform(1e-4, 1e-1, 1e-4),
            "width": tune.qrandint(16, 64, 16),
            "units": tune.qlograndint(1, 100, 5),
            "optimizer": {"kind": tune.choice(["sgd", "adamw"]), "beta": tune.uniform(0.9, 0.99)},
            "init": tune.randn(0, 0.1),
            "seed": tune.grid_search([1, 2, 3]),
            "decay": tune.sample_from(lambda _: 0.1),
        }
        self.assertEqual(
            {name: value for name, value in spaces.ray_tune(space)["param_space"].items()},
            {
                "learning_rate": {"loguniform": [0.005, 0.5]},
                "channels": {"randint": [4, 33]},
                "depth": {"lograndint": [1, 100]},
                "dropout": {"quniform": [0, 0.5, 0.1]},
                "rate": {"qloguniform": [1e-4, 1e-1, 1e-4]},
                "width": {"qrandint": [16, 64, 16]},
                "units": {"qlograndint": [1, 100, 5]},
                "optimizer": {"kind": {"choice": ["sgd", "adamw"]}, "beta": {"uniform": [0.9, 0.99]}},
                "init": {"randn": [0, 0.1]},
                "seed": {"grid_search": [1, 2, 3]},
                "decay": {"sample_from": "<lambda>"},
            },
        )
        experiment, notes = self.convert(spaces.ray_tune(space, name="small-net", metric="accuracy", mode="max", num_samples=27))
        self.assertIn("{name: channels, int: {min: 4, max: 32}}", experiment)
        self.assertIn("param_space.decay.sample_from", notes)


if __name__ == "__main__":
    unittest.main()
