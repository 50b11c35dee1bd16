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
    """`mean` is the metric's average over the `ready` pods; the others lack it."""
    ratio = mean / target
    # Pods without the metric count as idle on the way up, as on target on the way down.
    assumed = np.where(ratio > 1, 0, target)
    adjusted = (mean * ready + assumed * (current - ready)) / (target * current)
    within_tolerance = abs(adjusted - 1) <= tolerance
    turned_round = (ratio - 1) * (adjusted - 1) < 0
    stay = within_tolerance | turned_round
    return np.where(stay, current, np.ceil(adjusted * current))


def external(current, total, target, tolerance=0.1):
    """A metric of the whole fleet, as KEDA gives it; starting pods count as if they served."""
    within_tolerance = abs(total / (target * current) - 1) <= tolerance
    return np.where(within_tolerance, current, np.ceil(total / target))


# --8<-- [end:desired-replicas]


class Hpa:
    def __init__(self, spec: dict):
        behavior = spec.get("behavior", {})
        self.low, self.high = spec.get("minReplicas", 1), spec["maxReplicas"]
        self.up = DEFAULTS["scaleUp"] | behavior.get("scaleUp", {})
        self.down = DEFAULTS["scaleDown"] | behavior.get("scaleDown", {})
        # (time, value): what was recommended, and the count before each step.
        self.recommended, self.counts = deque(), deque()

    # --8<-- [start:step]
    def step(self, now: float, current, desired):
        """Stabilise over the windows, then limit the rate: the controller's order."""
        if not self.recommended:
            # A new controller holds on to what it found.
            self.recommended.append((now, current))
        lowest = np.minimum.reduce([desired, *self.recent(self.up, now)])
        highest = np.maximum.reduce([desired, *self.recent(self.down, now)])
        stable = np.clip(current, lowest, highest)
        slowest = np.minimum(current, self.limit(self.down, now, current, -1))
        fastest = np.maximum(current, self.limit(self.up, now, current, 1))
        floor, ceiling = np.maximum(slowest, self.low), np.minimum(fastest, self.high)
        self.remember(now, current, desired)
        return np.clip(stable, floor, ceiling)

    # --8<-- [end:step]

    def remember(self, now: float, current, desired):
        self.recommended.append((now, desired))
        self.counts.append((now, current))
        for log in (self.recommended, self.counts):
            # The longest window that the API allows.
            while now - log[0][0] > 3600:
                log.popleft()

    def recent(self, rules: dict, now: float) -> list:
        return since(self.recommended, now - rules["stabilizationWindowSeconds"])

    def limit(self, rules: dict, now: float, current, sign: int):
        """How far the policies let the count go in one direction."""
        if rules["selectPolicy"] == "Disabled":
            return current
        away = np.ceil if sign > 0 else np.floor
        reach = []
        for policy in rules["policies"]:
            # The oldest count in the period is the one with which it began.
            *_, start = [current, *since(self.counts, now - policy["periodSeconds"])]
            if policy["type"] == "Pods":
                reach.append(start + sign * policy["value"])
            else:
                reach.append(away(start * (1 + sign * policy["value"] / 100)))
        farthest = (rules["selectPolicy"] == "Max") == (sign > 0)
        return np.maximum.reduce(reach) if farthest else np.minimum.reduce(reach)


def since(log: deque, cutoff: float) -> list:
    """The values later than `cutoff`, newest first."""
    found = []
    for time, value in reversed(log):
        if time <= cutoff:
            break
        found.append(value)
    return found


def follow(behavior: dict, current: int, desired: int, minutes: int) -> list[int]:
    """The count after each minute of 15-second syncs while `desired` is recommended."""
    hpa, path = Hpa({"minReplicas": 1, "maxReplicas": 100, "behavior": behavior}), []
    for now in range(0, 60 * minutes, 15):
        current = int(hpa.step(now, current, desired))
        path.append(current)
    return path[::4]


def per_minute(kind: str, value: int) -> dict:
    """A rate policy as the API spells it."""
    return {"type": kind, "value": value, "periodSeconds": 60}
