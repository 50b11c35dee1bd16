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

TOKEN_S, TOKENS = 0.047, 2048  # mean, Qwen3-32B on H100, llm-d; the longest answer
WAIT_S, MARGIN = 5, 1.15  # queue and prefill at most; a mean is no p99: both assumed
WEIGHTS_GB, DISK, WARM_UP_S = 32.8e9 * 2 / 1e9, 1.0, 60  # 32B in bf16; assumed
DEFAULT_GRACE = fact("kubernetes_defaults.termination_grace_period_s")
answer_s, load_s = TOKENS * TOKEN_S, WEIGHTS_GB / DISK + WARM_UP_S
request_s = MARGIN * (WAIT_S + answer_s)  # what the drain has to cover
(deployment,) = load("deployment.yaml")
pod = deployment["spec"]["template"]["spec"]
(vllm,) = pod["containers"]
prestop, drain = prestop_s(vllm), drain_s(vllm)
grace = pod["terminationGracePeriodSeconds"]
startup_s, liveness_s = budget(vllm["startupProbe"]), budget(vllm["livenessProbe"])
assert DEFAULT_GRACE < answer_s and request_s <= drain and prestop + drain < grace
assert liveness_s < load_s < startup_s / 2  # without a startup probe: restarted
budgets = pd.DataFrame(index=pd.Index(["load", "request", "shutdown"], name="what"))
budgets["takes [s]"] = [load_s, request_s, prestop + drain]
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
from rules import changed, faults, schema_error

VERSION = "1.37"  # the cluster's, not the laptop's
POD = "spec.template.spec"
C = f"{POD}.containers.0"
LIVE, READY = (vllm[f"{kind}Probe"] for kind in ("liveness", "readiness"))
ARGS, MOUNTS = vllm["args"], vllm["volumeMounts"]
DEVICES, SURGE = f"{C}.resources.limits", "spec.strategy.rollingUpdate"
PLANTED = {  # what is changed, and to what; None removes it
    "livenesProbe": {f"{C}.livenesProbe": LIVE, f"{C}.livenessProbe": None},
    "probes swapped": {f"{C}.livenessProbe": READY, f"{C}.readinessProbe": LIVE},
    "liveness on /one_token": {f"{C}.livenessProbe.httpGet.path": "/one_token"},
    "no startup probe": {f"{C}.startupProbe": None},
    "no readiness probe": {f"{C}.readinessProbe": None},
    "no --shutdown-timeout": {f"{C}.args": ARGS[:-1]},
    "default grace period": {f"{POD}.terminationGracePeriodSeconds": None},
    "no preStop": {f"{C}.lifecycle": None},
    "no GPU": {DEVICES: {"memory": "96Gi"}},
    "0 GPUs": {DEVICES: {"nvidia.com/gpu": 0}},
    "half a GPU": {DEVICES: {"nvidia.com/gpu": 0.5}},
    "tag latest": {f"{C}.image": "registry.example.com/llm-server:latest"},
    "weights not mounted": {f"{C}.volumeMounts": MOUNTS[1:]},
    "weights writable": {f"{C}.volumeMounts.0.readOnly": False},
    "runs as root": {f"{POD}.securityContext.runAsNonRoot": False},
    "writable root": {f"{C}.securityContext.readOnlyRootFilesystem": False},
    "all replaced at once": {SURGE: {"maxUnavailable": "100%", "maxSurge": 0}},
    "deadline of 60 s": {"spec.progressDeadlineSeconds": 60},
    "replicas": {"spec.replicas": 3},
    "selector": {"spec.selector.matchLabels": {"app": "llm-server"}},
    "llm_server": {"metadata.name": "llm_server"},
}
# By its validation code the API server refuses these too; no cluster runs here.
SERVER = {"livenesProbe", "half a GPU", "selector", "llm_server"}
PAUSE = {"exec": {"command": ["sh", "-c", "sleep 15"]}}
VALID = [  # other spellings of the same: no rule may object
    {f"{C}.args": [*ARGS[:-1], "--shutdown-timeout", "120", "--x=a=b"]},
    {f"{C}.lifecycle.preStop": PAUSE},
    {DEVICES: {"huawei.com/Ascend910": 2}},
]


def planted(changes: dict) -> dict:
    return changed(deployment, changes)


def ours(doc: dict) -> list[str]:
    return faults(doc, request_s, load_s, DEFAULT_GRACE)


assert ours(deployment) == [] and schema_error(deployment, VERSION, True) is None
assert all(ours(planted(changes)) == [] for changes in VALID)
(short,) = load(
    "pod.yaml"
)  # what "do this" shows: only the digests are left to fill in
left = ours(planted({POD: short["spec"]}))
assert left == ["an image can change under its name", "root file system is writable"]
rows = []
for name, changes in PLANTED.items():
    doc = planted(changes)
    broken = ours(doc)
    assert len(broken) == 1, name  # each breaks one rule, no other
    lax, strict = (schema_error(doc, VERSION, how) is not None for how in (False, True))
    assert not lax and strict <= (name in SERVER)
    rows.append((name, strict, name in SERVER, *broken))
columns = ["planted", "strict schema", "API server", "our rule"]
meaning = pd.DataFrame(rows, columns=columns).set_index("planted")
planted_count, strict_found = len(meaning), meaning["strict schema"].sum()
only_rules = planted_count - len(SERVER)
assert planted_count == 21 and strict_found == 1 and only_rules == 17
assert meaning.loc["livenesProbe", "strict schema"]
meaning.replace({True: "refused", False: "accepted"})

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
assert service["spec"]["ports"][0]["targetPort"] == vllm["ports"][0]["name"]
assert 'ENTRYPOINT ["vllm", "serve"]\n' in dockerfile  # process 1 gets the signal
assert hpa["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
assert metric["pods"]["metric"]["name"] == "llm_requests_in_flight"  # never CPU
SUSTAINED = 32  # requests that a replica serves within its objective: assumed
assert int(metric["pods"]["target"]["averageValue"]) == int(0.7 * SUSTAINED)
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
assert first.reason == "length" and first_tokens == 8
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
    deep = pool.submit(replica.get, "/one_token")
    shallow = [replica.get("/health") for _ in range(SHALLOW)]
    at_shallow = max(stream.tokens for stream in streams)
    deep_waited = not deep.done()
    deep_status = deep.result()
    at_deep = max(stream.tokens for stream in streams)
for stream in streams:
    stream.thread.join()
assert shallow == [200] * SHALLOW and at_shallow < LONG and deep_waited
assert deep_status == 200 and at_deep > 0.9 * LONG
probes = pd.DataFrame(index=pd.Index(["/health", "/one_token"], name="probe"))
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
assert list(both.values()) == [200, True, False, ANSWER, "length", True]
assert drain_only["killed"] and drain_only["turned away"] and not drain_only["[DONE]"]
# An abort looks like an end: [DONE] arrives, only finish_reason tells.
assert grace_only["finish_reason"] == "abort" and grace_only["[DONE]"]
drain_tokens, grace_tokens = drain_only["tokens"], grace_only["tokens"]
assert DEFAULT_GRACE * tokens_per_s < drain_tokens < ANSWER
assert prestop * tokens_per_s < grace_tokens < ANSWER
drained = pd.DataFrame(outcomes).T.rename_axis("configured")
drained = drained[["tokens", "killed", "finish_reason", "[DONE]"]]
drained.replace({True: "yes", False: "no"})

# %% name="sweep-answer" tags=["sweep"] flips="break_even"
ROOM, REPLICAS = 10, 12  # seconds; replaced one at a time, with GPUs for one more
lengths = pd.Index([128, 256, 512, 1024, 2048, 4096, 8192, 32768])
drain_of = MARGIN * (WAIT_S + lengths * TOKEN_S)
sweep = pd.DataFrame(index=lengths.rename("longest answer [tokens]"))
sweep["drain [s]"] = drain_of
sweep["grace period [s]"] = prestop + drain_of + ROOM
sweep["slowest rollout of 12 replicas [min]"] = (
    REPLICAS * (load_s + prestop + drain_of) / 60
)


def covers(seconds: float) -> float:
    """Tokens of the longest answer that a drain of so many seconds lets finish."""
    return (seconds / MARGIN - WAIT_S) / TOKEN_S


break_even = covers(DEFAULT_GRACE - prestop)  # what the default still covers
kserve_tokens, spot_tokens = covers(45), covers(120 - prestop)
deadline_s = deployment["spec"]["progressDeadlineSeconds"]
deadline_tokens = covers(deadline_s - load_s - prestop)
assert sweep["grace period [s]"][2048] < grace < sweep["grace period [s]"][4096]
assert break_even < 200 < kserve_tokens < 800 < spot_tokens < TOKENS
assert TOKENS < deadline_tokens < 32768
slowest = sweep["slowest rollout of 12 replicas [min]"]
rollout_2k, rollout_32k = slowest[2048], slowest[32768]
all_spare = REPLICAS * load_s / 60  # GPUs enough: no new pod waits for a drain
assert all_spare < 30 < rollout_2k < 60 and rollout_32k > 5 * 60
sweep.round(1)
