"""Search spaces of Ray Tune and Optuna as files, which `nasctl convert` (or `Client.convert`) makes experiments of.

    with open("space.json", "w") as file:
        json.dump(ray_tune(param_space, metric="accuracy", mode="max", num_samples=27), file)

Neither package is imported here: what they give is looked at by its attributes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def ray_tune(param_space: Mapping[str, Any], *, name: str | None = None, **tune_config: Any) -> dict[str, Any]:
    """A `param_space` of Ray Tune, each domain as the call that made it: `{"loguniform": [0.005, 0.5]}`.

    `tune_config` takes what TuneConfig does, as far as it is plain; schedulers and search algorithms as `{"ASHAScheduler": {"max_t": 9}}`.
    """
    file: dict[str, Any] = {"param_space": _of_ray(dict(param_space)), "tune_config": tune_config}
    if name is not None:
        file["run_config"] = {"name": name}
    return file


def optuna(study: Any) -> dict[str, Any]:
    """A study of Optuna that has at least one trial: its distributions, directions, sampler and pruner by name, and the number of trials."""
    distributions: dict[str, Any] = {}
    steps = [0]
    for trial in study.trials:
        steps += trial.intermediate_values
        for name, distribution in trial.distributions.items():
            distributions[name] = {"name": type(distribution).__name__, "attributes": distribution._asdict()}
    return {
        "study_name": study.study_name,
        "directions": [direction.name.lower() for direction in study.directions],
        "metric_names": study.metric_names or [],
        "sampler": type(study.sampler).__name__,
        "pruner": type(study.pruner).__name__,
        "n_trials": len(study.trials),
        "max_step": max(steps),
        "distributions": distributions,
    }


def _of_ray(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _of_ray(below) for name, below in value.items()}
    kind, sampler = type(value).__name__, getattr(value, "sampler", None)
    if sampler is None:
        return {"sample_from": getattr(value.func, "__name__", "function")} if kind == "Function" else _plain(value)
    if kind == "Categorical":
        return {"choice": [_plain(one) for one in value.categories]}
    step = [sampler.q] if hasattr(sampler, "q") else []
    inner = getattr(sampler, "sampler", sampler)
    quantized = "q" if step else ""
    if type(inner).__name__ in ("Normal", "_Normal"):
        return {f"{quantized}randn": [inner.mean, inner.sd, *step]}
    log = "log" if "LogUniform" in type(inner).__name__ else ""
    name = "randint" if kind == "Integer" else "uniform"
    return {f"{quantized}{log}{name}": [value.lower, value.upper, *step]}


def _plain(value: Any) -> Any:
    """What JSON can say, or the words of what it cannot, which `nasctl convert` lists."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return {"not in a file": repr(value)}
    return value
