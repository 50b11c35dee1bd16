"""What a manifest means: each check names what is wrong, nothing where all is well."""

import json
import re
import subprocess
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
    spec, template = doc["spec"], doc["spec"]["template"]
    pod, vllm = template["spec"], template["spec"]["containers"][0]
    startup, ready, live = (vllm.get(f"{kind}Probe") for kind in PROBES)
    gpus = sum(
        float(n) for what, n in vllm["resources"]["limits"].items() if "/" in what
    )
    grace = pod.get("terminationGracePeriodSeconds", default_grace)
    before, drain = prestop_s(vllm), drain_s(vllm)
    surge = spec["strategy"]["rollingUpdate"]
    weights = {
        v["name"]: v["image"]["reference"] for v in pod["volumes"] if "image" in v
    }
    images = [vllm["image"], *weights.values()]
    mounts = [m for m in vllm["volumeMounts"] if m["name"] in weights]
    rules = {
        "drain ends before the longest request": drain >= request_s,
        "SIGKILL comes before the drain is over": grace > before + drain,
        "SIGTERM comes while traffic still arrives": before >= 10,
        "start-up budget is below twice the load time": budget(startup) >= 2 * load_s,
        "traffic comes before it is ready": path(ready) == "/health",
        "no liveness probe": live is not None,
        "restarted before it is taken out of traffic": live is None
        or budget(live) > budget(ready),
        "liveness asks more than /health": live is None or path(live) == "/health",
        "GPUs differ from the tensor parallel size": gpus
        == flag(vllm, "--tensor-parallel-size", 1),
        "an image can change under its name": all(DIGEST.search(i) for i in images),
        "weights are not mounted read-only": any(m.get("readOnly") for m in mounts),
        "runs as root": bool(pod["securityContext"].get("runAsNonRoot")),
        "root file system is writable": writable_only_in_volumes(vllm),
        "a rollout takes away ready replicas": surge["maxUnavailable"] == 0,
        "a rollout fails while it waits for a drain": spec["progressDeadlineSeconds"]
        > load_s + grace,
        "replicas undo the autoscaler": "replicas" not in spec,
        "selector and labels differ": spec["selector"]["matchLabels"].items()
        <= template["metadata"]["labels"].items(),
        "name is no DNS name": re.fullmatch(DNS_NAME, doc["metadata"]["name"]),
    }
    return [rule for rule, kept in rules.items() if not kept]
    # --8<-- [end:rules]


PROBES = ("startup", "readiness", "liveness")
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def path(probe: dict | None) -> str | None:
    return (probe or {}).get("httpGet", {}).get("path")


def writable_only_in_volumes(container: dict) -> bool:
    return container.get("securityContext", {}).get("readOnlyRootFilesystem", False)


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


def dockerfile_findings(path: str) -> list[tuple[str, int, str]]:
    """What hadolint finds, and two habits for which it has no rule."""
    run = subprocess.run(
        ["hadolint", "--no-fail", "--format", "json", path],
        capture_output=True,
        text=True,
        check=True,
    )
    found = [(f["code"], f["line"], f["message"]) for f in json.loads(run.stdout)]
    copied: set[str] = set()
    with open(path) as file:
        for number, line in enumerate(file, 1):
            words = line.split()
            if words[:1] == ["COPY"]:
                copied |= set(words[1:-1])
                if line.count("safetensors") and "--link" not in words:
                    found.append(("own rule", number, "weights without --link"))
            wanted = re.search(r"pip install.*(?:-r|--requirement) \S*?([\w.]+)$", line)
            if wanted and not copied & {wanted[1], "."}:
                text = f"{wanted[1]} was never copied"
                found.append(("own rule", number, text))
    return sorted(found, key=lambda finding: finding[1])
