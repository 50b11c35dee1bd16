"""What the manifests of the GPU pool say, and what its forecast does."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

WEEK = 24 * 7
LABEL = "nvidia.com/gpu.product"


@cache
def _documents() -> list[dict]:
    return list(yaml.safe_load_all(Path("gpu-pool.yaml").read_text()))


def manifests() -> tuple[dict[str, int], dict[str, int], dict]:
    """Priorities by name, GPUs of the quotas by namespace, and what the Deployment asks for."""
    priority, quota, deployment = {}, {}, {}
    for document in _documents():
        spec, meta = document.get("spec", {}), document["metadata"]
        if document["kind"] == "PriorityClass":
            priority[meta["name"]] = document["value"]
            evicts = document.get("preemptionPolicy", "PreemptLowerPriority") != "Never"
            assert evicts == (meta["name"] == "serving")
        if gpus := spec.get("hard", {}).get("requests.nvidia.com/gpu"):
            quota[meta["namespace"]] = int(gpus)
        if document["kind"] == "Deployment":
            pod = spec["template"]["spec"]
            limits = pod["containers"][0]["resources"]["limits"]
            deployment = {
                "replicas": spec["replicas"],
                "gpus": int(limits["nvidia.com/gpu"]),
            }
            assert meta["namespace"] == "serving"
            assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
            assert pod["nodeSelector"][LABEL] == "NVIDIA-H100-80GB-HBM3"
            assert pod["priorityClassName"] == "serving"
    return priority, quota, deployment


def admitted(namespace: str, priority_class: str) -> bool:
    """May a pod of this priority class ("" for none) be created? As Kubernetes matches scopes."""
    for document in _documents():
        spec = document.get("spec", {})
        if (
            document["metadata"].get("namespace") != namespace
            or "scopeSelector" not in spec
        ):
            continue
        (scope,) = spec["scopeSelector"]["matchExpressions"]
        named = priority_class in scope["values"]
        counts = named if scope["operator"] == "In" else not named
        if counts and int(spec["hard"]["pods"]) == 0:
            return False
    return True


def hourly(seed: int, base: float, grows_from: int = 40) -> np.ndarray:
    """Forty weeks of requests a second; from a week on, each week 3% more than the one before."""
    hour = np.arange(40 * WEEK)
    level = base * 1.03 ** np.maximum(0, hour / WEEK - grows_from)
    day = 1 + 0.15 * np.sin(2 * np.pi * (hour % 24 - 9) / 24)
    weekend = np.where(hour // 24 % 7 >= 5, 0.75, 1)
    noise = np.random.default_rng(seed).normal(0, 0.25, len(hour))
    return level * day * weekend + noise


def predict_linear(samples: np.ndarray, window: int, ahead: int) -> np.ndarray:
    """The least-squares line through each `window` samples, `ahead` samples after its end."""
    from_middle = np.arange(window) - (window - 1) / 2
    slope = from_middle / (from_middle @ from_middle)
    weights = 1 / window + ((window - 1) / 2 + ahead) * slope
    return np.lib.stride_tricks.sliding_window_view(samples, window) @ weights


ATTEMPTS = 'sum(rate(http_requests_total{handler=~"/v1/(chat/)?completions"%s}[5m]))'
QUEUED = "vllm:request_queue_time_seconds"
LATE = (
    f"(({ATTEMPTS} or vector(0)) + sum(rate({QUEUED}_count[5m])) - "
    f'sum(rate({QUEUED}_bucket{{le="@"}}[5m]))) / serving:requests:rate5m > @'
) % ',status="5xx"'
PREEMPTED = "sum by (model_name) (rate(vllm:num_preemptions_total[10m])) > @"
OUTGROWS = (
    "predict_linear(max_over_time(serving:requests:rate5m[1w])[@w:1d], @ * 604800) / @ * @ + @"
    ' > scalar(kube_resourcequota{namespace="serving", resourcequota="gpus", type="hard"})'
)


def _values(expression: str, template: str) -> list[float]:
    """What stands in the expression in the places of the @."""
    found = re.fullmatch(re.escape(template).replace("@", r"([\d.]+)"), expression)
    assert found, expression
    return [float(value) for value in found.groups()]


class Forecast:
    """The rules of alerts.yaml, read as they stand there."""

    def __init__(self, ahead: int | None = None) -> None:
        """Looks `ahead` weeks ahead, or as many as the rule says."""
        rules = yaml.safe_load(Path("alerts.yaml").read_text())["groups"][0]["rules"]
        attempts, late, preempted, outgrows = (rule["expr"] for rule in rules)
        assert attempts == ATTEMPTS % ""  # answers of every status
        assert {"name": "gpus", "namespace": "serving"} in [
            document["metadata"] for document in _documents()
        ]
        self.late_after, self.late_share = _values(late, LATE)
        (self.preempted,) = _values(preempted, PREEMPTED)
        window, weeks, self.each, self.devices, self.spare = _values(outgrows, OUTGROWS)
        self.window, self.ahead = 7 * int(window), 7 * (ahead or int(weeks))  # days
        self.held = [pd.Timedelta(rule["for"].replace("d", "D")) for rule in rules[1:]]

    def gpus(self, requests_per_second: np.ndarray | float) -> np.ndarray | float:
        return requests_per_second / self.each * self.devices + self.spare

    def fires(self, hourly: np.ndarray, quota: int) -> np.ndarray:
        """Day by day."""
        weeks = np.lib.stride_tricks.sliding_window_view(hourly, WEEK)
        peaks = weeks.max(axis=1)[::24]
        return self.gpus(predict_linear(peaks, self.window, self.ahead)) > quota

    def notice(self, hourly: np.ndarray, quota: int) -> float:
        """Weeks from the alert to the hour when demand exceeds the quota."""
        first = np.argmax(self.fires(hourly, quota)) + self.window + 6  # days
        warned = (first + self.held[-1] / pd.Timedelta(days=1)) / 7
        return float(np.argmax(self.gpus(hourly) > quota) / WEEK - warned)
