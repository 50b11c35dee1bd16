"""Which checker a fence or a file gets."""

from __future__ import annotations

import re
from pathlib import PurePath

import yaml

from qa.check import (
    dockerfile,
    kubernetes,
    plain_json,
    plain_toml,
    plain_yaml,
    prometheus_rules,
    promql,
    requirements,
    shell,
    vendored,
)
from qa.check.checker import Checker

YAML = ("yaml", "yml")
CHECKERS = (
    dockerfile.CHECKER,
    plain_json.CHECKER,
    plain_toml.CHECKER,
    promql.CHECKER,
    shell.BASH,
    shell.SH,
    shell.SESSION,
)
"""Those that a fence or a file gets by its language or its suffix alone: a new one goes here."""
LANGUAGES = {language: checker for checker in CHECKERS for language in checker.languages}
SUFFIXES = {suffix: checker for checker in CHECKERS for suffix in checker.suffixes}
SCHEMAS = {
    "kubernetes": kubernetes.CHECKER,
    "compose": vendored.COMPOSE,
    "github-workflow": vendored.GITHUB_WORKFLOW,
    "prometheus-rules": prometheus_rules.CHECKER,
    "none": plain_yaml.CHECKER,
}
"""What a YAML fence may say: ``` yaml schema="compose"."""
DOCKERFILE = re.compile(r"(?:.*[-._])?(?:Docker|Container)file(?:[-._].*)?")
REQUIREMENTS = re.compile(r"requirements.*\.(?:txt|in)")
COMPOSE_FILE = re.compile(r"(?:.*-)?compose(?:[-.].*)?\.ya?ml")


def checker_for_fence(language: str, options: dict[str, str], text: str) -> Checker | None:
    """None if the language is none of these. Raises ValueError for a schema that is not known."""
    schema = options.get("schema")
    if language not in YAML:
        checker = LANGUAGES.get(language)
        if checker and schema is not None:
            raise ValueError(f'a fence "{language}" has no schema to choose')
        return checker
    if schema is None:
        return _checker_for_yaml(text)
    if schema not in SCHEMAS:
        raise ValueError(f'no schema "{schema}"; there are: {", ".join(SCHEMAS)}')
    return SCHEMAS[schema]


def checker_for_file(name: str, text: str) -> Checker | None:
    """None if the file's name is none of these; `name` may be a path."""
    path = PurePath(name)
    if DOCKERFILE.fullmatch(path.name):
        return dockerfile.CHECKER
    if COMPOSE_FILE.fullmatch(path.name):
        return vendored.COMPOSE
    if REQUIREMENTS.fullmatch(path.name):
        return requirements.CHECKER
    if path.suffix in (".yaml", ".yml"):
        return _checker_for_yaml(text)
    return SUFFIXES.get(path.suffix)


def _checker_for_yaml(text: str) -> Checker:
    """By the keys at the top of any document; what looks like a manifest is held to be one."""
    # This is read in every build, so by the loader that is written in C.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        nodes = list(yaml.compose_all(text, loader))
    except yaml.YAMLError:
        # It says what is wrong, and where.
        return plain_yaml.CHECKER
    for node in nodes:
        fields = _fields(node)
        if "apiVersion" in fields or "kind" in fields or {"metadata", "spec"} <= fields.keys():
            return kubernetes.CHECKER
        if {"on", "jobs"} <= fields.keys():
            return vendored.GITHUB_WORKFLOW
        if "services" in fields:
            return vendored.COMPOSE
        groups = fields.get("groups")
        if isinstance(groups, yaml.SequenceNode) and any(
            "rules" in _fields(g) for g in groups.value
        ):
            return prometheus_rules.CHECKER
    return plain_yaml.CHECKER


def _fields(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """The fields of a mapping, none of anything else."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
