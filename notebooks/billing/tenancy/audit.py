"""Does a set of Kubernetes manifests keep one tenant apart? Reads them; asks no cluster."""

from collections.abc import Callable
from pathlib import Path

import yaml

Manifests = list[dict]


def manifests(name: str) -> Manifests:
    return list(yaml.safe_load_all(Path(name).read_text()))


def _of(kind: str, manifests: Manifests) -> list[dict]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def _namespace(manifests: Manifests) -> bool:
    names = {m["metadata"]["name"] for m in _of("Namespace", manifests)}
    others = [m for m in manifests if m["kind"] != "Namespace"]
    return all(m["metadata"].get("namespace") in names for m in others)


def _pod_security(manifests: Manifests) -> bool:
    levels = [
        m["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce")
        for m in _of("Namespace", manifests)
    ]
    return levels == ["restricted"]


def _quota(manifests: Manifests) -> bool:
    hard = [m["spec"]["hard"] for m in _of("ResourceQuota", manifests)]
    needed = {"requests.cpu", "requests.memory", "requests.nvidia.com/gpu"}
    return any(needed <= h.keys() for h in hard)


def _limits(manifests: Manifests) -> list[dict]:
    return [lim for m in _of("LimitRange", manifests) for lim in m["spec"]["limits"]]


def _defaults(manifests: Manifests) -> bool:
    limits = _limits(manifests)
    return any("defaultRequest" in limit and "default" in limit for limit in limits)


def _no_gpu_by_default(manifests: Manifests) -> bool:
    """A `max` without a default becomes the default limit, and that the default request."""
    limits = _limits(manifests)
    return bool(limits) and not any(
        "nvidia.com/gpu" in amounts
        for limit in limits
        for amounts in limit.values()
        if isinstance(amounts, dict)
    )


def _default_deny(manifests: Manifests) -> bool:
    deny = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return any(m["spec"] == deny for m in _of("NetworkPolicy", manifests))


def allowed(manifests: Manifests, direction: str) -> set[tuple[str, int | str]]:
    """Namespaces and ports that policies let in ("ingress") or out to; "*" stands for any."""
    policies = _of("NetworkPolicy", manifests)
    rules = [rule for policy in policies for rule in policy["spec"].get(direction, [])]
    side = {"ingress": "from", "egress": "to"}[direction]
    pairs = set() if policies else {("*", "*")}
    for rule in rules:
        for peer in rule.get(side, [{}]):
            labels = peer.get("namespaceSelector", {}).get("matchLabels", {})
            name = labels.get("kubernetes.io/metadata.name", "*")
            pairs |= {(name, p.get("port", "*")) for p in rule.get("ports", [{}])}
    return pairs


def connects(manifests: Manifests, namespace: str) -> bool:
    return any(name in ("*", namespace) for name, _ in allowed(manifests, "ingress"))


def _pods(manifests: Manifests) -> list[dict]:
    return [m["spec"]["template"] for m in _of("Deployment", manifests)]


def _ports(manifests: Manifests) -> set[int]:
    containers = [c for pod in _pods(manifests) for c in pod["spec"]["containers"]]
    return {port["containerPort"] for c in containers for port in c["ports"]}


def _service(manifests: Manifests) -> bool:
    specs = [m["spec"] for m in _of("Service", manifests)]
    labels = [pod["metadata"]["labels"].items() for pod in _pods(manifests)]
    found = all(any(s["selector"].items() <= each for each in labels) for s in specs)
    ports = {port.get("targetPort", port["port"]) for s in specs for port in s["ports"]}
    return bool(specs) and found and ports <= _ports(manifests)


def _gateway_only(manifests: Manifests) -> bool:
    gateway = {("gateway", port) for port in _ports(manifests)}
    return allowed(manifests, "ingress") == gateway


def _names_only(manifests: Manifests) -> bool:
    return allowed(manifests, "egress") == {("kube-system", 53)}


def _roles(manifests: Manifests) -> bool:
    rules = [rule for m in _of("Role", manifests) for rule in m["rules"]]
    granted = {word for rule in rules for word in rule["verbs"] + rule["resources"]}
    cluster = _of("ClusterRoleBinding", manifests)
    bound = rules and _of("RoleBinding", manifests) and not cluster
    return bool(bound) and not granted & {"*", "secrets", "pods/exec"}


def _no_api_token(manifests: Manifests) -> bool:
    pods = [m["spec"]["template"]["spec"] for m in _of("Deployment", manifests)]
    return all(pod.get("automountServiceAccountToken") is False for pod in pods)


CONTROLS: dict[str, Callable[[Manifests], bool]] = {
    "a namespace of its own": _namespace,
    "pod security: restricted": _pod_security,
    "quota, GPUs included": _quota,
    "default requests and limits": _defaults,
    "no GPU without asking": _no_gpu_by_default,
    "a service that reaches the pods": _service,
    "network: deny by default": _default_deny,
    "network: only the gateway gets in": _gateway_only,
    "network: out to name lookups only": _names_only,
    "roles within the namespace, no secrets": _roles,
    "no API token in the pods": _no_api_token,
}


def audit(manifests: Manifests) -> dict[str, bool]:
    return {name: control(manifests) for name, control in CONTROLS.items()}
