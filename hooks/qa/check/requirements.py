"""Lists of requirements as pip reads them, each by the parser of `packaging`."""

from __future__ import annotations

from collections.abc import Iterator

from qa.check.checker import Checker
from qa.failures import Problem
from qa.files import lines_of


def _find(text: str) -> Iterator[Problem]:
    from packaging.requirements import InvalidRequirement, Requirement

    for number, line in enumerate(lines_of(text), 1):
        requirement = line.partition(" #")[0].strip()
        if not requirement or requirement.startswith(("#", "-")):
            continue  # options are pip's own
        try:
            Requirement(requirement)
        except InvalidRequirement as error:
            yield Problem(number, str(error).partition("\n")[0])


CHECKER = Checker("requirements", ("packaging",), _find)
