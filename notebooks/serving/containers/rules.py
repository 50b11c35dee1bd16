"""What a manifest means: each check names what is wrong, nothing where all is well."""

import json
import re
import subprocess
from collections.abc import Iterator
from copy import deepcopy

import kubernetes_validate
import yaml
from facts import fact

DNS_NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*"


def load(path: str) -> list[dict]:
    with open(path) as file:
        return list(yaml.safe_load_all(file))


def schema_error(doc: dict, version: str, strict: bool) -> str | None:
    try:
        kubernetes_validate.validate(doc, version, strict=strict)
    except kubernetes_validate.ValidationError as error:
        return error.message
    return None


def budget(probe: dict | None) -> int:
    """Seconds without success until the kubelet acts."""
    if probe is None:
        return 0
    default = fact("kubernetes_defaults")
    times = probe.get("failureThreshold", default["probe_failure_threshold"])
    return times * probe.get("periodSeconds", default["probe_period_s"])


def drain_s(container: dict) -> int:
    default = fact("vllm_defaults.shutdown_timeout_s")
    return flag(container, "--shutdown-timeout", default)


def flag(container: dict, name: str, default: int) -> int:
    """A flag of the engine, given as one argument (--a=1) or as two."""
    words = [w for arg in container["args"] for w in arg.split("=", 1)]
    return int(words[words.index(name) + 1]) if name in words else default


def prestop_s(container: dict) -> int:
    """The pause, as the sleep action or as a command."""
    stop = container.get("lifecycle", {}).get("preStop", {})
    command = " ".join(stop.get("exec", {}).get("command", []))
    slept = re.search(r"\bsleep (\d+)", command)
    return int(slept[1]) if slept else stop.get("sleep", {}).get("seconds", 0)


def faults(doc: dict, request_s: float, load_s: float, default_grace: int) -> list[str]:
    # --8<-- [start:rules]
    spec, pod = doc["spec"], doc["spec"]["template"]["spec"]
    (vllm,) = pod["containers"]
    startup, ready, live = (vllm.get(f"{kind}Probe") for kind in PROBES)
    grace = pod.get("terminationGracePeriodSeconds", default_grace)
    before, drain = prestop_s(vllm), drain_s(vllm)
    rules = {
        "drain ends before the longest request": drain >= request_s,
        "SIGKILL comes before the drain is over": grace > before + drain,
        "SIGTERM comes while traffic still arrives": before >= 10,
        "start-up budget is below twice the load time": budget(startup) >= 2 * load_s,
        "traffic comes before it is ready": path(ready) == "/health",
        "restarted before taken out of traffic": not 0 < budget(live) <= budget(ready),
        "liveness does not ask /health": path(live) == "/health",
        "GPUs differ from the tensor parallel size": gpus(vllm) == shards(vllm),
        "an image can change under its name": all(map(DIGEST.search, images(pod))),
        "weights are not mounted read-only": weights_read_only(pod),
        "runs as root": pod["securityContext"]["runAsNonRoot"],
        "root file system is writable": vllm["securityContext"][READ_ONLY_ROOT],
        "a rollout takes away ready replicas": max_unavailable(spec) == 0,
        "a rollout fails while it waits for a drain": deadline_s(spec) > load_s + grace,
        "replicas undo the autoscaler": "replicas" not in spec,
        "name is no DNS name": re.fullmatch(DNS_NAME, doc["metadata"]["name"]),
    }
    return [rule for rule, kept in rules.items() if not kept]
    # --8<-- [end:rules]


PROBES = ("startup", "readiness", "liveness")
READ_ONLY_ROOT = "readOnlyRootFilesystem"
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def path(probe: dict | None) -> str | None:
    return (probe or {}).get("httpGet", {}).get("path")


def gpus(container: dict) -> float:
    """Devices of any maker: their resources have a domain before the slash."""
    limits = container["resources"]["limits"]
    return sum(float(count) for what, count in limits.items() if "/" in what)


def shards(container: dict) -> int:
    return flag(container, "--tensor-parallel-size", 1)


def image_volumes(pod: dict) -> dict[str, str]:
    return {v["name"]: v["image"]["reference"] for v in pod["volumes"] if "image" in v}


def images(pod: dict) -> list[str]:
    return [*(c["image"] for c in pod["containers"]), *image_volumes(pod).values()]


def weights_read_only(pod: dict) -> bool:
    """An image volume always is; another one only where its mount says so."""
    (vllm,) = pod["containers"]
    mount = next(m for m in vllm["volumeMounts"] if m["mountPath"] == vllm["args"][0])
    return mount["name"] in image_volumes(pod) or mount.get("readOnly", False)


def max_unavailable(spec: dict) -> int | str:
    return spec["strategy"]["rollingUpdate"]["maxUnavailable"]


def deadline_s(spec: dict) -> int:
    return spec["progressDeadlineSeconds"]


def changed(doc: dict, changes: dict) -> dict:
    """A copy in which each path has its value; None removes it."""
    doc = deepcopy(doc)
    for path, value in changes.items():
        *parents, last = (int(k) if k.isdigit() else k for k in path.split("."))
        place = doc
        for key in parents:
            place = place[key]
        place[last] = deepcopy(value)
        if value is None:
            del place[last]
    return doc


def dockerfile_findings(path: str) -> list[tuple[str, str]]:
    """Lines with the rule that each breaks: hadolint's, and two that it lacks."""
    run = subprocess.run(
        ["hadolint", "--no-fail", "--format", "json", path],
        capture_output=True,
        text=True,
        check=True,
    )
    with open(path) as file:
        lines = file.read().splitlines()
    found = [(f["line"], f["code"]) for f in json.loads(run.stdout)]
    found += [(number, "own rule") for number in own_findings(lines)]
    return [(lines[number - 1], rule) for number, rule in sorted(found)]


def own_findings(lines: list[str]) -> Iterator[int]:
    """Requirements that were never copied, and weights without --link."""
    copied: set[str] = set()
    for number, line in enumerate(lines, 1):
        words = line.split()
        if words[:1] == ["COPY"]:
            copied |= set(words[1:-1])
            if "safetensors" in line and "--link" not in words:
                yield number
        wanted = re.search(r"pip install.*(?:-r|--requirement) \S*?([\w.]+)$", line)
        if wanted and not copied & {wanted[1], "."}:
            yield number
