"""A process that has imported the libraries and forks one child for each run.

`python -m qa.run.inside.server FD FONTS` answers the builder at the other end of the socket FD.
It only ever imports: a library that has computed may have started threads, which no fork has.
"""

from __future__ import annotations

import gc
import importlib
import logging
import signal
import socket
import sys
import weakref
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from qa.run import protocol
from qa.run.inside import supervisor, system_calls
from qa.run.inside.libraries import LIBRARIES
from qa.run.inside.shell import prepared_shell
from qa.run.protocol import Broken, Ready, Run


def serve(control: socket.socket, fonts: Path) -> None:
    """Answer until the builder's end of `control` closes. `fonts` is Matplotlib's folder in its
    cache."""
    control.sendall(protocol.encode(Ready(supervisor.isolation_problem())))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    while True:
        _, files, _, _ = socket.recv_fds(control, 1, 1)
        if not files:
            return
        with socket.socket(fileno=files[0]) as connection, connection.makefile("rb") as lines:
            asked = protocol.to_server(lines.readline())
            _load(asked.libraries)
            _freeze()
            if isinstance(asked, Run) and _fork(connection, asked) == 0:
                control.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                supervisor.run_in_sandbox(connection, asked, fonts)


def _fork(connection: socket.socket, asked: Run) -> int:
    """As os.fork; where it fails, the run fails and not the server."""
    try:
        return supervisor.fork_for(asked)
    except OSError as error:
        with suppress(OSError):
            connection.sendall(protocol.encode(Broken(f"{error}")))
        return -1


def _load(libraries: Iterable[str]) -> None:
    """Import what can be imported; what cannot fails in the run, where it is reported."""
    for module in [module for name in libraries for module in LIBRARIES.get(name, ())]:
        if module not in sys.modules:
            try:
                importlib.import_module(module)
            except BaseException:  # whatever it raises, others wait for this process
                sys.modules.pop(module, None)


def _freeze() -> None:
    """Make ready to be forked."""
    prepared_shell()
    with suppress(OSError):  # where it is missing, no run is isolated
        system_calls.compiled()
    logging.getLogger().handlers.clear()  # a library set up the log of all runs, whose ever it is
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False  # the libraries' own, at the end of each run: 40 ms
    # What lives now is shared with all children: collecting it would only copy its pages.
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    number, folder = sys.argv[1:]
    sys.argv = [""]
    serve(socket.socket(fileno=int(number)), Path(folder))
