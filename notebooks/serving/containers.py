# ---
# jupyter:
#   qa:
#     seconds: 20
#     unchecked:
#       broken-Dockerfile: "故意写错，供检查器找出 · broken on purpose, for the linter to find"
#       broken-compose.yaml: "故意写错，供检查器找出 · broken on purpose, for the schema to refuse"
#       broken-manifests.yaml: "故意写错，供检查器找出 · broken on purpose, for the schema to refuse"
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
SERIOUS = {"own check", "DL3007", "SC1035", "DL3045", "DL3002", "DL3025"}
findings = dockerfile_findings("broken-Dockerfile")
dockerfile_defects = len(findings)
assert {rule for rule, _, _ in findings} >= SERIOUS
assert dockerfile_findings("Dockerfile") == []

source = Path("broken-Dockerfile").read_text().splitlines()
rows = [(source[n - 1], rule, text) for rule, n, text in findings if rule in SERIOUS]
pd.DataFrame(rows, columns=["broken-Dockerfile", "rule", "finding"])

# %% name="validate-manifests"
from checks import load, schema_error

VERSION = "1.35"  # the cluster's, not the laptop's
good_docs = load("deployment.yaml") + load("service.yaml")
bad_docs = load("broken-manifests.yaml")
strict = {doc["kind"]: schema_error(doc, VERSION) for doc in bad_docs}
lax = {doc["kind"]: schema_error(doc, VERSION, strict=False) for doc in bad_docs}
assert [schema_error(doc, VERSION) for doc in good_docs] == [None] * 4

# Only the strict check sees the misspelt field.
assert "livenesProbe" in strict["Deployment"] and lax["Deployment"] is None
_, bad_service, bad_hpa, bad_pdb = strict.values()
assert "maxReplicas" in bad_hpa
assert bad_service is None and bad_pdb is None  # these two are wrong all the same
pd.DataFrame({"strict schema": strict, "schema, not strict": lax}).fillna("accepted")

# %% name="api-rules"
from checks import broken_api_rules

refused = [(doc["kind"], rule) for doc in bad_docs for rule in broken_api_rules(doc)]
api_defects, underscore_names = len(refused), sum("_" in rule for _, rule in refused)
assert [rule for doc in good_docs for rule in broken_api_rules(doc)] == []
assert api_defects == 7 and underscore_names == 3
pd.DataFrame(refused, columns=["object", "the API server refuses"])

# %% name="validate-compose"
from checks import compose_findings

compose_defects = compose_findings("broken-compose.yaml")
found_by = [by for by, _, _ in compose_defects]
texts = [text for _, _, text in compose_defects]
assert compose_findings("compose.yaml") == []
assert found_by.count("Compose schema") == 2
assert texts.count("service name is no valid host name") == 2
assert any("clear text" in text for text in texts)
pd.DataFrame(compose_defects, columns=["found by", "where", "finding"])

# %% name="agreement"
import re

deployment, service, hpa, pdb = good_docs
template = deployment["spec"]["template"]
pod, server = template["spec"], template["spec"]["containers"][0]
dockerfile = Path("Dockerfile").read_text()
port = int(re.search(r"^EXPOSE (\d+)", dockerfile, re.M)[1])
user = int(re.search(r"^USER (\d+)", dockerfile, re.M)[1])

assert port == server["ports"][0]["containerPort"]
assert user == pod["securityContext"]["runAsUser"] != 0
for selector in (service["spec"]["selector"], pdb["spec"]["selector"]["matchLabels"]):
    assert selector.items() <= template["metadata"]["labels"].items()
assert hpa["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
assert "replicas" not in deployment["spec"]  # the autoscaler's alone

# %% name="budgets"
# Assumed: 8e9 parameters in bf16, 1 GB/s from disk to GPU, 60 s of warm-up,
# answers of at most 2,048 tokens, 50 ms each.
weights_gb = 8e9 * 2 / 1e9
load_s = weights_gb / 1.0 + 60
longest_answer_s = 2048 * 0.05


def allowed_s(probe: dict) -> int:
    return probe["failureThreshold"] * probe["periodSeconds"]


startup_budget_s = allowed_s(server["startupProbe"])
liveness_budget_s = allowed_s(server["livenessProbe"])
drain_s = int(re.search(r'graceful-shutdown", "(\d+)"', dockerfile)[1])
prestop_s = server["lifecycle"]["preStop"]["sleep"]["seconds"]
grace_s = pod["terminationGracePeriodSeconds"]
assert liveness_budget_s < load_s < startup_budget_s / 2
assert longest_answer_s < drain_s and prestop_s + drain_s < grace_s

# n replicas share a load; with one restarting, each other carries n / (n - 1) of its own.
replicas, load_before = hpa["spec"]["minReplicas"], 0.80
load_after = load_before * replicas / (replicas - 1)
survivable = (replicas - 1) / replicas
assert load_after > 1 > load_before > survivable
budgets = [
    ["load weights and warm up", load_s, "startup probe", startup_budget_s],
    ["longest answer", longest_answer_s, "graceful shutdown", drain_s],
    ["preStop + shutdown", prestop_s + drain_s, "grace period", grace_s],
]
pd.DataFrame(budgets, columns=["what", "takes (s)", "bounded by", "bound (s)"])

# %% name="weights-placement"
# Assumed compressed GB: slim Python, torch with its CUDA wheels, weights, code.
sizes = {"base": 0.05, "deps": 4.0, "weights": weights_gb, "code": 0.001}
placements = {
    "in the image, above the code": ["base deps code weights"],
    "in the image, below the code": ["base deps weights code"],
    "OCI image volume": ["base deps code", "weights"],
    "shared file system": ["base deps code"],
}


def pulled_gb(images: list[str], changed: str) -> float:
    """A changed layer is pulled again, with every layer above it in its image."""
    layers = [image.split() for image in images]
    stale = [image[image.index(changed) :] for image in layers if changed in image]
    return sum(sizes[layer] for image in stale for layer in image)


pulls = {}
for name, images in placements.items():
    new_node = sum(sizes[layer] for layer in " ".join(images).split())
    changes = {f"new {part}": pulled_gb(images, part) for part in sizes}
    pulls[name] = {"new node": new_node, **changes}
gb = pd.DataFrame(pulls).T.drop(columns="new base")
code_above_gb, deps_below_gb = gb.iloc[0]["new code"], gb.iloc[1]["new deps"]
deps_volume_gb = gb.iloc[2]["new deps"]
pull_s = gb.iloc[2]["new node"] / 0.5  # assumed 0.5 GB/s from registry to node
assert code_above_gb > 1000 * gb.iloc[2]["new code"]
assert deps_below_gb > 4 * deps_volume_gb
assert pull_s < deployment["spec"]["progressDeadlineSeconds"] / 2
gb.map("{:.3f} GB".format)

# %% name="start-not-ready"
import time

import harness
import numpy as np
from harness import ask, metric, pool, probe, start, verdict, wait_until

weights = np.random.default_rng(0).standard_normal((512, 512), dtype="f4").tobytes()
half = len(weights) // 2
good, good_url = start("good")
blocked, blocked_url = start("blocked", BLOCK_LOOP="1")  # decodes on the event loop


def probes() -> dict[str, bool]:
    paths = ("livez", "readyz", "livez-deep")
    return {path: probe(f"{good_url}/{path}") for path in paths}


with open("good.weights", "wb") as pipe, open("blocked.weights", "wb") as other:
    pipe.write(weights[:half])  # half of the weights have arrived
    wait_until(lambda: probe(f"{good_url}/livez"))
    loading, early_status = probes(), ask(good_url, tokens=4)
    pipe.write(weights[half:])
    other.write(weights)
wait_until(lambda: probe(f"{good_url}/readyz") and probe(f"{blocked_url}/readyz"))
loaded = probes()
assert loading == {"livez": True, "readyz": False, "livez-deep": False}
assert early_status == 503 and all(loaded.values())
seen = pd.DataFrame({"while loading": loading, "after loading": loaded})
seen.replace({True: "ok", False: "fails"})

# %% name="overload" tags=["volatile"]
limits = server["livenessProbe"]  # the Deployment's own timeout and threshold
long_answer = pool.submit(ask, blocked_url, 3000)
wait_until(lambda: not probe(f"{blocked_url}/livez", 0.5))
shallow, ready = [], []
with harness.overload(good_url, tokens=12, clients=14):
    deep = pool.submit(verdict, f"{good_url}/livez-deep", limits)
    wedged = pool.submit(verdict, f"{blocked_url}/livez", limits)
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
# The kubelet leaves the first one running and restarts the last two.
assert harness.failures_in_a_row(shallow) < limits["failureThreshold"]
assert not any(deep.result()) and not any(wedged.result())
counted = {name: [len(oks), sum(oks)] for name, oks in answered.items()}
pd.DataFrame(counted, index=["probes", "answered within 1 s"]).T

# %% name="drain" tags=["volatile"]
wait_until(lambda: metric(good_url, "in_flight") == 0)  # the overload is over
rejected, accepted = (metric(good_url, f"{k}_total") for k in ("rejected", "accepted"))
last = [pool.submit(ask, good_url, 22) for _ in range(6)]
wait_until(lambda: metric(good_url, "accepted_total") == accepted + len(last))
in_flight = metric(good_url, "in_flight")

sigterm_at = harness.now()
good.terminate()
blocked.terminate()
wait_until(lambda: not probe(f"{good_url}/readyz"))  # nothing new gets in
working_while_refusing = good.poll() is None  # and what was accepted is served
drained = [future.result() for future in last].count(200)
exit_code, drain_took_s = good.wait(30), harness.now() - sigterm_at
ignored_sigterm = blocked.poll() is None
blocked.kill()  # what follows when the grace period is over
lost = type(long_answer.exception()).__name__
assert working_while_refusing and drained == len(last) >= in_flight > 0 and rejected > 0
assert exit_code == -15  # the signal that uvicorn caught, raised again
assert ignored_sigterm and blocked.wait(10) == -9 and lost != "NoneType"
print(f"good: {in_flight} in flight, {drained} answered, exit {exit_code}")
print(f"blocked: SIGTERM without effect, killed; its client got {lost}")

# %% name="timeline" tags=["volatile", "hide-input"]
lanes = {path: good_url + path for path in ("/livez", "/readyz", "/livez-deep")}
harness.timeline(lanes | {"/livez (blocked)": f"{blocked_url}/livez"}, sigterm_at)
harness.close()
