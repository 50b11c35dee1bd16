"""What the manifests of the GPU pool say, and what its forecast does."""

import re
from pathlib import Path

import demand
import numpy as np
import yaml


def manifests() -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """The priorities by name; quota and size of a pod, in GPUs, by namespace."""
    priority, quota, asks = {}, {}, {}
    for document in yaml.safe_load_all(Path("gpu-pool.yaml").read_text()):
        spec, meta = document.get("spec", {}), document["metadata"]
        if document["kind"] == "PriorityClass":
            priority[meta["name"]] = document["value"]
        if "requests.nvidia.com/gpu" in spec.get("hard", {}):
            quota[meta["namespace"]] = int(spec["hard"]["requests.nvidia.com/gpu"])
        if pod := spec.get("template", {}).get("spec"):
            limits = pod["containers"][0]["resources"]["limits"]
            asks[meta["namespace"]] = int(limits["nvidia.com/gpu"])
            assert pod["priorityClassName"] == meta["namespace"] and pod["tolerations"]
    return priority, quota, asks


class Forecast:
    """The rule GpusRunOutBeforeDelivery, read from alerts.yaml."""

    def __init__(self) -> None:
        groups = yaml.safe_load(Path("alerts.yaml").read_text())["groups"]
        expression = groups[-1]["rules"][-1]["expr"]
        window, ahead = re.search(
            r"\[(\d+)w:1d\], (\d+) \* 604800", expression
        ).groups()
        self.window, self.ahead = 7 * int(window), 7 * int(ahead)  # days

    def __call__(self, hourly: np.ndarray) -> np.ndarray:
        """GPUs that the rule expects, day by day."""
        return demand.predict_linear(
            demand.weekly_peak(hourly), self.window, self.ahead
        )

    def notice(self, hourly: np.ndarray, capacity: int) -> float:
        """Weeks from the first warning to the hour when demand exceeds capacity."""
        warned = (np.argmax(self(hourly) > capacity) + self.window + 6) / 7
        return float(np.argmax(hourly > capacity) / demand.WEEK - warned)
