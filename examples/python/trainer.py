#!/usr/bin/env python3
"""The trainer of examples/minimal, with `nas_operator.trial` doing the contract's work: what it "trains" is one number that nears 1 step by step.

    PYTHONPATH=python/src nasctl conform --unit batches --rungs 1,2,150 --param learning_rate=0.05 --infeasible learning_rate=1.5 -- python3 examples/python/trainer.py
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from nas_operator.trial import Trial

with Trial() as trial:
    trial.require_metric("accuracy")
    config = trial.configure(learning_rate=0.1)
    if config["learning_rate"] > 1:
        trial.infeasible(f"learning_rate {config['learning_rate']} is above 1")
    state = {"number": 0.0}

    def save(folder: Path) -> None:
        (folder / "state.json").write_text(json.dumps(state))

    def load(folder: Path) -> None:
        state.update(json.loads((folder / "state.json").read_text()))

    for step in trial.steps(save, load):
        time.sleep(0.005)  # in place of work
        state["number"] += config["learning_rate"] * (1 - state["number"])
        if trial.is_due(step):
            trial.report(state["number"], step=step)
