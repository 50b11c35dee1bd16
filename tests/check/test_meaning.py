"""Files that fit their schema and still would not work."""

from __future__ import annotations

import pytest

from qa.check import Problem, checker_for_fence

KUBERNETES = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}, annotations: {example.com/note: "任何 text"}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: nginx:1.29
          env: [{name: MODE, value: fast}]
          ports: [{name: http, containerPort: 80}]
          resources: {requests: {cpu: 500m, memory: 2Gi}, limits: {memory: 4Gi, nvidia.com/gpu: 1}}
          volumeMounts: [{name: data, mountPath: /data}]
          livenessProbe: {httpGet: {path: /, port: http}}
      volumes: [{name: data, emptyDir: {sizeLimit: 1Gi}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 4}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report}
spec:
  schedule: "*/5 0-6 * * 1"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: report, image: "registry.example.com:5000/report@sha256:%s"}]
""" % ("0" * 64)
COMPOSE = """\
services:
  web:
    image: nginx:1.29
    depends_on: [cache]
    ports: ["127.0.0.1:8000:80", "9000-9001:9000-9001/tcp", "${PORT}:81"]
    volumes: [data:/data, ./here:/there, /tmp]
    networks: [inner]
  cache: {image: valkey/valkey:9}
volumes: {data: {}}
networks: {inner: {}}
"""
WORKFLOW = """\
on: push
jobs:
  build:
    runs-on: ubuntu-24.04
    steps:
      - {id: keys, run: make keys}
      - {run: "echo ${{ steps.keys.outputs.one }}"}
      - {uses: actions/checkout@v5}
  test: {needs: build, runs-on: ubuntu-24.04, steps: [{run: make test}]}
"""
RULES = """\
groups:
  - name: errors
    rules:
      - alert: Errors
        expr: errors_total > 1
        annotations: {summary: "错误 {{ $value }} on {{ $labels.job }}"}
"""
GOOD = {"kubernetes": KUBERNETES, "compose": COMPOSE, "workflow": WORKFLOW, "rules": RULES}


def problems(text: str) -> list[Problem]:
    checker = checker_for_fence("yaml", {}, text)
    assert checker is not None
    return checker.check(text)


@pytest.mark.parametrize("kind", GOOD)
def test_what_works_passes(kind: str) -> None:
    assert problems(GOOD[kind]) == []


@pytest.mark.parametrize(
    ("kind", "old", "new", "line", "reason"),
    [
        ("kubernetes", "replicas: 2", "replicas: -1", 5, "-1 must be at least 0"),
        ("kubernetes", "memory: 4Gi", "memory: 4Gigs", 15, '"4Gigs" is no quantity'),
        ("kubernetes", "memory: 4Gi", "memory: 400m", 15, "a part of a byte"),
        ("kubernetes", "memory: 4Gi", "memory: 1Gi", 15, "2Gi is more than its limit of 1Gi"),
        ("kubernetes", "cpu: 500m", "cpu: half", 15, '"half" is no quantity'),
        ("kubernetes", "cpu: 500m", "cpu: -1", 15, '"-1" is less than nothing'),
        ("kubernetes", "{cpu: 500m,", "{nvidia.com/gpu: 2,", 15, "2 is more than its limit of 1"),
        ("kubernetes", "sizeLimit: 1Gi", "sizeLimit: 1GB", 18, '"1GB" is no quantity'),
        ("kubernetes", "{name: web, labels", "{name: Web_2, labels", 3, '"Web_2" is no name'),
        ("kubernetes", "- name: web", "- name: we.b", 11, '"we.b" is no name'),
        ("kubernetes", "name: MODE", "name: MO=DE", 13, '"MO=DE" is no name of a variable'),
        ("kubernetes", "name: http,", "name: port-of-the-server,", 14, "is no name of a port"),
        ("kubernetes", "containerPort: 80", "containerPort: 0", 14, "0 must be at least 1"),
        ("kubernetes", "image: nginx:1.29", "image: nginx", 12, '"nginx" names no version'),
        ("kubernetes", "image: nginx:1.29", "image: nginx:latest", 12, "names no version"),
        ("kubernetes", "image: nginx:1.29", "image: NGINX:1.29", 12, "is no reference of an image"),
        ("kubernetes", "labels: {app: web}, a", "labels: {app: a b}, a", 3, '"a b" is no value'),
        ("kubernetes", "example.com/note", "example.com/a/note", 3, "is no name of a label"),
        (
            "kubernetes",
            "selector: {matchLabels: {app: web}}\n  t",
            "selector: {matchLabels: {app: api}}\n  t",
            6,
            "the template has web: it selects no pod",
        ),
        ("kubernetes", "labels: {app: web}}\n    s", "labels: {a: b}}\n    s", 6, "lacks it"),
        ("kubernetes", "name: data, mount", "name: dta, mount", 16, 'there is no volume "dta"'),
        ("kubernetes", "port: http}}", "port: htp}}", 17, 'the container has no port "htp"'),
        ("kubernetes", "httpGet: {path: /, port: http}", "periodSeconds: 5", 17, "needs one of"),
        ("kubernetes", "path: /, port: http}", "port: 80}, exec: {}", 17, "needs one of"),
        ("kubernetes", "kind: Service\n", "", 20, "kind: a manifest needs it"),
        ("kubernetes", "apiVersion: v1\nkind: Service\n", "", 20, "apiVersion: a manifest needs"),
        ("kubernetes", "{selector: {app: web}", "{selector: {app: api}", 23, "selects no pod"),
        (
            "kubernetes",
            "targetPort: http",
            "targetPort: htp",
            23,
            'no pod that it selects has "htp"',
        ),
        ("kubernetes", "Deployment, name: web", "Deployment, name: wb", 28, "names no workload"),
        (
            "kubernetes",
            "maxReplicas: 4",
            "maxReplicas: 4, minReplicas: 5",
            28,
            "more than maxReplicas",
        ),
        ("kubernetes", "{minAvailable: 1, s", "{s", 33, "needs one of minAvailable and"),
        (
            "kubernetes",
            "{minAvailable: 1, s",
            "{minAvailable: 1, maxUnavailable: 1, s",
            33,
            "one of",
        ),
        ("kubernetes", '"*/5 0-6 * * 1"', "every day", 39, '"every day" is no schedule'),
        ("kubernetes", "restartPolicy: Never", "restartPolicy: Always", 44, "Never or OnFailure"),
        ("compose", "depends_on: [cache]", "depends_on: [cach]", 4, 'there is no service "cach"'),
        ("compose", "ports: [", 'ports: ["80000:80", ', 5, '"80000:80" is no port'),
        ("compose", "ports: [", 'ports: ["web:80", ', 5, '"web:80" is no port'),
        ("compose", "volumes: [data", "volumes: [dta", 6, '"dta" is not among the volumes'),
        ("compose", "[inner]", "[outer]", 7, '"outer" is not among the networks'),
        ("compose", "{image: valkey/valkey:9}", "{init: true}", 8, "neither an image nor a build"),
        ("workflow", "needs: build", "needs: biuld", 9, 'there is no other job "biuld"'),
        ("workflow", "checkout@v5", "checkout", 8, "names no version: owner/name@version"),
        ("workflow", "steps.keys", "steps.kyes", 7, 'no step above has the id "kyes"'),
        ("workflow", "one }}", "one }", 7, "an expression ${{ is never closed"),
        ("rules", "job }}", "job }", 6, "a template action {{ ... }} is not closed"),
    ],
)
def test_what_would_not_work_is_found_at_its_line(
    kind: str, old: str, new: str, line: int, reason: str
) -> None:
    text = GOOD[kind]
    assert text.count(old) == 1
    found = problems(text.replace(old, new))
    assert any(problem.line == line and reason in problem.reason for problem in found), found


def test_what_stands_beside_nothing_is_not_held_against_it() -> None:
    service = KUBERNETES.split("---\n")[1]
    assert problems(service.replace("app: web", "app: api")) == []
