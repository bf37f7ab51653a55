"""For trainers: what a trial is asked for, its checkpoints, its report, and the signal to stop.

A training script becomes a trainer like this::

    from nas_operator.trial import Trial

    trial = Trial()                                   # first of all: from here on a signal to stop is heard
    import torch                                      # what is slow to import comes after it

    config = trial.configure(learning_rate=0.05, channels=8)
    model = network(config["channels"])
    sgd = torch.optim.SGD(model.parameters(), config["learning_rate"])

    def save(folder):
        torch.save({"model": model.state_dict(), "sgd": sgd.state_dict()}, folder / "state.pt")

    def load(folder):
        state = torch.load(folder / "state.pt")
        model.load_state_dict(state["model"])
        sgd.load_state_dict(state["sgd"])

    for epoch in trial.steps(save, load):             # goes on where the newest checkpoint ends
        train_epoch(model, sgd)
        trial.report(accuracy(model), step=epoch)

The contract behind it is docs/trainer-contract.md: everything here can be done by hand, in any language.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal, NoReturn, Union

Scalar = Union[bool, int, float, str]
"""What a parameter can be."""

USAGE, DATA, FENCED, OUT_OF_MEMORY, TEMPORARY, CONFIGURATION, STOPPED = 64, 65, 70, 71, 75, 78, 143
"""Exit codes of the contract."""

CONTRACT = "1"
MAX_REPORT = 4096
"""Most bytes of a report."""
MAX_CURVE = 32
"""Most points of a learning curve in a report."""
KEPT = 2
"""Checkpoints that a process keeps of its own."""


class Trial:
    """One segment of a trial: bring it from its newest checkpoint to its target.

    Making one reads the environment, begins to listen for SIGTERM, and ends the process with the contract's exit code where something is wrong. Used
    as a context manager it also says why the process ended: out of memory and a full disk get their exit codes, and the last words of any other
    exception are what `nasctl describe` shows.
    """

    name: str
    """Name of the trial, such as `small-net-7`."""
    experiment: str
    """Name of the experiment."""
    uid: str
    """Id of the trial, never used again."""
    attempt: int
    """Which attempt of the trial this is."""
    parameters: dict[str, Scalar]
    """The configuration as it was given. `configure` also checks it."""
    seed: int
    """Seed of initial weights, order of data, augmentation."""
    metric: str
    """The metric whose value decides."""
    unit: Literal["epochs", "batches"]
    """What a step is."""
    rung_steps: list[int]
    """The step of every rung, ascending."""
    target_rung: int
    """The rung to reach, from 0."""
    target_step: int
    """Steps of training at that rung, counted from the trial's beginning."""
    max_step: int
    """Steps of a full training: as long are schedules of the learning rate, whatever the target."""
    checkpoint_dir: Path
    """The trial's own folder, kept between segments. Each process writes to a folder of its own below it: `steps` and `checkpoint` see to that."""
    checkpoint_every: float
    """Seconds between checkpoints within a segment; infinite: only where a rung ends."""
    evaluate_every: int
    """Epochs between evaluations for the learning curve; 0: only at rungs."""
    data_dir: Path
    """Folder of data sets."""
    data_name: str
    """Which of them."""
    validation: Literal["Heldout", "TestSet", "Final"]
    """Which images decide."""
    threads: int | None
    """Threads for computing on the CPU; None: your choice."""

    def __init__(self, environ: Mapping[str, str] | None = None, argv: Sequence[str] | None = None) -> None:
        self._stops: list[int] = []
        signal.signal(signal.SIGTERM, self._hear)
        self._environ = os.environ if environ is None else environ
        self._log = Path(self._environ.get("NAS_TERMINATION_LOG") or "/dev/termination-log")
        if "NAS_CONTRACT" not in self._environ:
            self.exit(USAGE, "NAS_CONTRACT is not set: a trainer is started by `nasctl run`, `nasctl conform` or the operator")
        if self._read("NAS_CONTRACT") != CONTRACT:
            self.exit(USAGE, f"NAS_CONTRACT is {self._read('NAS_CONTRACT')}: this version of nas_operator knows {CONTRACT}")
        self.is_check = list(sys.argv[1:] if argv is None else argv) == ["check"]
        self.name, self.experiment = self._read("NAS_TRIAL_NAME"), self._read("NAS_EXPERIMENT")
        self.uid = self._read("NAS_TRIAL_UID")
        self.attempt, self.seed = self._whole("NAS_ATTEMPT"), self._whole("NAS_SEED")
        self.metric = self._read("NAS_METRIC")
        self.unit = "batches" if self._read("NAS_STEP_UNIT") == "batches" else "epochs"
        self.target_rung, self.target_step = self._whole("NAS_TARGET_RUNG"), self._whole("NAS_TARGET_STEP")
        self.max_step = self._whole("NAS_MAX_STEP")
        self.rung_steps = self._rungs()
        self.checkpoint_dir = Path(self._read("NAS_CHECKPOINT_DIR"))
        self.checkpoint_every = self._seconds("NAS_CHECKPOINT_EVERY") or math.inf
        self.evaluate_every = int(self._seconds("NAS_EVALUATE_EVERY"))
        self.data_dir = Path(self._environ.get("NAS_DATA_DIR") or "data")
        self.data_name = self._environ.get("NAS_DATA_NAME") or ""
        validation = self._environ.get("NAS_VALIDATION") or "Heldout"
        self.validation = "TestSet" if validation == "TestSet" else "Final" if validation == "Final" else "Heldout"
        self.threads = int(self._seconds("NAS_THREADS")) or None
        self.parameters = self._parameters()
        process = self._environ.get("NAS_POD_UID") or f"{time.time_ns()}"
        self._own = self.checkpoint_dir / f"a{self.attempt}-{process}"
        self._results: list[dict[str, Any]] = []
        self._curve: list[dict[str, Any]] = []
        self._step = 0
        self._saved = time.monotonic()

    # What is asked for.

    def configure(self, defaults: Mapping[str, Scalar | type] | None = None, /, **more: Scalar | type) -> dict[str, Any]:
        """The configuration, checked against what the trainer knows: each parameter with its default, or with its type where it must be given.

        A float takes whole numbers as well. Parameters of other names or types end the process with 78, since a typing error would train the default
        in each trial. Names with dots are given as a mapping: `configure({"optimizer.beta2": 0.999}, learning_rate=float)`.

        `nasctl run` starts a trainer once with the argument `check`: then the process ends here, with 0.
        """
        known: dict[str, Scalar | type] = {**(defaults or {}), **more}
        if unknown := sorted(self.parameters.keys() - known.keys()):
            self.exit(CONFIGURATION, f"unknown parameters {unknown}: this trainer knows {sorted(known)}")
        config: dict[str, Any] = {}
        for name, default in known.items():
            kind = default if isinstance(default, type) else type(default)
            if name not in self.parameters:
                if isinstance(default, type):
                    self.exit(CONFIGURATION, f"the parameter {name} is missing: add it to space.parameters")
                config[name] = default
                continue
            value = self.parameters[name]
            if kind is float and type(value) is int:
                value = float(value)
            if type(value) is not kind:
                self.exit(CONFIGURATION, f"{name} is {value!r}: it must be {_WORDS.get(kind, kind.__name__)}")
            config[name] = value
        if self.is_check:
            print(f"{self.name}: " + ", ".join(f"{name}={value}" for name, value in config.items()))
            sys.exit(0)
        return config

    def require_metric(self, *known: str) -> None:
        """Ends the process with 78 unless the metric that decides is one of these."""
        if self.metric not in known:
            self.exit(CONFIGURATION, f"NAS_METRIC is {self.metric!r}: this trainer reports {', '.join(known)}")

    @property
    def should_stop(self) -> bool:
        """Whether SIGTERM came: write a checkpoint, and `exit(STOPPED, ...)`. `steps` does so by itself."""
        return bool(self._stops)

    def is_rung(self, step: int) -> bool:
        """Whether a rung ends at this step: its value must be reported."""
        return step in self.rung_steps

    def is_due(self, step: int) -> bool:
        """Whether to evaluate after this step: at a rung, and for the learning curve every `evaluate_every` epochs."""
        return self.is_rung(step) or (self.unit == "epochs" and self.evaluate_every > 0 and step % self.evaluate_every == 0)

    # What is told.

    def report(self, value: float, *, step: int, metrics: Mapping[str, float] | None = None) -> None:
        """The metric that decides, measured after this step, and others beside it.

        At a rung it is the rung's value; at any other step a point of the learning curve. A value that is no finite number ends the trial as Diverged.
        """
        value = float(value)
        if step in (result["step"] for result in self._results):
            return
        if not math.isfinite(value):
            self._end("Diverged", f"{self.metric} is {value} at step {step}")
        self._curve.append({"step": step, "value": value})
        if self._next_rung() == step:
            result = {"rung": len(self._results), "outcome": "Value", "value": value, "step": step}
            if metrics:
                result["metrics"] = {name: float(f"{number:.6g}") for name, number in metrics.items() if math.isfinite(number)}
            self._results.append(result)

    def infeasible(self, message: str) -> NoReturn:
        """The configuration makes no sense: the search takes another in its place. Ends the process with a report."""
        self._end("Infeasible", message)

    def diverged(self, message: str) -> NoReturn:
        """The training went wrong, as by a loss that is not finite. Ends the process with a report."""
        self._end("Diverged", message)

    def exit(self, code: int, message: str) -> NoReturn:
        """Ends the process with this code; the message is what people see in `nasctl describe`."""
        self._say(message)
        print(message, file=sys.stderr)
        sys.exit(code)

    # Training.

    def steps(self, save: Callable[[Path], None], load: Callable[[Path], None]) -> Iterator[int]:
        """The steps to train, from the one after the newest checkpoint to the target.

        `load` is called with the folder of that checkpoint, if there is one, before the first step; `save` with an empty folder to write to, where a
        rung ends, every `checkpoint_every` seconds, and when the process is to stop (which then ends with 143). At each rung `report` must have been
        called in the loop's body. When the target is reached, the report is written, and the program may end with 0.
        """
        folder = self.restore()
        if folder is not None:
            load(folder)
        while len(self._results) <= self.target_rung:
            self._step += 1
            yield self._step
            ended = self._step in self.rung_steps
            if ended and not any(result["step"] == self._step for result in self._results):
                raise RuntimeError(f"step {self._step} ends a rung: call trial.report(value, step={self._step}) in the loop")
            if ended or self.should_stop or time.monotonic() - self._saved >= self.checkpoint_every:
                with self.checkpoint(self._step) as folder:
                    save(folder)
            if self.should_stop and len(self._results) <= self.target_rung:
                self.exit(STOPPED, f"stopped after a checkpoint at step {self._step}")
        self.finish()

    def restore(self) -> Path | None:
        """The folder of the newest checkpoint, of whichever attempt; None: train from the beginning. What was reported before is reported again."""
        self._check_fence()
        found: list[tuple[int, int, Path, dict[str, Any]]] = []
        for path in self.checkpoint_dir.glob("a*-*/step-*/trial.json"):
            try:
                state = json.loads(path.read_text())
                found.append((int(state["step"]), _attempt(path.parent.parent), path.parent, state))
            except (OSError, ValueError, KeyError) as error:
                print(f"passed over {path}: {error}", file=sys.stderr)
        if not found:
            return None
        step, _, folder, state = max(found, key=lambda one: one[:2])
        if state["uid"] != self.uid:
            self.exit(DATA, f"{folder} is of another trial ({state['uid']}): NAS_CHECKPOINT_DIR must be the trial's own")
        self._step, self._results, self._curve = step, list(state["results"]), list(state["curve"])
        return folder

    @property
    def step(self) -> int:
        """Steps trained: those of the newest checkpoint, then those of `steps`."""
        return self._step

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[Path]:
        """An empty folder to write a checkpoint to. When the block has ended without an exception, it is on the disk, whole or not at all."""
        self._check_fence()
        part = self._own / f"part-{step}"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        state = {"uid": self.uid, "step": step, "results": self._results, "curve": self._curve}
        (part / "trial.json").write_text(json.dumps(state))
        for path in [*part.rglob("*"), part]:
            _sync(path)
        final = self._own / f"step-{step}"
        shutil.rmtree(final, ignore_errors=True)
        part.rename(final)
        _sync(self._own)
        self._saved = time.monotonic()
        own = sorted(self._own.glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")))
        for old in own[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def finish(self) -> None:
        """Writes the report. `steps` does so by itself; then end with exit code 0."""
        if not self._results:
            raise RuntimeError("there is nothing to report: call trial.report(value, step=...) where a rung ends")
        self._say(self._document())

    # Underneath.

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None or isinstance(error, SystemExit):
            return
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            self.exit(OUT_OF_MEMORY, f"out of memory: {error}")
        if isinstance(error, OSError) and error.errno in _PASSING:
            self.exit(TEMPORARY, f"{error}: free some space")
        self._say(f"{type(error).__name__}: {error}")

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._stops.append(number)

    def _end(self, outcome: str, message: str) -> NoReturn:
        self._results.append({"rung": len(self._results), "outcome": outcome, "message": message[:400], "step": self._step})
        self.finish()
        print(message, file=sys.stderr)
        sys.exit(0)

    def _next_rung(self) -> int | None:
        return self.rung_steps[len(self._results)] if len(self._results) < len(self.rung_steps) else None

    def _document(self) -> str:
        """The report: points of the curve go first where it is too long, then metrics of the lower rungs."""
        results = [{name: value for name, value in result.items() if name != "step"} for result in self._results]
        # What lies above the target is not asked for; a process of a higher target may have left it in the checkpoint.
        results = results[: self.target_rung + 1]
        step = min(self._step, self.target_step)
        points = MAX_CURVE
        bare = 0
        while True:
            curve = _thinned([point for point in self._curve if point["step"] <= step], points)
            document = {"attempt": self.attempt, "seq": len(results), "step": step, "results": results, "curve": curve}
            text = json.dumps(document, allow_nan=False, separators=(",", ":"))
            if len(text.encode()) <= MAX_REPORT or (points == 0 and bare == len(results)):
                return text
            if points:
                points //= 2
            else:
                results[bare].pop("metrics", None)
                bare += 1

    def _say(self, text: str) -> None:
        try:
            self._log.write_text(text)
        except OSError as error:
            print(f"cannot write {self._log}: {error}", file=sys.stderr)

    def _check_fence(self) -> None:
        for path in self.checkpoint_dir.glob("a*-*"):
            if _attempt(path) > self.attempt:
                self.exit(FENCED, f"attempt {self.attempt} is void: {path.name} is newer")
        self._own.mkdir(parents=True, exist_ok=True)

    def _read(self, name: str) -> str:
        value = self._environ.get(name)
        if value is None:
            self.exit(USAGE, f"{name} is not set: contract {CONTRACT} has it")
        return value

    def _whole(self, name: str) -> int:
        value = self._read(name)
        try:
            return int(value)
        except ValueError:
            self.exit(USAGE, f"{name} is {value!r}: it must be a whole number")

    def _seconds(self, name: str) -> float:
        value = self._environ.get(name) or "0"
        try:
            return float(value)
        except ValueError:
            self.exit(USAGE, f"{name} is {value!r}: it must be a number")

    def _rungs(self) -> list[int]:
        value = self._read("NAS_RUNG_STEPS")
        try:
            rungs = [int(step) for step in value.split(",")]
        except ValueError:
            self.exit(USAGE, f"NAS_RUNG_STEPS is {value!r}: it must be whole numbers with commas between them")
        if self.target_rung >= len(rungs):
            self.exit(USAGE, f"NAS_TARGET_RUNG is {self.target_rung}, but NAS_RUNG_STEPS has {len(rungs)}")
        return rungs

    def _parameters(self) -> dict[str, Scalar]:
        text = self._read("NAS_PARAMETERS")
        try:
            parameters = json.loads(text if text.startswith("{") else Path(text).read_text())
        except (OSError, ValueError) as error:
            self.exit(USAGE, f"NAS_PARAMETERS cannot be read: {error}")
        return dict(parameters)


_WORDS = {float: "a number", int: "a whole number", str: "text", bool: "true or false"}
_PASSING = (28, 122)
"""ENOSPC and EDQUOT."""


def _attempt(folder: Path) -> int:
    """The attempt that a process's folder is of: `a2-<id>`."""
    number = folder.name[1:].split("-")[0]
    return int(number) if number.isdigit() else -1


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _thinned(points: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """At most so many points, the last among them."""
    if most == 0 or len(points) <= most:
        return points[:most]
    every = -(-len(points) // most)
    return points[::-1][::every][::-1]
