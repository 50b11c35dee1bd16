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
    return levels == ["restricted"] and all(_admitted(p) for p in _pods(manifests))


def _admitted(pod: dict) -> bool:
    """By the level "restricted", which rejects a pod that does not ask for these itself."""
    context = pod.get("securityContext", {})
    quiet = context.get("seccompProfile", {}).get("type") == "RuntimeDefault"
    own = [c.get("securityContext", {}) for c in pod["containers"]]
    return (
        quiet
        and context.get("runAsNonRoot") is True
        and all(c.get("allowPrivilegeEscalation") is False for c in own)
        and all("ALL" in c.get("capabilities", {}).get("drop", []) for c in own)
    )


def _quota(manifests: Manifests) -> bool:
    """Of GPUs as many as a replica needs and, during a rollout, its successor."""
    hard = {}
    for quota in _of("ResourceQuota", manifests):
        hard |= quota["spec"]["hard"]
    gpus = sum(
        container["resources"]["limits"].get("nvidia.com/gpu", 0)
        for pod in _pods(manifests)
        for container in pod["containers"]
    )
    limited = {"requests.cpu", "requests.memory"} <= hard.keys()
    return limited and int(hard.get("requests.nvidia.com/gpu", 0)) == 2 * gpus


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
    return [m["spec"]["template"]["spec"] for m in _of("Deployment", manifests)]


def _ports(manifests: Manifests) -> set[int]:
    containers = [c for pod in _pods(manifests) for c in pod["containers"]]
    return {port["containerPort"] for c in containers for port in c["ports"]}


def _service(manifests: Manifests) -> bool:
    specs = [m["spec"] for m in _of("Service", manifests)]
    templates = [m["spec"]["template"] for m in _of("Deployment", manifests)]
    labels = [template["metadata"]["labels"].items() for template in templates]
    found = all(any(s["selector"].items() <= each for each in labels) for s in specs)
    ports = {port.get("targetPort", port["port"]) for s in specs for port in s["ports"]}
    return bool(specs) and found and ports <= _ports(manifests)


def _for_all_pods(manifests: Manifests) -> bool:
    policies = _of("NetworkPolicy", manifests)
    return all(policy["spec"]["podSelector"] == {} for policy in policies)


def _gateway_only(manifests: Manifests) -> bool:
    gateway = {("gateway", port) for port in _ports(manifests)}
    return _for_all_pods(manifests) and allowed(manifests, "ingress") == gateway


def _names_only(manifests: Manifests) -> bool:
    return allowed(manifests, "egress") == {("kube-system", 53)}


def _roles(manifests: Manifests) -> bool:
    """Who may write a workload can mount any secret into it and print it to the log."""
    rules = [rule for m in _of("Role", manifests) for rule in m["rules"]]
    granted = {
        (r, verb) for rule in rules for r in rule["resources"] for verb in rule["verbs"]
    }
    readable = {"pods", "pods/log", "events", "deployments", "deployments/scale"}
    harmless = {(r, verb) for r in readable for verb in ("get", "list", "watch")}
    return bool(rules) and granted <= harmless | {("deployments/scale", "patch")}


def _bound(manifests: Manifests) -> bool:
    """To groups of the tenant's; "system:authenticated" is everybody."""
    bindings = _of("RoleBinding", manifests)
    names = [subject["name"] for m in bindings for subject in m["subjects"]]
    own = bool(names) and not any(name.startswith("system:") for name in names)
    roles = all(m["roleRef"]["kind"] == "Role" for m in bindings)
    return own and roles and not _of("ClusterRoleBinding", manifests)


def _no_api_token(manifests: Manifests) -> bool:
    pods = _pods(manifests)
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
    "roles: read and scale, no secrets": _roles,
    "roles: for the tenant's own group": _bound,
    "no API token in the pods": _no_api_token,
}


def turns(router: dict) -> str:
    """By which policy tenants take turns in an llm-d router with this configuration."""
    if "flowControl" not in router.get("featureGates", []):
        return "none"
    band = router.get("flowControl", {}).get("defaultPriorityBand", {})
    policy = band.get("fairnessPolicyRef", "global-strict-fairness-policy")
    assert policy in {plugin["type"] for plugin in router["plugins"]}, policy
    return policy


def at_once(router: dict) -> int | None:
    """How many requests it lets into each engine, by the detector that is in use."""
    used = router["flowControl"].get("saturationDetector", {}).get("pluginRef")
    limits = {
        plugin["type"]: plugin.get("parameters", {}) for plugin in router["plugins"]
    }
    return limits.get(used, {}).get("maxConcurrency")


def audit(manifests: Manifests) -> dict[str, bool]:
    return {name: control(manifests) for name, control in CONTROLS.items()}
