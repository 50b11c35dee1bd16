"""Each language with its real schema, linter or parser: what passes, and planted faults."""

import kubernetes_validate
import pytest

from qa.check import Problem, checker_for_fence, checker_for_file
from qa.run import notebook as notebooks
from tests.project import ROOT

GOOD = {
    "json": '{"名": "值", "a": {"x": 1}, "b": {"x": "{\\"x\\":"}}\n',
    "toml": '# 注释\nname = "值"\n\n[tool]\nsize = 1\n',
    "dockerfile": """\
# 构建
FROM debian:13-slim
WORKDIR /app
RUN apt-get update \\
    && apt-get install -y --no-install-recommends curl \\
    && rm -rf /var/lib/apt/lists/*
COPY server.py ./
CMD ["python3", "server.py"]
""",
    "bash": """\
# 注释
set -euo pipefail
models=(a b)
for model in "${models[@]}"; do echo "模型 $model"; done
""",
    "sh": '# 注释\nif [ "$1" = a ]; then echo "是"; fi\n',
    "console": """\
$ cd /srv
$ model=8b  # 注释
$ curl -s \\
    http://127.0.0.1:8000/v1/models
{"data": [}
$ for n in 1 2; do
> echo "$n"
> done
1
$ echo "$unset"
""",
    "promql": """\
# 成功率
sum by (job) (rate(http_requests_total{code!~"5.."}[5m]))
  / sum by (job) (rate(http_requests_total[5m]))

histogram_quantile(0.99, sum by (le) (rate(latency_seconds_bucket[5m])))
""",
    "yaml plain": "# 注释\nname: 值\nsecret: !reference [a, b]\n---\nname: b\n",
    "yaml kubernetes": """\
# 清单
apiVersion: v1
kind: Service
metadata: {name: web, annotations: {since: 2026-01-01}}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
---
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {greeting: 你好}
""",
    "yaml compose": """\
# 服务
x-logging: &logging
  logging: {driver: local}
services:
  web:
    <<: *logging
    image: nginx:1.29
    environment: {DEBUG: "on", MODE: off}
""",
    "yaml workflow": """\
# 流水线
on:
  push: {branches: [main]}
jobs:
  test:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v5
      - run: make test
""",
    "yaml rules": """\
# 告警
groups:
  - name: errors
    interval: 1m
    rules:
      - record: job:errors:rate5m
        expr: sum by (job) (rate(errors_total[5m]))
      - alert: ErrorsHigh
        expr: |
          job:errors:rate5m
            > 0.01
        for: 1h30m
        keep_firing_for: 0s
        labels: {severity: page, tier: 1}
        annotations: {summary: "错误率 {{ $value }}"}
""",
}


def problems(language: str, text: str, **options: str) -> list[Problem]:
    checker = checker_for_fence(language.split()[0], options, text)
    assert checker is not None
    return checker.check(text)


@pytest.mark.parametrize("language", GOOD)
def test_good_text_passes(language: str) -> None:
    assert problems(language, GOOD[language]) == []


@pytest.mark.parametrize("language", sorted(GOOD.keys() - {"bash", "sh"}))
def test_good_text_with_the_line_ends_of_windows_passes(language: str) -> None:
    assert problems(language, GOOD[language].replace("\n", "\r\n")) == []


@pytest.mark.parametrize("language", GOOD)
@pytest.mark.parametrize("text", ["", " \n\n"])
def test_empty_text_is_a_fault(language: str, text: str) -> None:
    (problem,) = problems(language, text)
    assert problem.line == 1
    assert problem.reason.endswith(": the text is empty")


@pytest.mark.parametrize(
    ("language", "old", "new", "line", "reason"),
    [
        (
            "json",
            '"b": {"x"',
            '\n"a": {"x"',
            2,
            'json: name "a" stands twice, first on line 1',
        ),
        ("json", '"值"', '"NaN",\n "n": NaN', 2, "json: NaN is no JSON number"),
        ("json", '"值"', "\n值", 2, "json: Expecting value (column 1)"),
        ("toml", "size = 1", "size = ", 5, "toml: Invalid value"),
        ("toml", "size = 1", "size = [1,\n2", 6, "toml: Unclosed array"),
        ("toml", "size = 1", "size = 1\nsize = 2", 6, "toml: Cannot overwrite a value"),
        (
            "dockerfile",
            "debian:13-slim",
            "debian",
            2,
            "dockerfile: DL3006: Always tag the version of an image explicitly",
        ),
        (
            "dockerfile",
            'CMD ["python3", "server.py"]',
            "CMD python3 server.py",
            8,
            "dockerfile: DL3025: Use arguments JSON notation for CMD and ENTRYPOINT arguments",
        ),
        (
            "bash",
            "models=(a b)",
            "models=(a b)\nrm -r $dir/*",
            4,
            "shell: SC2154: dir is referenced but not assigned.",
        ),
        (
            "sh",
            '[ "$1" = a ]',
            '[[ "$1" = a ]]',
            2,
            "shell: SC3010: In POSIX sh, [[ ]] is undefined.",
        ),
        (
            "console",
            "> done",
            "> done 2>&1 >/dev/null",
            8,
            "shell: SC2069: To redirect stdout+stderr, 2>&1 must be last "
            "(or use '{ cmd > file; } 2>&1' to clarify).",
        ),
        (
            "promql",
            "histogram_quantile(0.99, sum by (le) (rate(latency_seconds_bucket[5m])))",
            "# 延迟\nrate(latency_seconds)",
            6,
            "promql: expected type matrix in call to function 'rate', got vector",
        ),
        ("promql", "[5m]))\n\n", "[5m])\n\n", 2, "promql: unclosed left parenthesis"),
        (
            "yaml plain",
            "name: b",
            "name: b\n中: 1\nname: c",
            7,
            'yaml: key "name" stands twice, first on line 5',
        ),
        (
            "yaml plain",
            "name: b",
            "{a: 1,\n a: 2}",
            6,
            'yaml: key "a" stands twice, first on line 5',
        ),
        (
            "yaml plain",
            "name: 值",
            "name: [值",
            3,
            "yaml: no YAML: while parsing a flow sequence, expected ',' or ']', but got ':'",
        ),
        (
            "yaml plain",
            "name: b",
            "name: \x07",
            5,
            "yaml: no YAML: special characters are not allowed",
        ),
        (
            "yaml kubernetes",
            "data: {greeting",
            "data: {greeting: 好,\n  x: yes,\n  y",
            14,
            "kubernetes: data.x: True is not of type 'string', 'null'",
        ),
        (
            "yaml kubernetes",
            "targetPort",
            "\n    tragetPort",
            8,
            "kubernetes: spec.ports.0.tragetPort: there is no such field",
        ),
        (
            "yaml kubernetes",
            "v1\nkind: ConfigMap",
            "cert-manager.io/v1\nkind: Certificate",
            11,
            "kubernetes: kind Certificate of cert-manager.io/v1 is not part of Kubernetes "
            f"{kubernetes_validate.latest_version()}: it cannot be checked, which needs a reason",
        ),
        (
            "yaml kubernetes",
            "apiVersion: v1\nkind: ConfigMap",
            "kind: ConfigMap",
            10,
            "kubernetes: apiVersion: a manifest needs it, as a string",
        ),
        (
            "yaml compose",
            "image: nginx:1.29",
            "image: nginx:1.29\n    volume: [a]",
            8,
            "compose: services.web.volume: there is no such field",
        ),
        (
            "yaml compose",
            "image: nginx:1.29",
            'image: nginx:1.29\n    ports: "80:80"',
            8,
            "compose: services.web.ports: '80:80' is not of type 'array'",
        ),
        (
            "yaml workflow",
            "runs-on",
            "runs_on",
            6,
            "github-workflow: jobs.test.runs_on: there is no such field",
        ),
        (
            "yaml workflow",
            "run: make",
            "run: make test\n        nme: 测试 #",
            10,
            "github-workflow: jobs.test.steps.1.nme: there is no such field",
        ),
        (
            "yaml rules",
            "interval: 1m",
            "intervall: 1m",
            4,
            "prometheus-rules: groups.0.intervall: there is no such field",
        ),
        (
            "yaml rules",
            "for: 1h30m",
            "for: 90 minutes",
            12,
            'prometheus-rules: groups.0.rules.1.for: "90 minutes" is no duration '
            "(such as 30s, 5m or 1h30m)",
        ),
        (
            "yaml rules",
            "> 0.01",
            ">",
            9,
            "prometheus-rules: groups.0.rules.1.expr: invalid promql query",
        ),
        (
            "yaml rules",
            "[5m]))\n",
            "[5m]))\n        for: 5m\n",
            8,
            "prometheus-rules: groups.0.rules.0.for: a recording rule has none",
        ),
        (
            "yaml rules",
            "alert: ErrorsHigh",
            "name: ErrorsHigh",
            8,
            "prometheus-rules: groups.0.rules.1.name: there is no such field",
        ),
        (
            "yaml rules",
            "tier: 1",
            "tier-1: a",
            14,
            'prometheus-rules: groups.0.rules.1.labels.tier-1: "tier-1" is no name of a label '
            "(letters, digits and _)",
        ),
        (
            "yaml rules",
            'summary: "错误率 {{ $value }}"}\n',
            "summary: a}\n  - name: errors\n    rules: []\n",
            16,
            'prometheus-rules: groups.1.name: a group "errors" stands above',
        ),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_fault_is_found_at_its_line(
    language: str, old: str, new: str, line: int, reason: str, line_end: str
) -> None:
    text = GOOD[language]
    assert text.count(old) == 1
    found = problems(language, text.replace(old, new).replace("\n", line_end))
    # In a script these line ends are faults themselves.
    found = [problem for problem in found if "Literal carriage return" not in problem.reason]
    assert Problem(line, reason) in found
    assert {problem.line for problem in found} == {line}


def test_a_script_with_the_line_ends_of_windows_does_not_run() -> None:
    reason = "shell: SC1017: Literal carriage return. Run script through tr -d '\\r' ."
    assert problems("bash", "echo 中\r\necho b\r\n") == [Problem(1, reason), Problem(2, reason)]


def test_all_faults_are_listed_in_the_order_of_their_lines() -> None:
    found = problems("yaml", "services:\n  a: {image: 1}\n  b: {image: x, imag: y}\nvolume: {}\n")
    assert found == [
        Problem(2, "compose: services.a.image: 1 is not of type 'string'"),
        Problem(3, "compose: services.b.imag: there is no such field"),
        Problem(4, "compose: volume: there is no such field"),
    ]


def test_a_schema_needs_a_document() -> None:
    for schema in ("kubernetes", "compose", "github-workflow", "prometheus-rules"):
        reason = f"{schema}: there is nothing but comments"
        assert problems("yaml", "# 注释\n", schema=schema) == [Problem(1, reason)]
        assert len(problems("yaml", "- a\n", schema=schema)) == 1


def test_comments_and_output_alone_are_not_code() -> None:
    assert problems("promql", "# 注释\n") == [Problem(1, "promql: there is nothing but comments")]
    reason = 'shell: no line begins with "$ ", so there is nothing to check'
    assert problems("console", "ls\n") == [Problem(1, reason)]


def test_a_script_says_its_shell_itself() -> None:
    script = '#!/bin/bash\n[[ "$1" = a ]]\n'
    assert problems("sh", script) == []
    dash = script.replace("bash", "dash")
    assert problems("bash", dash) == [Problem(2, "shell: SC3010: In dash, [[ ]] is not supported.")]


def files() -> list[str]:
    """The files beside notebooks that have a checker."""
    found = []
    for path in sorted((ROOT / "notebooks").glob("*/*/**/*")):
        if path.is_file() and checker_for_file(path.name, path.read_text(errors="replace")):
            found.append(path.relative_to(ROOT).as_posix())
    return found


@pytest.mark.parametrize("name", files())
def test_files_beside_notebooks(name: str) -> None:
    """Those named broken-* are wrong on purpose, and found to be; so are those of which a notebook
    says why no checker knows them."""
    path = ROOT / name
    text = path.read_text()
    checker = checker_for_file(name, text)
    assert checker is not None
    folder = ROOT.joinpath(*path.relative_to(ROOT).parts[:3])
    waived = notebooks.read(folder.with_suffix(".py")).unchecked
    known = path.relative_to(folder).as_posix() not in waived
    assert bool(checker.check(text)) == (path.name.startswith("broken-") or not known)
