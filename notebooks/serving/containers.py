# ---
# jupyter:
#   qa:
#     seconds: 12
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
assert [round(s) for s in (answer_s, load_s, request_s)] == [96, 126, 116]
budgets = pd.DataFrame(index=pd.Index(["load", "request", "shutdown"], name="what"))
budgets["takes [s]"] = [load_s, request_s, prestop + drain]
budgets["allowed [s]"] = [startup_s, drain, grace]
budgets.round(0)

# %% name="weights"
NET = 0.5  # GB/s from registry or object storage to a node: assumed; DISK as above
read_s, fetch_s = WEIGHTS_GB / DISK, WEIGHTS_GB / NET
placements = pd.Index(["image volume", "streamed"], name="weights")
starts = pd.DataFrame(index=placements)
starts["new node [s]"] = [fetch_s + read_s, fetch_s]  # pulled to disk first, then read
starts["cached [s]"] = [read_s, fetch_s]
cached_share = NET / DISK  # of all starts, at which both take equally long on average
mean_s = starts.T.mul([1 - cached_share, cached_share], axis=0).sum()
volume_new, volume_cached = starts.loc["image volume"]
assert volume_cached < fetch_s < volume_new and cached_share == 0.5
assert startup_s < 2 * (fetch_s + WARM_UP_S)  # streamed: the probe is too short
assert round(mean_s["image volume"], 6) == round(mean_s["streamed"], 6) == fetch_s
starts.round(0)

# %% name="lint-dockerfile"
from pathlib import Path

from rules import dockerfile_findings

SERIOUS = ["DL3007", "SC1035", "DL3045", "DL3002", "DL3025", "own rule"]
found = dockerfile_findings("broken-Dockerfile")
lint = pd.DataFrame(found, columns=["broken-Dockerfile", "rule"]).set_index("rule")
dockerfile_defects = len(lint)
assert dockerfile_findings("Dockerfile") == [] and dockerfile_defects == 11
own = ["RUN pip install -r requirements.txt", "COPY model.safetensors models/"]
assert list(lint.loc["own rule", "broken-Dockerfile"]) == own
lines = Path("Dockerfile").read_text().splitlines()  # agrees with the manifest
assert f"USER {pod['securityContext']['runAsUser']}:0" in lines
assert f"EXPOSE {vllm['ports'][0]['containerPort']}" in lines
assert 'ENTRYPOINT ["vllm", "serve"]' in lines  # process 1 gets the signal
lint[lint.index.isin(SERIOUS)]

# %% name="meaning"
from rules import changed, faults, schema_error

VERSION = "1.37"  # the cluster's, not the laptop's
POD, C = "spec.template.spec", "spec.template.spec.containers.0"
LIVE, READY, ARGS = vllm["livenessProbe"], vllm["readinessProbe"], vllm["args"]
CLAIM = {"name": "weights", "persistentVolumeClaim": {"claimName": "llm-32b"}}
LIMITS, SURGE = f"{C}.resources.limits", "spec.strategy.rollingUpdate"
PLANTED = {  # what is changed, and to what; None removes it
    "livenesProbe": {f"{C}.livenesProbe": LIVE, f"{C}.livenessProbe": None},
    "llm_server": {"metadata.name": "llm_server"},
    "probes swapped": {f"{C}.livenessProbe": READY, f"{C}.readinessProbe": LIVE},
    "liveness on /one_token": {f"{C}.livenessProbe.httpGet.path": "/one_token"},
    "no startup probe": {f"{C}.startupProbe": None},
    "no readiness probe": {f"{C}.readinessProbe": None},
    "no --shutdown-timeout": {f"{C}.args": ARGS[:-1]},
    "default grace period": {f"{POD}.terminationGracePeriodSeconds": None},
    "no preStop": {f"{C}.lifecycle": None},
    "one GPU": {LIMITS: {"nvidia.com/gpu": 1}},
    "tag latest": {f"{C}.image": "registry.example.com/llm-server:latest"},
    "weights writable": {
        f"{POD}.volumes.0": CLAIM,
        f"{C}.volumeMounts.0.readOnly": False,
    },
    "runs as root": {f"{POD}.securityContext.runAsNonRoot": False},
    "writable root": {f"{C}.securityContext.readOnlyRootFilesystem": False},
    "all replaced at once": {SURGE: {"maxUnavailable": "100%", "maxSurge": 0}},
    "deadline of 60 s": {"spec.progressDeadlineSeconds": 60},
    "replicas": {"spec.replicas": 3},
}
SERVER = {"livenesProbe", "llm_server"}  # refused by its validation code; not run here
VALID = {  # other spellings of the same: no rule may object
    f"{C}.args": [*ARGS[:-1], "--shutdown-timeout", "120", "--x=a=b"],
    f"{C}.lifecycle.preStop": {"exec": {"command": ["sh", "-c", "sleep 15"]}},
    LIMITS: {"huawei.com/Ascend910": 2},
    f"{POD}.securityContext.runAsUser": 1000,  # as Ascend's device files need it
    f"{C}.volumeMounts.0.readOnly": False,  # an image volume is read-only all the same
}
NEAR = {  # set, but not enough: exactly this rule objects
    "drain ends before the longest request": {f"{C}.args.2": "--shutdown-timeout=110"},
    "SIGKILL comes before the drain is over": {
        f"{POD}.terminationGracePeriodSeconds": 130
    },
    "SIGTERM comes while traffic still arrives": {
        f"{C}.lifecycle.preStop.sleep.seconds": 5
    },
    "start-up budget is below twice the load time": {
        f"{C}.startupProbe.failureThreshold": 40
    },
    "a rollout fails while it waits for a drain": {"spec.progressDeadlineSeconds": 200},
    "a rollout takes away ready replicas": {f"{SURGE}.maxUnavailable": 1},
    "an image can change under its name": {
        f"{POD}.volumes.0.image.reference": "llm-32b:v1"
    },
}
given = {"request_s": request_s, "load_s": load_s, "default_grace": DEFAULT_GRACE}
for changes in ({}, VALID):
    assert faults(changed(deployment, changes), **given) == []
for rule, changes in NEAR.items():
    assert faults(changed(deployment, changes), **given) == [rule]
rows = []
for name, changes in PLANTED.items():
    doc = changed(deployment, changes)
    broken = faults(doc, **given)
    assert len(broken) == 1, name  # each breaks one rule, no other
    lax, strict = (schema_error(doc, VERSION, how) is not None for how in (False, True))
    assert not lax and strict == (name == "livenesProbe")
    rows.append((name, "refused" if name in SERVER else "accepted", *broken))
columns = ["planted", "API server", "our rule"]
meaning = pd.DataFrame(rows, columns=columns).set_index("planted")
planted_count, only_rules = len(meaning), (meaning["API server"] == "accepted").sum()
assert planted_count == 17 and only_rules == 15 and meaning["our rule"].nunique() == 16
meaning

# %% name="start" tags=["volatile"]
from kubelet import Pod, Stream, wait

replica = Pod(pod, DEFAULT_GRACE)
seen = []
wait(lambda: seen.append(replica.get("/health")) or seen[-1] == 200)
assert set(seen) == {"refused", 200} and len(seen) > 2
first = Stream(replica.url, 8)  # ready means ready: the first request is served
assert first.end() == "length" and first.tokens == 8
print(f"refused {len(seen) - 1} times, then 200; the first request got 8 tokens")

# %% name="probes" tags=["volatile"]
from concurrent.futures import ThreadPoolExecutor

LONG, SHALLOW = 48, 10
streams = [Stream(replica.url, LONG) for _ in range(2)]  # as many as it decodes at once
for stream in streams:
    stream.wait_for(3)
with ThreadPoolExecutor() as pool:
    deep = pool.submit(replica.get, "/one_token")
    shallow = [replica.get("/health") for _ in range(SHALLOW)]
    at_shallow = max(stream.tokens for stream in streams)
    assert not deep.done() and deep.result() == 200
    at_deep = max(stream.tokens for stream in streams)
assert shallow == [200] * SHALLOW and at_shallow < 0.9 * LONG < at_deep
assert [stream.end() for stream in streams] == ["length"] * 2
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
    spec = changed(deployment, changes)["spec"]["template"]["spec"]
    replica = Pod(spec, DEFAULT_GRACE) if changes else replica
    replica.wait_until_ready()
    stream = Stream(replica.url, ANSWER)
    stream.wait_for(4)  # nearly all of the answer is to come
    outcomes[name] = replica.delete(stream, tokens_per_s)
both, drain_only, grace_only = outcomes.values()
assert list(both.values()) == ["length", True, False, ANSWER, "length", True]
assert drain_only["killed"] and drain_only["turned away"] and not drain_only["[DONE]"]
# An abort looks like an end: [DONE] arrives, only finish_reason tells.
assert grace_only["finish_reason"] == "abort" and grace_only["[DONE]"]
drain_tokens, grace_tokens = drain_only["tokens"], grace_only["tokens"]
assert DEFAULT_GRACE * tokens_per_s < drain_tokens < ANSWER
assert prestop * tokens_per_s < grace_tokens < ANSWER
drained = pd.DataFrame(outcomes).T.rename_axis("configured").iloc[:, 2:]
drained.replace({True: "yes", False: "no"})

# %% name="sweep-answer" tags=["sweep"] flips="break_even"
ROOM, REPLICAS = 10, 12  # seconds; replaced one at a time, with GPUs for one more
lengths = pd.Index([128, 256, 512, 1024, 2048, 4096, 8192, 32768])
sweep = pd.DataFrame(index=lengths.rename("longest answer [tokens]"))
sweep["drain [s]"] = MARGIN * (WAIT_S + lengths * TOKEN_S)
sweep["grace period [s]"] = prestop + sweep["drain [s]"] + ROOM
waits_s = (REPLICAS - 1) * (prestop + sweep["drain [s]"])  # the first finds spare GPUs
slowest = (REPLICAS * load_s + waits_s) / 60
sweep["slowest rollout of 12 replicas [min]"] = slowest


def covers(drain_s: float) -> float:
    return (drain_s / MARGIN - WAIT_S) / TOKEN_S  # tokens of the longest answer


break_even = covers(DEFAULT_GRACE - prestop)  # what the default still covers
kserve_tokens, spot_tokens = covers(45), covers(120 - prestop)
deadline_s = deployment["spec"]["progressDeadlineSeconds"]
deadline_tokens = covers(deadline_s - load_s - prestop)
assert sweep["grace period [s]"][2048] < grace < sweep["grace period [s]"][4096]
covered = (break_even, kserve_tokens, spot_tokens, deadline_tokens)
assert [round(tokens) for tokens in covered] == [171, 726, 1836, 13944]
rollout_2k, rollout_32k = slowest[2048], slowest[32768]
all_spare = REPLICAS * load_s / 60  # GPUs enough: no new pod waits for a drain
assert [round(m) for m in (all_spare, rollout_2k, rollout_32k)] == [25, 49, 354]
sweep.round(1)
