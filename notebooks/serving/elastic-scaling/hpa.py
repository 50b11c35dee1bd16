"""The arithmetic of the autoscaling/v2 controller, for many independent workloads at once: one array element each."""

from collections import deque

import numpy as np

DEFAULTS = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 15},
            {"type": "Pods", "value": 4, "periodSeconds": 15},
        ],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "selectPolicy": "Max",
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
    },
}


# --8<-- [start:desired-replicas]
def desired_replicas(current, ready, mean, target, tolerance=0.1):
    """`mean` is the metric's average over the ready pods; pods still starting have none."""
    ratio = mean / target
    assumed = np.where(
        ratio > 1, 0, target
    )  # starting pods: idle on the way up, on target on the way down
    adjusted = (mean * ready + assumed * (current - ready)) / (target * current)
    stay = (abs(adjusted - 1) <= tolerance) | ((ratio - 1) * (adjusted - 1) < 0)
    return np.where(stay, current, np.ceil(adjusted * current))


# --8<-- [end:desired-replicas]


def per_pod(metric, goal):
    """A recommendation from `metric(running, waiting)` of one replica."""
    return lambda now, wanted, ready, running, waiting: desired_replicas(
        wanted, ready, metric(running / ready, waiting / ready), goal
    )


class Hpa:
    def __init__(self, spec: dict):
        self.low, self.high = spec.get("minReplicas", 1), spec["maxReplicas"]
        self.up, self.down = (
            DEFAULTS[way] | spec.get("behavior", {}).get(way, {})
            for way in ("scaleUp", "scaleDown")
        )
        self.recommended, self.changed = (
            deque(),
            deque(),
        )  # (time, replicas), (time, change)

    # --8<-- [start:step]
    def step(self, now: float, current, desired):
        """Stabilise over the windows, then limit the rate: the controller's order."""
        if not self.recommended:
            self.recommended.append(
                (now, current)
            )  # a new controller holds on to what it found
        lowest = np.minimum.reduce([desired, *self.recent(self.up, now)])
        highest = np.maximum.reduce([desired, *self.recent(self.down, now)])
        stable = np.minimum(np.maximum(current, lowest), highest)
        floor = np.maximum(
            np.minimum(self.limit(self.down, now, current, -1), current), self.low
        )
        ceiling = np.minimum(
            np.maximum(self.limit(self.up, now, current, 1), current), self.high
        )
        replicas = np.clip(stable, floor, ceiling)
        self.recommended.append((now, desired))  # as computed, before either rule
        self.changed.append((now, replicas - current))
        for log in (self.recommended, self.changed):
            while now - log[0][0] > 3600:  # the longest window the API allows
                log.popleft()
        return replicas

    # --8<-- [end:step]

    def recent(self, rules: dict, now: float) -> list:
        return since(self.recommended, now - rules["stabilizationWindowSeconds"])

    def limit(self, rules: dict, now: float, current, sign: int):
        """How far the policies let the count go in one direction."""
        if rules["selectPolicy"] == "Disabled":
            return current
        reach = []
        for policy in rules["policies"]:
            start = current - sum(
                since(self.changed, now - policy["periodSeconds"])
            )  # count when the period began
            if policy["type"] == "Pods":
                reach.append(start + sign * policy["value"])
            else:
                reach.append(
                    (np.ceil if sign > 0 else np.floor)(
                        start * (1 + sign * policy["value"] / 100)
                    )
                )
        farthest = (rules["selectPolicy"] == "Max") == (sign > 0)
        return np.maximum.reduce(reach) if farthest else np.minimum.reduce(reach)


def since(log: deque, cutoff: float) -> list:
    found = []
    for time, value in reversed(log):
        if time <= cutoff:
            break
        found.append(value)
    return found


def follow(behavior: dict, current: int, desired: int, minutes: int) -> list[int]:
    """The count after each minute of 15-second syncs, with the recommendation held at `desired`."""
    hpa, path = Hpa({"minReplicas": 1, "maxReplicas": 100, "behavior": behavior}), []
    for now in range(0, 60 * minutes, 15):
        current = int(hpa.step(now, current, desired))
        path.append(current)
    return path[::4]
