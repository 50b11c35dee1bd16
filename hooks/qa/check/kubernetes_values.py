"""What the API server asks of single values, which the published schemas leave open.

After Kubernetes' own validation: k8s.io/apimachinery/pkg/util/validation, api/resource, and
k8s.io/kubernetes/pkg/apis/*/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
SUBDOMAIN_LONGEST = 253
QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
ENVIRONMENT = re.compile(r"[^=\x00-\x1f\x7f]+")
PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?(?::\d+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?P<tag>:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(?P<digest>@sha256:[0-9a-f]{64})?"
)
CRON = re.compile(
    r"@(yearly|annually|monthly|weekly|daily|midnight|hourly)|[\w*/,?-]+( [\w*/,?-]+){4}"
)
SUFFIXES = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}

Path = list[str | int]
Fault = tuple[Path, str]


def quantity(value: object) -> Decimal | None:
    """The number that a quantity such as `500m` or `2Gi` stands for, None if it is none."""
    match = QUANTITY.fullmatch(str(value)) if not isinstance(value, bool) else None
    if not match:
        return None
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in BINARY:
        return number * Decimal(1024) ** BINARY[suffix]
    if suffix in SUFFIXES:
        return number.scaleb(SUFFIXES[suffix])
    return number.scaleb(int(suffix[1:])) if suffix else number


def _quantity(value: object) -> str:
    number = quantity(value)
    if number is None:
        return f'"{value}" is no quantity (such as 500m, 2 or 16Gi)'
    return "" if number >= 0 else f'"{value}" is less than nothing'


def _memory(value: object) -> str:
    number = quantity(value)
    if number is not None and number != int(number):
        return f'"{value}" is a part of a byte: m means a thousandth, Mi is meant'
    return _quantity(value)


def _at_least(smallest: int, largest: int | None = None) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, int):
            return ""  # a name or a share, or a fault that the schema finds
        if value < smallest or (largest is not None and value > largest):
            upto = f" and at most {largest}" if largest is not None else ""
            return f"{value} must be at least {smallest}{upto}"
        return ""

    return check


def _matches(pattern: re.Pattern[str], what: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        return "" if pattern.fullmatch(str(value)) else f'"{value}" is no {what}'

    return check


def _subdomain(value: object) -> str:
    if SUBDOMAIN.fullmatch(str(value)) and len(str(value)) <= SUBDOMAIN_LONGEST:
        return ""
    return f'"{value}" is no name of an object (small letters, digits, - and .)'


def _image(value: object) -> str:
    match = IMAGE.fullmatch(str(value))
    if not match:
        return f'"{value}" is no reference of an image'
    if not match["digest"] and match["tag"] in (None, ":latest"):
        return f'"{value}" names no version: add a tag other than latest, or a digest'
    return ""


_label = _matches(LABEL, "name here (small letters, digits and -, at most 63)")
_port = _at_least(1, 65535)
NATURAL = _at_least(0)
POSITIVE = _at_least(1)

BY_FIELD: Mapping[str, Callable[[object], str]] = {
    **dict.fromkeys(("replicas", "minReplicas", "initialDelaySeconds", "backoffLimit"), NATURAL),
    **dict.fromkeys(("terminationGracePeriodSeconds", "minReadySeconds", "parallelism"), NATURAL),
    **dict.fromkeys(("completions", "revisionHistoryLimit", "activeDeadlineSeconds"), NATURAL),
    **dict.fromkeys(("stabilizationWindowSeconds", "progressDeadlineSeconds"), NATURAL),
    **dict.fromkeys(("maxReplicas", "periodSeconds", "timeoutSeconds"), POSITIVE),
    **dict.fromkeys(("failureThreshold", "successThreshold"), POSITIVE),
    **dict.fromkeys(("containerPort", "hostPort", "port", "targetPort", "nodePort"), _port),
    **dict.fromkeys(("averageValue", "sizeLimit"), _quantity),
    "averageUtilization": POSITIVE,
    "namespace": _label,
    "image": _image,
    "schedule": _matches(CRON, "schedule (five fields, as of cron)"),
}
"""By the name of a field, wherever it stands in a built-in kind."""
LABELS = ("labels", "matchLabels", "nodeSelector")
FREE_NAMES = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
"""Kinds whose names may hold what no other's may."""


def faults(manifest: dict[str, Any]) -> Iterator[Fault]:
    """Paths and reasons."""
    name = manifest.get("metadata", {}).get("name")
    if name is not None and manifest["kind"] not in FREE_NAMES:
        check = _label if manifest["kind"] in ("Namespace", "Service") else _subdomain
        if reason := check(name):
            yield ["metadata", "name"], reason
    if manifest["kind"] not in ("ConfigMap", "Secret"):
        yield from _in(manifest, [])


def _in(node: object, path: Path) -> Iterator[Fault]:
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _in(item, [*path, index])
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        at = [*path, key]
        if key in (*LABELS, "annotations") and isinstance(value, dict):
            yield from _labels(value, at)
        elif key in ("requests", "limits", "hard") and isinstance(value, dict):
            yield from _resources(value, at)
        elif key in ("containers", "initContainers", "ephemeralContainers", "volumes", "ports"):
            yield from _names(value, at)
            yield from _in(value, at)
        elif key == "env":
            yield from _names(value, at)
        elif key in BY_FIELD and not isinstance(value, dict | list) and value is not None:
            if reason := BY_FIELD[key](value):
                yield at, reason
        else:
            yield from _in(value, at)


def _labels(labels: dict[str, Any], path: Path) -> Iterator[Fault]:
    for key, value in labels.items():
        prefix, _, name = str(key).rpartition("/")
        if not QUALIFIED.fullmatch(name) or (prefix and _subdomain(prefix)):
            yield [*path, key], f'"{key}" is no name of a label or annotation'
        elif path[-1] != "annotations" and not LABEL_VALUE.fullmatch(str(value)):
            yield [*path, key], f'"{value}" is no value of a label (letters, digits, - _ . within)'


def _resources(resources: dict[str, Any], path: Path) -> Iterator[Fault]:
    for name, value in resources.items():
        whole = name.rpartition(".")[2] in ("memory", "storage", "ephemeral-storage")
        if reason := (_memory if whole else _quantity)(value):
            yield [*path, name], reason


NAMES: Mapping[str, Callable[[object], str]] = {
    "ports": _matches(PORT_NAME, "name of a port (at most 15 small letters, digits and -)"),
    "env": _matches(ENVIRONMENT, "name of a variable"),
}


def _names(entries: object, path: Path) -> Iterator[Fault]:
    """Names of the entries of a list: each is one, and stands once."""
    seen: set[str] = set()
    check = NAMES.get(str(path[-1]), _label)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        name = entry.get("name") if isinstance(entry, dict) else None
        if name is None:
            continue
        if name in seen:
            yield [*path, index, "name"], f'"{name}" stands above already'
        elif reason := check(name):
            yield [*path, index, "name"], reason
        seen.add(name)
