"""What fits together in manifests, and what leads nowhere: selectors, volumes, ports, bounds.

Between manifests only what the same text should hold is compared: a selector is held against the
workloads beside it, if there are any. What a cluster would add (defaults, admission, objects that
exist already, custom kinds) is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qa.check.kubernetes_values import Fault, Path, quantity

TEMPLATES: dict[str, Path] = {
    "Pod": [],
    "CronJob": ["spec", "jobTemplate", "spec", "template"],
    **{
        kind: ["spec", "template"]
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")
    },
}
"""Where the pods of a kind are described."""
SELECTORS: dict[str, Path] = {
    "Service": ["spec", "selector"],
    "PodDisruptionBudget": ["spec", "selector", "matchLabels"],
    "NetworkPolicy": ["spec", "podSelector", "matchLabels"],
}
"""Where a kind says which pods it is about."""
HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def _get(node: Any, path: Path, default: Any = None) -> Any:
    """What stands at the path, or the default."""
    for step in path:
        if not isinstance(node, dict) or step not in node:
            return default
        node = node[step]
    return node


def faults(manifest: dict[str, Any]) -> Iterator[Fault]:
    """Within one manifest. Paths and reasons."""
    kind, spec = manifest["kind"], manifest.get("spec")
    if not isinstance(spec, dict):
        return
    if kind in TEMPLATES:
        yield from _in_template(manifest, TEMPLATES[kind])
    if kind in ("Job", "CronJob"):
        at = [*TEMPLATES[kind], "spec", "restartPolicy"]
        if _get(manifest, at) not in ("Never", "OnFailure"):
            yield at, "pods of a Job need restartPolicy Never or OnFailure"
    elif kind in TEMPLATES and kind != "Pod":
        at = [*TEMPLATES[kind], "spec", "restartPolicy"]
        if _get(manifest, at, "Always") != "Always":
            yield at, f"pods of a {kind} have restartPolicy Always"
    if kind == "HorizontalPodAutoscaler" and spec.get("minReplicas", 1) > spec["maxReplicas"]:
        yield ["spec", "minReplicas"], "is more than maxReplicas"
    if kind == "PodDisruptionBudget" and len({"minAvailable", "maxUnavailable"} & spec.keys()) != 1:
        yield ["spec"], "needs one of minAvailable and maxUnavailable"
    rolling = _get(spec, ["strategy", "rollingUpdate"], {})
    if [rolling.get("maxSurge"), rolling.get("maxUnavailable")] in ([0, 0], ["0%", "0%"]):
        yield ["spec", "strategy", "rollingUpdate"], "with neither surge nor unavailable none moves"


def _in_template(manifest: dict[str, Any], at: Path) -> Iterator[Fault]:
    labels = _get(manifest, [*at, "metadata", "labels"], {}) or {}
    wanted = _get(manifest, ["spec", "selector", "matchLabels"], {}) or {}
    for key, value in wanted.items():
        if labels.get(key) != value:
            has = f"has {labels[key]}" if key in labels else "lacks it"
            yield ["spec", "selector", "matchLabels", key], f"the template {has}: it selects no pod"
    pod = _get(manifest, [*at, "spec"], {}) or {}
    volumes = {volume.get("name") for volume in pod.get("volumes") or ()}
    claims = _get(manifest, ["spec", "volumeClaimTemplates"], []) or []
    volumes |= {_get(claim, ["metadata", "name"]) for claim in claims}
    for group in ("containers", "initContainers"):
        for index, container in enumerate(pod.get(group) or ()):
            yield from _in_container(container, [*at, "spec", group, index], volumes)


def _in_container(container: dict[str, Any], at: Path, volumes: set[str]) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        if mount["name"] not in volumes:
            yield [*at, "volumeMounts", index, "name"], f'there is no volume "{mount["name"]}"'
        if mount["mountPath"] in seen:
            yield [*at, "volumeMounts", index, "mountPath"], "is taken by another volume"
        seen.add(mount["mountPath"])
    names = {port.get("name") for port in container.get("ports") or ()}
    for name in PROBES:
        yield from _in_probe(name, container.get(name), [*at, name], names)
    yield from _in_resources(container.get("resources") or {}, [*at, "resources"])


def _in_probe(name: str, probe: Any, at: Path, ports: set[str]) -> Iterator[Fault]:
    if not isinstance(probe, dict):
        return
    handlers = [handler for handler in HANDLERS if handler in probe]
    if len(handlers) != 1:
        yield at, f"a probe needs one of {', '.join(HANDLERS)}"
    if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        yield [*at, "successThreshold"], "must be 1 here"
    for handler in handlers:
        port = _get(probe, [handler, "port"])
        if isinstance(port, str) and port not in ports:
            yield [*at, handler, "port"], f'the container has no port "{port}"'


def _in_resources(resources: dict[str, Any], at: Path) -> Iterator[Fault]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, value in requests.items():
        asked, most = quantity(value), quantity(limits.get(name, value))
        if asked is not None and most is not None and asked > most:
            yield [*at, "requests", name], f"{value} is more than its limit of {limits[name]}"
    for name in limits.keys() | requests.keys():
        if "/" in name and requests.get(name, limits.get(name)) != limits.get(name):
            yield [*at], f"{name} needs a limit that equals its request"


def dangling(manifests: list[dict[str, Any]]) -> Iterator[tuple[int, Path, str]]:
    """Between manifests: the number of one, a path in it, and a reason."""
    pods = [
        (each["kind"], _get(each, ["metadata", "name"]), _get(each, TEMPLATES[each["kind"]], {}))
        for each in manifests
        if each["kind"] in TEMPLATES
    ]
    if not pods:
        return
    templates = [template for _, _, template in pods]
    for number, manifest in enumerate(manifests):
        at = SELECTORS.get(manifest["kind"])
        wanted = _get(manifest, at) if at else None
        if at and wanted:
            chosen = [each for each in templates if wanted.items() <= _labels_of(each).items()]
            if not chosen:
                yield number, at, "selects no pod of the workloads beside it"
            elif manifest["kind"] == "Service":
                yield from ((number, *fault) for fault in _ports(manifest, chosen))
        target = _get(manifest, ["spec", "scaleTargetRef"])
        if target and (target["kind"], target["name"]) not in [(k, n) for k, n, _ in pods]:
            yield number, ["spec", "scaleTargetRef", "name"], "names no workload beside it"


def _labels_of(template: dict[str, Any]) -> dict[str, Any]:
    return _get(template, ["metadata", "labels"], {}) or {}


def _ports(service: dict[str, Any], templates: list[dict[str, Any]]) -> Iterator[Fault]:
    names = {
        port.get("name")
        for template in templates
        for container in _get(template, ["spec", "containers"], []) or []
        for port in container.get("ports") or ()
    }
    for index, port in enumerate(_get(service, ["spec", "ports"], []) or []):
        target = port.get("targetPort")
        if isinstance(target, str) and target not in names:
            yield ["spec", "ports", index, "targetPort"], f'no pod that it selects has "{target}"'
