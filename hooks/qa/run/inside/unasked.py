"""Failures that wait to be asked for: of futures, of the results of pools, of processes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import TimeoutError
from multiprocessing.pool import ApplyResult
from multiprocessing.process import BaseProcess
from typing import Any

from qa.run.inside.frames import OwnFrames
from qa.run.protocol import Frame

EXCEPTION = 1
"""Exit status of a process that ended with one."""

Report = Callable[[str, BaseException, list[Frame], str], None]
CODE = "unasked-failure"


class Unasked:
    """Follows all that is started; `report` gets what failed and nobody asked for."""

    def __init__(self, own: OwnFrames, report: Report):
        self.own = own
        self.report = report
        self.failed: dict[Future[Any], BaseException] = {}
        self.started: dict[BaseProcess, list[Frame]] = {}
        self.results: dict[ApplyResult[Any], list[Frame]] = {}
        _before(Future, "set_exception", self._on_failed_future)
        _after(Future, "result", lambda future: self.failed.pop(future, None))
        _after(Future, "exception", lambda future: self.failed.pop(future, None))
        _before(ApplyResult, "__init__", self._on_result)
        _after(ApplyResult, "get", self._on_asked)
        _before(BaseProcess, "_bootstrap", self._in_child)
        _before(BaseProcess, "start", self._on_start)

    def _on_failed_future(self, future: Future[Any], error: BaseException | None) -> None:
        if error is not None:
            self.failed[future] = error

    def _on_result(
        self, result: ApplyResult[Any], pool: object, callback: object, error_callback: object
    ) -> None:
        if error_callback is None:
            self.results[result] = self.own.here()

    def _on_asked(self, result: ApplyResult[Any]) -> None:
        if result.ready():
            self.results.pop(result, None)

    def _in_child(self, process: BaseProcess, *_: object, **__: object) -> None:
        """In a process that `multiprocessing` has just forked."""
        run = process.run

        def watched() -> None:
            try:
                run()
            except Exception as error:
                self.report("exception in a child process", error, self.own.of(error), CODE)
                raise

        process.run = watched  # type: ignore[method-assign]

    def _on_start(self, process: BaseProcess) -> None:
        self.started[process] = self.own.here()

    def report_all(self) -> None:
        """At the end of the run."""
        for error in list(self.failed.values()):
            self.report(
                "failed future whose result nobody asks for", error, self.own.of(error), CODE
            )
        for result, frames in list(self.results.items()):
            try:
                result.get(0)
            except TimeoutError:
                pass  # its pool was ended before it
            except Exception as error:
                self.report(
                    "failed task of a pool whose result nobody asks for", error, frames, CODE
                )
        for process, frames in self.started.items():
            with suppress(ValueError):  # it was closed
                if process.exitcode == EXCEPTION and not _is_forked(process):
                    ended = RuntimeError(f"exit status {EXCEPTION}")
                    self.report("exception in a child process", ended, frames, CODE)


def _is_forked(process: BaseProcess) -> bool:
    """Such a one has reported what it raised itself."""
    return getattr(getattr(process, "_popen", None), "method", "") == "fork"


def _before(owner: type, name: str, note: Callable[..., object]) -> None:
    """Let `note` see each call of a method first."""
    method = getattr(owner, name)

    def noted(*arguments: Any, **named: Any) -> Any:
        note(*arguments, **named)
        return method(*arguments, **named)

    setattr(owner, name, noted)


def _after(owner: type, name: str, note: Callable[[Any], object]) -> None:
    """Let `note` know the object when a method has waited, and returned or raised."""
    method = getattr(owner, name)

    def noted(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return method(self, *arguments, **named)
        finally:
            note(self)

    setattr(owner, name, noted)
