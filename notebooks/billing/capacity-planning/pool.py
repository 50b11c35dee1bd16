"""What the manifests of the GPU pool say, and what its forecast does."""

import re
from pathlib import Path

import numpy as np
import yaml

WEEK = 24 * 7
LABEL = "nvidia.com/gpu.product"


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
            assert pod["tolerations"] and meta["namespace"] == "serving"
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


def hourly(seed: int, grows_from: int, weeks: int = 40) -> np.ndarray:
    """Requests a second, with busy days and quiet weekends; 3% more a week from a week on."""
    hour = np.arange(weeks * WEEK)
    level = 12.5 + 0.375 * np.maximum(0, hour / WEEK - grows_from)
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


class Forecast:
    """The rules of alerts.yaml, read as they stand there."""

    def __init__(self, ahead: int | None = None) -> None:
        """Looks `ahead` weeks ahead, or as many as the rule says."""
        rules = yaml.safe_load(Path("alerts.yaml").read_text())["groups"][0]["rules"]
        _, late, _, outgrows = (rule["expr"] for rule in rules)
        found = re.fullmatch(
            r'1 - sum\(rate\(vllm:request_queue_time_seconds_bucket{le="(\S+)"}\[5m\]\)\) '
            r"/ serving:requests:rate5m > (\S+)",
            late,
        )
        self.late_after, self.late_share = map(float, found.groups())
        found = re.fullmatch(
            r"predict_linear\(max_over_time\(serving:requests:rate5m\[1w\]\)"
            r"\[(\d+)w:1d\], (\d+) \* 604800\) / (\S+) \* (\d+) \+ (\d+) "
            r'> scalar\(kube_resourcequota{namespace="serving", .+ type="hard"}\)',
            outgrows,
        )
        window, weeks, self.each, self.devices, self.spare = map(float, found.groups())
        self.window, self.ahead = 7 * int(window), 7 * (ahead or int(weeks))  # days

    def gpus(self, requests_per_second: np.ndarray | float) -> np.ndarray | float:
        return requests_per_second / self.each * self.devices + self.spare

    def fires(self, hourly: np.ndarray, quota: int) -> np.ndarray:
        """Day by day."""
        weeks = np.lib.stride_tricks.sliding_window_view(hourly, WEEK)
        peaks = weeks.max(axis=1)[::24]
        return self.gpus(predict_linear(peaks, self.window, self.ahead)) > quota

    def notice(self, hourly: np.ndarray, quota: int) -> float:
        """Weeks from the first warning to the hour when demand exceeds the quota."""
        warned = (np.argmax(self.fires(hourly, quota)) + self.window + 6) / 7
        return float(np.argmax(self.gpus(hourly) > quota) / WEEK - warned)
