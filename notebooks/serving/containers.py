# ---
# jupyter:
#   qa:
#     seconds: 15
#     unchecked:
#       broken-Dockerfile: "故意写错，供检查器找出 · broken on purpose, for the linter to find"
# ---

# %% [markdown]
# # 如何把模型容器化并部署？ · How do you package a model in containers and deploy it?
#
# 检查镜像与清单的含义，再照清单启动、探测、删除一个真实引擎（llama.cpp，SmolLM2-135M）的进程。
#
# Checks image and manifests for what they mean, then starts, probes and deletes a real engine's process (llama.cpp, SmolLM2-135M) as the manifest says.

# %% name="budgets"
import math

import pandas as pd
from facts import fact
from rules import budget, drain_s, load, prestop_s

TOKEN_S, TOKENS = 0.047, 2048  # Qwen3-32B on H100, llm-d; the longest answer
WEIGHTS_GB, DISK, WARM_UP_S = 8.03e9 * 2 / 1e9, 1.0, 60  # 8B in bf16; assumed
DEFAULT_GRACE = fact("kubernetes_defaults.termination_grace_period_s")
answer_s, load_s = TOKENS * TOKEN_S, WEIGHTS_GB / DISK + WARM_UP_S
(deployment,) = load("deployment.yaml")
pod = deployment["spec"]["template"]["spec"]
(vllm,) = pod["containers"]
prestop, drain = prestop_s(vllm), drain_s(vllm)
grace = pod["terminationGracePeriodSeconds"]
startup_s, liveness_s = budget(vllm["startupProbe"]), budget(vllm["livenessProbe"])
assert DEFAULT_GRACE - prestop < answer_s <= drain and prestop + drain < grace
assert liveness_s < load_s < startup_s / 2  # without a startup probe: restarted
budgets = pd.DataFrame(index=pd.Index(["load", "answer", "shutdown"], name="what"))
budgets["takes [s]"] = [load_s, answer_s, prestop + drain]
budgets["allowed [s]"] = [startup_s, drain, grace]
budgets.round(0)

# %% name="lint-dockerfile"
from pathlib import Path

from rules import dockerfile_findings

found = dockerfile_findings("broken-Dockerfile")
dockerfile_defects = len(found)
assert dockerfile_findings("Dockerfile") == []
SERIOUS = {"DL3007", "SC1035", "DL3045", "DL3002", "DL3025", "own rule"}
assert {rule for rule, _, _ in found} >= SERIOUS
own = [text for rule, _, text in found if rule == "own rule"]
assert own == ["requirements.txt was never copied", "weights without --link"]
lines = Path("broken-Dockerfile").read_text().splitlines()
lint = [(lines[n - 1], rule) for rule, n, _ in found if rule in SERIOUS]
pd.DataFrame(lint, columns=["broken-Dockerfile", "rule"]).set_index("rule")

# %% name="meaning"
from copy import deepcopy

from rules import faults, schema_error

VERSION = "1.37"  # the cluster's, not the laptop's
CONTAINER = "spec.template.spec.containers.0"
LIVE, READY = (vllm[f"{kind}Probe"] for kind in ("liveness", "readiness"))
PLANTED = {  # what is changed, and to what; None removes it
    "livenesProbe": {
        f"{CONTAINER}.livenesProbe": LIVE,
        f"{CONTAINER}.livenessProbe": None,
    },
    "probes swapped": {
        f"{CONTAINER}.livenessProbe": READY,
        f"{CONTAINER}.readinessProbe": LIVE,
    },
    "liveness on /health_generate": {
        f"{CONTAINER}.livenessProbe.httpGet.path": "/health_generate"
    },
    "no startup probe": {f"{CONTAINER}.startupProbe": None},
    "no --shutdown-timeout": {f"{CONTAINER}.args": ["/models"]},
    "default grace period": {"spec.template.spec.terminationGracePeriodSeconds": None},
    "no preStop": {f"{CONTAINER}.lifecycle": None},
    "no GPU": {f"{CONTAINER}.resources.limits": {"memory": "24Gi"}},
    "half a GPU": {f"{CONTAINER}.resources.limits": {"nvidia.com/gpu": 0.5}},
    "tag latest": {f"{CONTAINER}.image": "registry.example.com/llm-server:latest"},
    "runs as root": {"spec.template.spec.securityContext.runAsNonRoot": False},
    "replicas": {"spec.replicas": 3},
    "selector": {"spec.selector.matchLabels": {"app": "llm-server"}},
    "llm_server": {"metadata.name": "llm_server"},
}


def planted(changes: dict) -> dict:
    doc = deepcopy(deployment)
    for path, value in changes.items():
        *parents, last = (int(k) if k.isdigit() else k for k in path.split("."))
        place = doc
        for key in parents:
            place = place[key]
        place[last] = deepcopy(value)
        if value is None:
            del place[last]
    return doc


def ours(doc: dict) -> list[str]:
    return faults(doc, answer_s, load_s, DEFAULT_GRACE)


assert ours(deployment) == [] and schema_error(deployment, VERSION, True) is None
rows = []
for name, changes in PLANTED.items():
    doc = planted(changes)
    broken = ours(doc)
    assert len(broken) == 1, name  # each breaks one rule, no other
    refused = [
        schema_error(doc, VERSION, strict) is not None for strict in (False, True)
    ]
    rows.append((name, *refused, *broken))
columns = ["planted", "lax schema", "strict schema", "our rule"]
meaning = pd.DataFrame(rows, columns=columns).set_index("planted")
planted_count = len(meaning)
lax_found, strict_found = meaning["lax schema"].sum(), meaning["strict schema"].sum()
assert lax_found == 0 and strict_found == 1 and meaning["our rule"].nunique() == 13
assert meaning.loc["livenesProbe", "strict schema"]
meaning.drop(columns="lax schema").replace({True: "refused", False: "accepted"})

# %% name="agreement"
service, hpa, pdb = load("service.yaml")
labels = deployment["spec"]["template"]["metadata"]["labels"]
dockerfile = Path("Dockerfile").read_text()
(metric,) = hpa["spec"]["metrics"]
assert all(schema_error(doc, VERSION, True) is None for doc in (service, hpa, pdb))
assert f"EXPOSE {vllm['ports'][0]['containerPort']}\n" in dockerfile
assert f"USER {pod['securityContext']['runAsUser']}:" in dockerfile
for selector in (service["spec"]["selector"], pdb["spec"]["selector"]["matchLabels"]):
    assert selector.items() <= labels.items()
assert hpa["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
assert metric["pods"]["metric"]["name"] == "llm_requests_in_flight"  # never CPU
assert pdb["spec"]["maxUnavailable"] == 1 < hpa["spec"]["minReplicas"]
mounted = {mount["mountPath"] for mount in vllm["volumeMounts"]}
assert {"/models", "/tmp", "/dev/shm"} <= mounted and "HOME=/tmp" in dockerfile
print("ports, users, selectors, scaling signal and mounts agree")

# %% name="weights"
NET, NODE_DISK = 0.5, 3.0  # GB/s to a node, and from its disk: assumed
SIZES = {"base": 9.0, "deps": 0.1, "weights": WEIGHTS_GB, "code": 0.001}  # GB; assumed
BELOW = {  # what a part stands on: it is pulled again when that changes
    "COPY weights": {"deps": ["base"], "weights": ["base", "deps"]},
    "COPY --link weights": {"deps": ["base"]},
    "image volume": {"deps": ["base"]},
}


def pulled(placement: str, changed: str) -> float:
    below = BELOW[placement]
    stale = [
        part for part in SIZES if part == changed or changed in below.get(part, [])
    ]
    return sum(SIZES[part] for part in stale)


pulls = pd.DataFrame(
    {
        f"new {part}": {name: pulled(name, part) for name in BELOW}
        for part in ("base", "deps")
    }
).rename_axis("GB pulled")
copied, linked, volume = pulls["new deps"]
assert linked == volume < copied / 100 and copied > WEIGHTS_GB
new_node = sum(SIZES.values()) / NET
streamed, cached = WEIGHTS_GB / NET, WEIGHTS_GB / NODE_DISK
# Mean of a volume, (1 - p) / NET + 1 / NODE_DISK, against 1 / NET for a stream.
cached_share = NET / NODE_DISK
assert cached < streamed / 5 and 0.1 < cached_share < 0.2
assert math.isclose((1 - cached_share) * streamed + cached, streamed)
pulls.round(1)

# %% name="start" tags=["volatile"]
from kubelet import Pod, Stream, wait

replica = Pod(pod, DEFAULT_GRACE)
seen = []
wait(lambda: seen.append(replica.get("/health")) or seen[-1] == 200)
refusals = seen.count("refused")
assert set(seen) == {"refused", 200} and seen.index(200) == refusals > 1
first = Stream(replica.url, 8)  # ready means ready: the first request is served
first.thread.join()
first_tokens = first.tokens
assert first.complete and first_tokens == 8
print(
    f"refused {refusals} times, then 200; the first request got {first_tokens} tokens"
)

# %% name="probes" tags=["volatile"]
from concurrent.futures import ThreadPoolExecutor

LONG, SHALLOW = 60, 10
streams = [Stream(replica.url, LONG) for _ in range(2)]  # as many as it decodes at once
for stream in streams:
    stream.wait_for(3)
with ThreadPoolExecutor() as pool:
    deep = pool.submit(replica.get, "/health_generate")
    shallow = [replica.get("/health") for _ in range(SHALLOW)]
    at_shallow = max(stream.tokens for stream in streams)
    deep_waited = not deep.done()
    deep_status = deep.result()
    at_deep = max(stream.tokens for stream in streams)
for stream in streams:
    stream.thread.join()
assert shallow == [200] * SHALLOW and at_shallow < LONG and deep_waited
assert deep_status == 200 and at_deep > 0.9 * LONG
probes = pd.DataFrame(index=pd.Index(["/health", "/health_generate"], name="probe"))
probes["answered"] = [SHALLOW, 1]
probes["tokens decoded by then"] = [at_shallow, at_deep]
probes

# %% name="drain" tags=["volatile"]
ANSWER = 96  # tokens here for the TOKENS of the longest answer
tokens_per_s = ANSWER / answer_s  # the clock: how many of them pass in a second
VARIANTS = {  # each leaves one thing out
    "drain and grace period": {},
    "drain only": PLANTED["default grace period"],
    "grace period only": PLANTED["no --shutdown-timeout"],
}
outcomes = {}
for name, changes in VARIANTS.items():
    spec = planted(changes)["spec"]["template"]["spec"]
    replica = replica if not changes else Pod(spec, DEFAULT_GRACE)
    replica.wait_until_ready()
    stream = Stream(replica.url, ANSWER)
    stream.wait_for(4)  # nearly all of the answer is to come
    outcomes[name] = replica.delete(stream, tokens_per_s)
both, drain_only, grace_only = outcomes.values()
assert both == {
    "during preStop": 200,
    "drained": True,
    "killed": False,
    "tokens": ANSWER,
    "complete": True,
}
assert drain_only["killed"] and not drain_only["complete"] and drain_only["drained"]
assert not grace_only["complete"] and not grace_only["killed"]
drain_tokens, grace_tokens = drain_only["tokens"], grace_only["tokens"]
assert DEFAULT_GRACE * tokens_per_s < drain_tokens < ANSWER
assert prestop * tokens_per_s < grace_tokens < drain_tokens
drained = pd.DataFrame(outcomes).T.rename_axis("configured")
drained = drained[["tokens", "killed", "complete"]]
drained.replace({True: "yes", False: "no"})

# %% name="sweep-answer" tags=["sweep"] flips="break_even"
MARGIN, ROOM, REPLICAS = (
    1.15,
    10,
    12,
)  # of the drain; seconds; one is replaced at a time
lengths = pd.Index([128, 256, 512, 1024, 2048, 4096, 8192, 32768])
seconds = lengths * TOKEN_S
sweep = pd.DataFrame(index=lengths.rename("longest answer [tokens]"))
sweep["answer [s]"] = seconds
sweep["grace period [s]"] = prestop + MARGIN * seconds + ROOM
sweep["rollout of 12 replicas [min]"] = REPLICAS * (load_s + prestop + seconds) / 60
break_even = (DEFAULT_GRACE - prestop) / TOKEN_S  # what the default still covers
kserve_tokens, spot_tokens = 45 / TOKEN_S, (120 - prestop) / TOKEN_S
assert 310 < break_even < 330 and 950 < kserve_tokens < 960 < 2200 < spot_tokens < 2250
assert sweep["grace period [s]"][2048] < grace < sweep["grace period [s]"][4096]
rollout_2k, rollout_32k = (
    sweep["rollout of 12 replicas [min]"][n] for n in (2048, 32768)
)
assert 36 < rollout_2k < 39 and rollout_32k > 5 * 60
sweep.round(1)
