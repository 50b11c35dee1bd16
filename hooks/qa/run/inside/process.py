"""What makes a forked process one that runs a notebook: its streams, its crashes and its end."""

from __future__ import annotations

import atexit
import faulthandler
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import NoReturn

from qa.run.protocol import ENGINE_FAULT


def redirect_output(file: int) -> None:
    """Let Python's streams and those of child processes end in `file`."""
    for number in (1, 2):
        os.dup2(file, number)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for name, number in (("stdout", 1), ("stderr", 2)):
        raw = io.FileIO(number, "wb", closefd=False)
        stream = io.TextIOWrapper(raw, "utf-8", "replace", line_buffering=True, write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def crash_reports(file: int) -> None:
    """Write Python's stack to `file` at a crash, and when the supervisor asks where the run is."""
    faulthandler.enable(file, all_threads=False)
    faulthandler.register(signal.SIGUSR1, file, all_threads=False)


def exit_after(run: Callable[[], Callable[[], None]]) -> NoReturn:
    """End as Python would, finalizers of threads and `atexit` included, but without its teardown.

    That would take seconds with large libraries loaded, and nothing here needs saving. `run`
    returns what is left to do after that.
    """
    status, finish = 0, _nothing
    try:
        finish = run()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        status = ENGINE_FAULT
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    finish()
    os._exit(status)


def _nothing() -> None:
    """There is no last word of a run that failed."""
