"""For notebooks and scripts: run searches, wait for them, and take their results.

    from nas_operator import Client

    search = Client().run("configs/quickstart.yaml")              # on this machine; the same call goes on after a stop
    search = Client(namespace="research").submit("search.yaml")   # on a cluster with the operator
    search.wait()                                                 # says what comes in
    search.trials().to_pandas()
    network = search.best().module()                              # a torch.nn.Module with the trained weights

What is asked is asked of `nasctl` and, to give an experiment to a cluster, of `kubectl`: so every kubeconfig and every way to log in works, and what a
notebook shows and does is what a terminal shows and does.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    import pandas
    import torch

Experiment = Union[str, "os.PathLike[str]", Mapping[str, Any]]
"""An experiment: a file, or its content as a mapping."""
Progress = Union[bool, Callable[[str], None]]
"""Whether to print what comes in, or what to do with each line."""

POLL_SECONDS = 2.0
"""Between two looks at an experiment on a cluster."""
STOPPED = 130
"""Exit code of a `nasctl run` that was told to stop."""


class ToolError(RuntimeError):
    """`nasctl` or `kubectl` ended without success; the message is what it said."""

    def __init__(self, command: list[str], code: int, said: str) -> None:
        super().__init__(said.strip() or f"{' '.join(command)} ended with {code}")
        self.command = command
        self.code = code


class SearchFailed(RuntimeError):
    """A search ended without success; the message says why."""


class NotAccepted(SearchFailed):
    """The operator does not accept an experiment; the message says why. It looks again: once what it names is there, the experiment can be waited for."""


class Trials(list[dict[str, Any]]):
    """The trials of a search, by number. Each has `trial`, `name`, `state`, `rung`, `value`, `params`, `rungs` (what came out at each) and `attempt`."""

    def to_pandas(self) -> pandas.DataFrame:
        """A table with a row for each trial and a column `params.<name>` for each parameter. Needs pandas."""
        import pandas

        rows = [{name: value for name, value in trial.items() if name not in ("params", "rungs")} for trial in self]
        for row, trial in zip(rows, self):
            row.update({f"params.{name}": value for name, value in trial["params"].items()})
            row.update({f"rung_{rung['rung']}": rung.get("value") for rung in trial["rungs"]})
        return pandas.DataFrame(rows)


class Client:
    """Starts searches and finds them again.

    `nasctl` and `kubectl` are programs on the PATH, or paths; NASCTL and KUBECTL in the environment name others. `namespace` and `context` are those of
    the cluster, by default those of the kubeconfig.
    """

    def __init__(
        self, *, namespace: str | None = None, context: str | None = None, nasctl: str | None = None, kubectl: str | None = None
    ) -> None:
        self.namespace = namespace
        self.context = context
        self._nasctl = nasctl or os.environ.get("NASCTL") or "nasctl"
        self._kubectl = kubectl or os.environ.get("KUBECTL") or "kubectl"

    def run(
        self,
        experiment: Experiment,
        *,
        folder: str | os.PathLike[str] | None = None,
        trainer: str | os.PathLike[str] | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        threads: int | None = None,
    ) -> Search:
        """Begins a search on this machine, or goes on with the one in `folder` (runs/<name>). `wait` waits for its end."""
        path, content = self._checked(experiment)
        where = Path(folder) if folder is not None else Path("runs") / content
        command = [self._nasctl, "run", str(path), "--dir", str(where)]
        for option, value in (("--trainer", trainer), ("--data-dir", data_dir), ("--threads", threads)):
            if value is not None:
                command += [option, str(value)]
        return Search(self, str(where), run=_Run(command))

    def submit(self, experiment: Experiment) -> Search:
        """Gives an experiment to the operator. One that is there already, and the same, is found again; a change that it cannot take is refused."""
        path, name = self._checked(experiment)
        self._ask_kubectl("apply", "--server-side", "--field-manager", "nas-operator-python", "-f", str(path))
        return Search(self, name)

    def search(self, name: str | os.PathLike[str]) -> Search:
        """A search that was begun before: the folder of a run, or the name of an experiment on the cluster."""
        return Search(self, str(name))

    def convert(self, file: str | os.PathLike[str], *, kind: str | None = None) -> tuple[str, str]:
        """An experiment of Katib, Kubeflow, Determined, Ray Tune or Optuna as one of nas-operator, and what could not be carried over.

        The experiment may have to be mended by hand where the notes say so.
        """
        done = self._start([self._nasctl, "convert", str(file), *(["--from", kind] if kind else [])])
        if done.returncode not in (0, 1):
            raise ToolError(done.args, done.returncode, done.stderr)
        return done.stdout, done.stderr

    def _checked(self, experiment: Experiment) -> tuple[Path, str]:
        """The experiment's file, found valid, and the experiment's name."""
        if isinstance(experiment, Mapping):
            # Kept until this process ends: nasctl reads it when it gets there.
            folder = Path(tempfile.mkdtemp(prefix="nas-operator-"))
            path = folder / "experiment.json"
            path.write_text(json.dumps(experiment, indent=2))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        else:
            path = Path(experiment)
        said = self._ask_nasctl("validate", str(path), "--output", "json")
        return path, str(json.loads(said)["name"])

    def _of_cluster(self) -> list[str]:
        options = (("--namespace", self.namespace), ("--context", self.context))
        return [word for option, value in options if value is not None for word in (option, value)]

    def _ask_nasctl(self, *arguments: str) -> str:
        return self._ask([self._nasctl, *arguments])

    def _ask_kubectl(self, *arguments: str) -> str:
        return self._ask([self._kubectl, *self._of_cluster(), *arguments])

    def _ask(self, command: list[str]) -> str:
        done = self._start(command)
        if done.returncode:
            raise ToolError(command, done.returncode, done.stderr or done.stdout)
        return done.stdout

    def _start(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        except FileNotFoundError:
            tool = "nasctl" if command[0] == self._nasctl else "kubectl"
            message = f"{command[0]} is not there: install it, or name it by Client({tool}=...) or {tool.upper()} in the environment"
            raise ToolError(command, 127, message) from None


class _Run:
    """A `nasctl run` that this process has started.

    Its lines are taken as they come, whether or not somebody waits for them: a program whose lines nobody takes stands still, and one whose reader goes
    away ends.
    """

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.failure: Exception | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        # Ctrl-C in a notebook ends the cell, not the search: that is what `suspend` is for.
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        """Takes the lines until the run ends, and finds out how it ended."""
        assert self.process.stdout is not None
        last = ""
        try:
            with self.process.stdout as lines, self._log as log:
                for line in lines:
                    last = line.rstrip()
                    self._lines.put(last)
                code = self.process.wait()
                log.seek(0)
                said = log.read()
            if code == 1:
                self.failure = SearchFailed(said.strip() or last)
            elif code:
                self.failure = ToolError(self.command, code, said)
        except OSError as error:
            self.failure = error
        finally:
            # Whoever waits for lines waits for this one, however it ended.
            self._lines.put(None)

    def follow(self, tell: Callable[[str], None]) -> None:
        """Tells each line that was not told yet, until the run ends.

        Raises SearchFailed where the search ended without success, ToolError where nasctl could not carry it out.
        """
        while (line := self._lines.get()) is not None:
            tell(line)
        # For whoever waits again.
        self._lines.put(None)
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """Has it stop after checkpoints, and waits until it has. Nothing is sent to one that has ended."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Search:
    """A search: a run on this machine, or an experiment on a cluster."""

    def __init__(self, client: Client, name: str, run: _Run | None = None) -> None:
        self.name = name
        """Folder of the run, or name of the experiment."""
        self._client = client
        self._run = run

    def __repr__(self) -> str:
        return f"Search({self.name!r})"

    @property
    def is_run(self) -> bool:
        """Whether it is a run on this machine."""
        return self._run is not None or Path(self.name, "journal.jsonl").exists()

    def wait(self, *, timeout: float | None = None, progress: Progress = True) -> Search:
        """Waits for the end, and says what comes in.

        Raises SearchFailed where it ends without success, NotAccepted where the operator does not accept it, TimeoutError after `timeout` seconds. A run
        is waited for by who began it: ToolError where it stops without an end, as after `suspend`.
        """
        tell: Callable[[str], None] = progress if callable(progress) else print if progress else lambda line: None
        if self._run is not None:
            if timeout is not None:
                raise ValueError("a run has no timeout here: set budget.wallClock in the experiment")
            try:
                self._run.follow(tell)
            except ToolError as stopped:
                # A run that is told to stop may go on later, but for `stop`, which then ends the search.
                end = self.describe()["end"] if stopped.code == STOPPED else None
                if end is None:
                    raise
                return self._judged(end)
            return self
        if self.is_run:
            document = self.describe()
            if document["end"] is None:
                raise RuntimeError(f"{self.name} has not ended: begin it again with Client.run, which goes on where it is")
            return self._judged(document["end"])
        return self._watch(timeout, tell)

    def _watch(self, timeout: float | None, tell: Callable[[str], None]) -> Search:
        until = None if timeout is None else time.monotonic() + timeout
        told = ""
        while True:
            experiment = self.experiment()
            status = experiment.get("status") or {}
            if (line := _progress(status)) != told:
                told = line
                tell(line)
            conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
            if conditions.get("Finished", {}).get("status") == "True":
                succeeded = conditions.get("Succeeded", {}).get("status") == "True"
                return self._judged({"succeeded": succeeded, "message": conditions["Finished"]["message"]})
            if (accepted := conditions.get("Accepted")) and _is_refusal(accepted, experiment["metadata"]["generation"]):
                raise NotAccepted(f"{self.name} is not accepted ({accepted['reason']}): {accepted['message']}")
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(f"{self.name} has not ended: {told}")
            time.sleep(POLL_SECONDS)

    def _judged(self, end: Mapping[str, Any]) -> Search:
        if not end["succeeded"]:
            raise SearchFailed(str(end["message"]))
        return self

    def suspend(self) -> None:
        """Stops the search after checkpoints, as `nasctl suspend` does: an experiment goes on by `resume`, a run by `Client.run`."""
        if self._run is not None:
            self._run.stop()
        else:
            self._client._ask_nasctl("suspend", *self._target())

    def resume(self) -> None:
        """Lets an experiment go on that was suspended or is stalled, as `nasctl resume` does."""
        if self.is_run:
            raise RuntimeError(f"{self.name} is a run: Client.run goes on with it")
        self._client._ask_nasctl("resume", *self._target())

    def stop(self, *, drain: bool = False) -> None:
        """Ends the search for good, as `nasctl stop` does: the best is fixed, and nothing goes on from there.

        With `drain`, for an experiment on a cluster, no more trials are created, and those that were go as far as they can.
        """
        self._client._ask_nasctl("stop", *self._target(), *(["--drain"] if drain else []))

    def experiment(self) -> dict[str, Any]:
        """The NasExperiment, with its status where it is on a cluster."""
        if self.is_run:
            return dict(self.describe()["experiment"])
        return dict(json.loads(self._client._ask_kubectl("get", "nasexperiment", self.name, "--output", "json")))

    def describe(self) -> dict[str, Any]:
        """All that is recorded: `experiment`, `trials` (NasTrials), `best`, `front`, `end`, `confirm`."""
        return dict(json.loads(self._client._ask_nasctl("describe", *self._target(), "--output", "json")))

    def trials(self) -> Trials:
        """Every trial: `to_pandas` makes a table of it."""
        return Trials(_row(trial) for trial in self.describe()["trials"])

    def best(self) -> Best:
        """The best trial so far. Raises ToolError where there is no result yet."""
        return Best(self, json.loads(self._client._ask_nasctl("best", *self._target(), "--output", "json")))

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Writes the search as one HTML page."""
        self._client._ask_nasctl("report", *self._target(), "--output", str(path))
        return Path(path)

    def explain(self, trial: int) -> str:
        """Why this trial went on, or did not."""
        return self._client._ask_nasctl("explain", self._target()[0], str(trial), *self._target()[1:])

    def _target(self) -> list[str]:
        return [self.name] if self.is_run else [f"nasexp/{self.name}", *self._client._of_cluster()]


class Best:
    """The best trial of a search."""

    def __init__(self, search: Search, document: dict[str, Any]) -> None:
        self._search = search
        self.document = document
        """All of it, as `nasctl best --output json` writes it."""
        self.trial: int = document["trial"]
        """Number of the trial."""
        self.name: str = document["name"]
        """Name of the trial."""
        self.value: float = document["value"]
        """Its value of the objective."""
        self.params: dict[str, Any] = document["assignment"]
        """Its configuration."""
        self.genotype: dict[str, Any] | None = document.get("genotype")
        """The two cells, where the space has `darts`."""

    def __repr__(self) -> str:
        return f"Best(trial={self.trial}, {self.document['metric']}={self.value})"

    def export(
        self, folder: str | os.PathLike[str], *, checkpoints: str | os.PathLike[str] | None = None, weights: bool = True
    ) -> Path:
        """Writes cells, weights, a network in PyTorch that loads them, and a file that trains it anew to this folder.

        Weights of an experiment on a cluster lie in a claim: `checkpoints` is where it is mounted.
        """
        command = ["export", *self._search._target(), "--trial", str(self.trial), "--output", str(folder)]
        command += ["--checkpoints", str(checkpoints)] if checkpoints is not None else []
        command += [] if weights else ["--without-weights"]
        self._search._client._ask_nasctl(*command)
        return Path(folder)

    def module(self, *, checkpoints: str | os.PathLike[str] | None = None) -> torch.nn.Module:
        """The network as a torch.nn.Module, with the trained weights, ready to evaluate. Its `normalize` brings images, of values from 0 to 1, to what
        it was trained on. Needs torch; for spaces with `darts`.
        """
        if self.genotype is None:
            raise ValueError(f"the space of {self._search.name} has no darts: the network of its trainer is not known here")
        with tempfile.TemporaryDirectory(prefix="nas-operator-") as scratch:
            folder = self.export(scratch, checkpoints=checkpoints)
            spec = importlib.util.spec_from_file_location("nas_operator_model", folder / "model.py")
            if spec is None or spec.loader is None:
                raise ImportError(f"{folder / 'model.py'} cannot be imported")
            model = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(model)
            network: torch.nn.Module = model.load()
            network.normalize = model.normalize
        return network


def _row(trial: Mapping[str, Any]) -> dict[str, Any]:
    spec, status = trial["spec"], trial.get("status") or {}
    rungs = status.get("rungs", [])
    last = rungs[-1] if rungs else {}
    return {
        "trial": spec["number"],
        "name": trial["metadata"]["name"],
        "state": _state(spec, rungs),
        "rung": last.get("rung"),
        "value": last.get("value"),
        "attempt": spec.get("attempt"),
        "params": dict(spec["assignment"]),
        "rungs": [{name: rung[name] for name in ("rung", "outcome", "value") if name in rung} for rung in rungs],
    }


def _state(spec: Mapping[str, Any], rungs: list[Mapping[str, Any]]) -> str:
    """Running, or the last outcome: Value, Diverged, Failed and so on."""
    if not rungs or (rungs[-1]["rung"] < spec["targetRung"] and rungs[-1]["outcome"] == "Value"):
        return "Running"
    return str(rungs[-1]["outcome"])


def _progress(status: Mapping[str, Any]) -> str:
    """Where an experiment stands, in a line."""
    trials = status.get("trials") or {}
    line = f"{trials.get('created', 0)} trials, {trials.get('running', 0)} running"
    if best := status.get("best"):
        line += f", best {best[0]['value']:.4f} ({best[0]['trial']})"
    held_up = {("Accepted", "False"): "not accepted", ("Stalled", "True"): "stalled"}
    for condition in status.get("conditions", []):
        if word := held_up.get((condition["type"], condition["status"])):
            line += f"; {word}: {condition['message']}"
    return line


def _is_refusal(accepted: Mapping[str, Any], generation: int) -> bool:
    """Whether an experiment of this generation is refused.

    The condition may be of what stood there before an edit, and an experiment that learns from one that still runs begins by itself.
    """
    refused: bool = accepted["status"] == "False" and accepted["reason"] != "WarmStartRunning"
    seen: int = accepted.get("observedGeneration", generation)
    return refused and seen >= generation

