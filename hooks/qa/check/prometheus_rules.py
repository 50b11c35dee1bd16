"""Files of Prometheus's recording and alerting rules: structure, durations and expressions."""

from __future__ import annotations

from collections.abc import Iterator

from qa.check.checker import Checker
from qa.check.schemas import UNKNOWN_FIELD
from qa.failures import Problem
from qa.yaml_lines import Yaml12, read

REASONS = {
    "extra_forbidden": UNKNOWN_FIELD,
    "missing": "it is required",
    "model_type": "it is no mapping",
}
"""What pydantic says in the words of its own classes."""


def _find(text: str) -> Iterator[Problem]:
    # pydantic is slow to import.
    from pydantic import ValidationError

    from qa.check.prometheus_model import RuleFile

    documents, problems = read(text, Yaml12)
    yield from problems
    for document in documents:
        try:
            file = RuleFile.model_validate(document.value)
        except ValidationError as caught:
            for error in caught.errors():
                # pydantic marks a fault of a key itself, and a reason that a validator gives.
                path = [step for step in error["loc"] if step != "[key]"]
                reason = REASONS.get(error["type"], error["msg"].removeprefix("Value error, "))
                where = ".".join(map(str, path))
                yield Problem(document.line(path), f"{where}: {reason}" if where else reason)
            continue
        seen: set[str] = set()
        for index, group in enumerate(file.groups):
            if group.name in seen:
                line = document.line(["groups", index, "name"])
                yield Problem(line, f'groups.{index}.name: a group "{group.name}" stands above')
            seen.add(group.name)


CHECKER = Checker("prometheus-rules", ("promql-parser", "pydantic", "PyYAML"), _find)
