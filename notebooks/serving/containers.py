# ---
# jupyter:
#   qa:
#     seconds: 20
# ---

# %% [markdown]
# # 如何把模型容器化并部署？ · How do you package a model in containers and deploy it?
#
# 用真实的检查器验证 Dockerfile、清单和 Compose 文件，再在真实的 uvicorn 服务上测量探针、过载和排空。
#
# Checks a Dockerfile, manifests and a Compose file with the real validators, then measures probes, overload and draining on a real uvicorn server.

# %% name="lint-dockerfile"
from pathlib import Path

import pandas as pd
from checks import dockerfile_findings

pd.set_option("display.max_colwidth", None)
findings = dockerfile_findings("broken-Dockerfile")
dockerfile_defects = len(findings)
SERIOUS = {"own check", "DL3007", "SC1035", "DL3045", "DL3002", "DL3025"}
assert dockerfile_findings("Dockerfile") == []
assert {rule for rule, _, _ in findings} >= SERIOUS
source = Path("broken-Dockerfile").read_text().splitlines()
pd.DataFrame(
    [
        (source[line - 1], rule, text)
        for rule, line, text in findings
        if rule in SERIOUS
    ],
    columns=["broken-Dockerfile", "rule", "finding"],
)

# %% name="validate-manifests"
from checks import load, schema_error

VERSION = "1.35"  # the cluster's, not the laptop's
good_docs = load("deployment.yaml") + load("service.yaml")
bad_docs = load("broken-manifests.yaml")
strict = {doc["kind"]: schema_error(doc, VERSION) for doc in bad_docs}
lax = {doc["kind"]: schema_error(doc, VERSION, strict=False) for doc in bad_docs}
assert [schema_error(doc, VERSION) for doc in good_docs] == [None] * 4
bad_deployment, bad_service, bad_hpa, bad_pdb = strict.values()
assert (
    "livenesProbe" in bad_deployment and lax["Deployment"] is None
)  # only strict sees the misspelt field
assert (
    "maxReplicas" in bad_hpa and bad_service is None and bad_pdb is None
)  # the last two are wrong all the same
pd.DataFrame({"strict schema": strict, "schema, not strict": lax}).fillna("accepted")

# %% name="api-rules"
import re

from checks import DNS_LABEL


def api_rules(doc: dict) -> list[str]:
    """Rules the API server enforces in code: the published JSON schemas do not carry them."""
    spec, name = doc["spec"], doc["metadata"]["name"]
    rules = {
        f"name {name!r} is not a DNS name": re.fullmatch(
            DNS_LABEL if doc["kind"] == "Service" else rf"{DNS_LABEL}(\.{DNS_LABEL})*",
            name,
        )
    }
    for item in spec.get("template", {}).get("spec", {}).get("containers", []):
        gpus = item.get("resources", {}).get("limits", {}).get("nvidia.com/gpu", 0)
        rules |= {
            f"container name {item['name']!r} is not a DNS label": re.fullmatch(
                DNS_LABEL, item["name"]
            ),
            f"nvidia.com/gpu: {gpus} is not an integer": float(gpus).is_integer(),
        }
    if doc["kind"] == "Deployment":
        labels = spec["template"]["metadata"]["labels"]
        rules["selector does not match the template's labels"] = (
            spec["selector"]["matchLabels"].items() <= labels.items()
        )
    rules["minAvailable and maxUnavailable exclude each other"] = (
        not {"minAvailable", "maxUnavailable"} <= spec.keys()
    )
    rules["maxReplicas is below minReplicas"] = int(spec.get("maxReplicas", 1)) >= int(
        spec.get("minReplicas", 1)
    )
    return [rule for rule, kept in rules.items() if not kept]


refused = [(doc["kind"], rule) for doc in bad_docs for rule in api_rules(doc)]
api_defects, underscore_names = len(refused), sum("_" in rule for _, rule in refused)
assert [rule for doc in good_docs for rule in api_rules(doc)] == []
assert api_defects == 7 and underscore_names == 3
pd.DataFrame(refused, columns=["object", "the API server refuses"])

# %% name="validate-compose"
from checks import compose_findings

compose_defects = compose_findings("broken-compose.yaml")
texts = [text for _, _, text in compose_defects]
assert compose_findings("compose.yaml") == []
assert sum(by == "Compose schema" for by, _, _ in compose_defects) == 2 and any(
    "capabilities" in text for text in texts
)
assert texts.count("service name is no valid host name") == 2 and any(
    "clear text" in text for text in texts
)
pd.DataFrame(compose_defects, columns=["found by", "where", "finding"])

# %% name="budgets"
deployment, service, hpa, pdb = good_docs
pod = deployment["spec"]["template"]["spec"]
server, dockerfile = pod["containers"][0], Path("Dockerfile").read_text()
port, user = (
    int(re.search(rf"^{word} (\d+)", dockerfile, re.M)[1])
    for word in ("EXPOSE", "USER")
)
assert (
    port == server["ports"][0]["containerPort"]
    and user == pod["securityContext"]["runAsUser"] != 0
)
assert (
    service["spec"]["selector"].items()
    <= deployment["spec"]["template"]["metadata"]["labels"].items()
)
assert (
    hpa["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    and "replicas" not in deployment["spec"]
)

# Assumed: 8e9 parameters in bf16, 1 GB/s from local disk to GPU, 60 s of warm-up, 50 ms a token, 2,048 tokens at most.
weights_gb = 8e9 * 2 / 1e9
load_s, longest_answer_s = weights_gb / 1.0 + 60, 2048 * 0.05
startup_budget_s, liveness_budget_s = (
    server[kind]["failureThreshold"] * server[kind]["periodSeconds"]
    for kind in ("startupProbe", "livenessProbe")
)
drain_s = int(re.search(r'graceful-shutdown", "(\d+)"', dockerfile)[1])
grace_s, prestop_s = (
    pod["terminationGracePeriodSeconds"],
    server["lifecycle"]["preStop"]["sleep"]["seconds"],
)
assert (
    liveness_budget_s < load_s < startup_budget_s / 2
)  # without the startup probe: killed while loading, for ever
assert longest_answer_s < drain_s and prestop_s + drain_s < grace_s
# n replicas share a load; while one restarts, each of the others carries n / (n - 1) of what it had.
replicas, load_before = hpa["spec"]["minReplicas"], 0.80
load_after, survivable = (
    load_before * replicas / (replicas - 1),
    (replicas - 1) / replicas,
)
assert load_after > 1 > load_before > survivable
pd.DataFrame(
    [
        ["load weights and warm up", load_s, "startup probe", startup_budget_s],
        ["longest answer", longest_answer_s, "graceful shutdown", drain_s],
        [
            "preStop + graceful shutdown",
            prestop_s + drain_s,
            "termination grace period",
            grace_s,
        ],
    ],
    columns=["what", "takes, s", "bounded by", "bound, s"],
)

# %% name="weights-placement"
# A changed layer is pulled again, and so is every layer above it in the same image.
# Assumed compressed sizes in GB: slim Python 0.05, torch with its CUDA wheels 4, weights as above, code 0.001.
sizes = {"base": 0.05, "deps": 4.0, "weights": weights_gb, "code": 0.001}
placements = {
    "in the image, above the code": [["base", "deps", "code", "weights"]],
    "in the image, below the code": [["base", "deps", "weights", "code"]],
    "OCI image volume": [["base", "deps", "code"], ["weights"]],
    "shared file system": [["base", "deps", "code"]],
}


def pulled(images: list[list[str]], changed: list[str]) -> float:
    first = [
        min(
            (image.index(part) for part in changed if part in image), default=len(image)
        )
        for image in images
    ]
    return sum(
        sizes[layer] for image, start in zip(images, first) for layer in image[start:]
    )


events = {
    "new node": list(sizes),
    "new code": ["code"],
    "new deps": ["deps"],
    "new weights": ["weights"],
}
gb = pd.DataFrame(
    {
        name: {event: pulled(images, parts) for event, parts in events.items()}
        for name, images in placements.items()
    }
).T
code_above_gb, deps_below_gb, deps_volume_gb = (
    gb.iloc[0]["new code"],
    gb.iloc[1]["new deps"],
    gb.iloc[2]["new deps"],
)
pull_s = (
    gb.iloc[2]["new node"] / 0.5
)  # at an assumed 0.5 GB/s from the registry to one node
assert (
    code_above_gb > 1000 * gb.iloc[2]["new code"] and deps_below_gb > 4 * deps_volume_gb
)
assert pull_s < deployment["spec"]["progressDeadlineSeconds"] / 2
gb.map("{:.3f} GB".format)

# %% name="start-not-ready"
import time

import numpy as np
from harness import (
    HTTP,
    SEEN,
    SPANS,
    ask,
    metric,
    now,
    overload,
    pool,
    probe,
    start,
    verdict,
    wait_until,
)

weights = (
    np.random.default_rng(0).standard_normal((512, 512), dtype=np.float32).tobytes()
)
good, good_url = start("good")
blocked, blocked_url = start(
    "blocked", BLOCK_LOOP="1"
)  # its decode loop never yields to the event loop
with open("good.weights", "wb") as pipe, open("blocked.weights", "wb") as other:
    pipe.write(weights[: len(weights) // 2])  # half of the weights have arrived
    wait_until(lambda: probe(f"{good_url}/livez"))
    for _ in range(5):
        loading = {
            path: probe(f"{good_url}/{path}")
            for path in ("livez", "readyz", "livez-deep")
        }
        time.sleep(0.1)
    early_status = HTTP.post(
        f"{good_url}/generate", json={"token": 1, "max_tokens": 4}
    ).status_code
    pipe.write(weights[len(weights) // 2 :])
    other.write(weights)
wait_until(lambda: probe(f"{good_url}/readyz") and probe(f"{blocked_url}/readyz"))
loaded = {path: probe(f"{good_url}/{path}") for path in loading}
assert (
    loading == {"livez": True, "readyz": False, "livez-deep": False}
    and early_status == 503
    and all(loaded.values())
)
pd.DataFrame({"while loading": loading, "after loading": loaded}).replace(
    {True: "ok", False: "fails"}
)

# %% name="overload" tags=["volatile"]
limits = server["livenessProbe"]  # the Deployment's own timeout and threshold
long_answer = pool.submit(ask, blocked_url, 3000)
wait_until(lambda: not probe(f"{blocked_url}/livez", 0.5))
shallow, ready = [], []
with overload(good_url, tokens=12, clients=14):
    deep, wedged = (
        pool.submit(verdict, f"{good_url}/livez-deep", limits),
        pool.submit(verdict, f"{blocked_url}/livez", limits),
    )
    while not (deep.done() and wedged.done()):
        shallow.append(probe(f"{good_url}/livez", limits["timeoutSeconds"]))
        ready.append(probe(f"{good_url}/readyz", limits["timeoutSeconds"]))
        time.sleep(0.1)
answered = {
    "/livez, queue full": shallow,
    "/readyz, queue full": ready,
    "/livez-deep, queue full": deep.result(),
    "/livez, event loop blocked": wedged.result(),
}
shallow_ok, shallow_count = sum(shallow), len(shallow)
assert "x" * limits["failureThreshold"] not in "".join(
    ".x"[not ok] for ok in shallow
)  # the kubelet leaves it running
assert not any(deep.result()) and not any(wedged.result())  # and restarts these two
pd.DataFrame(
    {
        name: {"probes": len(oks), "answered within 1 s": sum(oks)}
        for name, oks in answered.items()
    }
).T

# %% name="drain" tags=["volatile"]
wait_until(lambda: metric(good_url, "in_flight") == 0)  # the overload is over
accepted, rejected = (
    metric(good_url, "accepted_total"),
    metric(good_url, "rejected_total"),
)
last = [pool.submit(ask, good_url, 22) for _ in range(6)]
wait_until(lambda: metric(good_url, "accepted_total") == accepted + len(last))
in_flight = metric(good_url, "in_flight")
sigterm_at = now()
good.terminate()
blocked.terminate()
wait_until(lambda: not probe(f"{good_url}/readyz"))
working_while_refusing = (
    good.poll() is None
)  # nothing new gets in, what was accepted is served
drained = [future.result() for future in last].count(200)
good.wait(30)
drain_took_s, ignored_sigterm = now() - sigterm_at, blocked.poll() is None
blocked.kill()  # what follows when the grace period is over
blocked.wait(10)
pool.shutdown()
HTTP.close()
lost = type(long_answer.exception()).__name__
assert working_while_refusing and drained == len(last) >= in_flight > 0 and rejected > 0
assert ignored_sigterm and blocked.returncode == -9 and lost != "NoneType"
print(
    f"good: {in_flight} in flight at SIGTERM, {drained} of {len(last)} answered, exit {good.returncode} after {drain_took_s:.1f} s"
)
print(
    f"blocked: SIGTERM without effect, killed (exit {blocked.returncode}), its client got {lost}"
)

# %% name="timeline" tags=["volatile", "hide-input"]
import matplotlib.pyplot as plt

edges = sorted(
    edge
    for sent, answered_at, status in SPANS
    if status == 200
    for edge in ((sent, 1), (answered_at, -1))
)
fig, (top, low) = plt.subplots(
    2, 1, figsize=(7, 4.2), sharex=True, height_ratios=[2, 1.6], layout="constrained"
)
top.step([t for t, _ in edges], np.cumsum([step for _, step in edges]), where="post")
top.set_ylabel("requests in flight")
lanes = {
    "/livez": good_url,
    "/readyz": good_url,
    "/livez-deep": good_url,
    "/livez (blocked)": blocked_url,
}
for y, (name, url) in enumerate(lanes.items()):
    for ok, marker, colour in ((True, "|", "C2"), (False, "x", "C1")):
        at = [t for t, u, was_ok in SEEN if u == url + name.split()[0] and was_ok == ok]
        low.scatter(
            at,
            [y] * len(at),
            marker=marker,
            color=colour,
            s=60,
            label=("ok" if ok else "failed") if y == 1 else None,
        )
low.set_yticks(range(len(lanes)), lanes)
low.invert_yaxis()
low.set_xlabel("time since start (s)")
low.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
for axis in (top, low):
    axis.axvline(sigterm_at, linestyle="--", color="C3")
top.annotate("SIGTERM", (sigterm_at, 8), xytext=(6, 0), textcoords="offset points")
plt.show()
