"""Check code that is not run: fences on pages, and the files that lie beside notebooks.

A language is one small module with a `CHECKER`; `qa.check.registry` says which checker a fence or
a file gets. Checkers import their schemas and parsers when they check, so importing this is cheap.
"""

from qa.check.checker import Checker, CheckerFailed
from qa.check.registry import checker_for_fence, checker_for_file
from qa.failures import Problem

__all__ = ["Checker", "CheckerFailed", "Problem", "checker_for_fence", "checker_for_file"]
