"""What a manifest means: each check names what is wrong, nothing where all is well."""

import json
import re
import subprocess

import kubernetes_validate
import yaml

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
    """Seconds without success until the kubelet acts; Kubernetes' defaults."""
    if probe is None:
        return 0
    return probe.get("failureThreshold", 3) * probe.get("periodSeconds", 10)


def drain_s(container: dict) -> int:
    """vLLM's --shutdown-timeout; 0 where it is not given."""
    flags = dict(arg.split("=") for arg in container["args"] if "=" in arg)
    return int(flags.get("--shutdown-timeout", 0))


def prestop_s(container: dict) -> int:
    stop = container.get("lifecycle", {}).get("preStop", {})
    return stop.get("sleep", {}).get("seconds", 0)


def faults(doc: dict, answer_s: float, load_s: float, default_grace: int) -> list[str]:
    # --8<-- [start:rules]
    template = doc["spec"]["template"]
    pod, vllm = template["spec"], template["spec"]["containers"][0]
    startup, ready, live = (vllm.get(f"{kind}Probe") for kind in PROBES)
    limits = vllm["resources"]["limits"]
    grace = pod.get("terminationGracePeriodSeconds", default_grace)
    before, drain = prestop_s(vllm), drain_s(vllm)
    wanted = doc["spec"]["selector"]["matchLabels"].items()
    images = [vllm["image"], *(v["image"]["reference"] for v in image_volumes(pod))]
    rules = {
        "drain ends before the longest answer": drain >= answer_s,
        "SIGKILL comes before the drain is over": grace > before + drain,
        "SIGTERM comes while traffic still arrives": before >= 10,
        "start-up budget is below twice the load time": budget(startup) >= 2 * load_s,
        "no liveness probe": live is not None,
        "restarted before it is taken out of traffic": live is None
        or budget(live) > budget(ready),
        "liveness waits behind requests": not asks_model(live),
        "no whole GPU in limits": float(limits.get("nvidia.com/gpu", 0.5)) % 1 == 0,
        "an image can change under its name": all("@sha256:" in i for i in images),
        "weights are not in a volume": len(images) > 1,
        "runs as root": bool(pod["securityContext"].get("runAsNonRoot")),
        "replicas undo the autoscaler": "replicas" not in doc["spec"],
        "selector and labels differ": wanted <= template["metadata"]["labels"].items(),
        "name is no DNS name": re.fullmatch(DNS_NAME, doc["metadata"]["name"]),
    }
    return [rule for rule, kept in rules.items() if not kept]
    # --8<-- [end:rules]


PROBES = ("startup", "readiness", "liveness")


def asks_model(probe: dict | None) -> bool:
    return "generate" in (probe or {}).get("httpGet", {}).get("path", "")


def image_volumes(pod: dict) -> list[dict]:
    return [volume for volume in pod["volumes"] if "image" in volume]


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
