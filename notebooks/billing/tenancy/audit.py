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


def _defaults(manifests: Manifests) -> bool:
    limits = [lim for m in _of("LimitRange", manifests) for lim in m["spec"]["limits"]]
    return any("defaultRequest" in limit and "default" in limit for limit in limits)


def _default_deny(manifests: Manifests) -> bool:
    deny = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return any(m["spec"] == deny for m in _of("NetworkPolicy", manifests))


def connects(manifests: Manifests, namespace: str, direction: str = "ingress") -> bool:
    """Whether a policy lets pods of a namespace in, or out to them; without policies all are."""
    policies = _of("NetworkPolicy", manifests)
    rules = [rule for policy in policies for rule in policy["spec"].get(direction, [])]
    side = {"ingress": "from", "egress": "to"}[direction]
    peers = [
        peer for rule in rules for peer in rule.get(side, [{"namespaceSelector": {}}])
    ]
    wanted = [p.get("namespaceSelector", {}).get("matchLabels", {}) for p in peers]
    label = {"kubernetes.io/metadata.name": namespace}
    return not policies or any(labels.items() <= label.items() for labels in wanted)


def _gateway_only(manifests: Manifests) -> bool:
    others = ("tenant-blue", "default", "kube-system")
    return connects(manifests, "gateway") and not any(
        connects(manifests, n) for n in others
    )


def _no_way_to_others(manifests: Manifests) -> bool:
    return not connects(manifests, "tenant-blue", "egress")


def _roles(manifests: Manifests) -> bool:
    rules = [rule for m in _of("Role", manifests) for rule in m["rules"]]
    wide = any("*" in rule["verbs"] + rule["resources"] for rule in rules)
    cluster = _of("ClusterRoleBinding", manifests)
    return bool(rules and _of("RoleBinding", manifests)) and not wide and not cluster


def _no_api_token(manifests: Manifests) -> bool:
    pods = [m["spec"]["template"]["spec"] for m in _of("Deployment", manifests)]
    return all(pod.get("automountServiceAccountToken") is False for pod in pods)


CONTROLS: dict[str, Callable[[Manifests], bool]] = {
    "a namespace of its own": _namespace,
    "pod security: restricted": _pod_security,
    "quota, GPUs included": _quota,
    "default requests and limits": _defaults,
    "network: deny by default": _default_deny,
    "network: only the gateway gets in": _gateway_only,
    "network: no way out to other tenants": _no_way_to_others,
    "roles within the namespace": _roles,
    "no API token in the pods": _no_api_token,
}


def audit(manifests: Manifests) -> dict[str, bool]:
    return {name: control(manifests) for name, control in CONTROLS.items()}
