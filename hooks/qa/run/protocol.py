"""What the processes of a run say to each other: one message a line, as JSON.

    builder     Load, Run ──►  server, which has imported the libraries and forks for each run
    builder     ◄── Ready      server, once, when it can be asked
    supervisor  ◄── Starts, Ran for each cell in turn, Done, Exited   the run, which nobody trusts
    builder     ◄── the same, Ports behind Done, and End last         supervisor
    builder     ◄── Broken instead of End                             supervisor that cannot go on

Whatever else arrives is refused: other types, unknown fields, text that is no Unicode, numbers that
are none. A decoded message is of the right form, not yet of the right sense: who takes it checks
that the cells come in their order.
"""

from __future__ import annotations

import json
from typing import Annotated, NamedTuple, TypeVar

import msgspec

ENGINE_FAULT = 70
"""Exit status of a run when not the notebook but the engine is at fault (EX_SOFTWARE)."""
LARGEST = 128 << 20
"""Bytes of one message; a run is stopped before it comes near."""
MOST_TEXTS = 200_000
"""Texts in one message. Each node of a message holds one, so this bounds the nodes too."""

Index = Annotated[int, msgspec.Meta(ge=0, le=1 << 31)]
Amount = Annotated[float, msgspec.Meta(ge=0)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A piece of a message."""


class Message(Part, frozen=True, tag=True):
    """A message; its type stands in it by name."""


class Limits(Part, frozen=True):
    """What one run may take: seconds, bytes, numbers.

    `memory` counts what the run adds to the libraries that were loaded when it began.
    """

    processor_seconds: float
    clock_seconds: float
    memory: int = 2 << 30
    disk: int = 1 << 30
    output: int = 1 << 20
    report: int = 64 << 20
    """All that is shown, figures included."""
    processes: int = 256
    descriptors: int = 1024
    """For each process."""
    sockets: int = 2048
    files: int = 1 << 16


def limits_of(budget: float) -> Limits:
    """`budget`: the processor time in seconds that an example claims. A slow machine may need twice
    as much, and a busy one makes it wait."""
    return Limits(2 * budget, 4 * budget + 10)


class Cell(Part, frozen=True):
    """A code cell; `line` is the 1-based line of the author's file on which its source begins,
    `flips` what a sweep's cell says that it flips."""

    source: str
    line: int
    must_raise: bool = False
    flips: str = ""


class Example(Part, frozen=True):
    """A notebook as a run needs it: `label` is its name in tracebacks, `code` are its code cells,
    `files` the contents of its companions by name, `own` those that no other notebook uses."""

    label: str
    text: str
    code: tuple[Cell, ...]
    files: dict[str, bytes]
    own: frozenset[str] = frozenset()


class Load(Message, frozen=True):
    """Import these libraries now, so that a later run need not wait."""

    libraries: tuple[str, ...]


class Run(Message, frozen=True):
    """Run an example in a process forked after these libraries were imported.

    `again`: it has run before, and shall do the same with what seems to be another machine.
    """

    example: Example
    libraries: tuple[str, ...]
    limits: Limits
    isolate: bool
    again: bool = False


class Ready(Message, frozen=True):
    """The server can be asked; `problem` says why this system cannot isolate a run, if so."""

    problem: str


class Frame(NamedTuple):
    """A line of the notebook, or of one of its files, in a traceback."""

    file: str
    line: int
    function: str


class Fault(Part, frozen=True):
    """What went wrong outside the control flow of a cell; innermost frame last. `code` names its
    kind, where it has a name."""

    reason: str
    frames: tuple[Frame, ...] = ()
    code: Annotated[str, msgspec.Meta(pattern="^[a-z-]{0,40}$")] = ""


class Error(Part, frozen=True):
    """The exception that ended a cell; `bases` are the names of its class and of all above it."""

    name: str
    bases: tuple[str, ...]
    text: str
    errno: int | None
    frames: tuple[Frame, ...]


class Stream(Part, frozen=True, tag=True):
    """Text that was printed, by the run or by its child processes."""

    text: str


class Display(Part, frozen=True, tag=True):
    """What was shown, by MIME type; bytes in Base64."""

    data: dict[str, str]


class Exact(Part, frozen=True):
    """A Decimal, by its digits."""

    decimal: str


Value = bool | int | float | str | Exact


class Starts(Message, frozen=True):
    """The cell with this index begins."""

    cell: Index


class Ran(Message, frozen=True):
    """The cell ended, with an error or without."""

    cell: Index
    seconds: Amount
    outputs: tuple[Stream | Display, ...]
    error: Error | None
    faults: tuple[Fault, ...]


class Done(Message, frozen=True):
    """All cells ran: the final scalar variables, and the type names of the others."""

    values: dict[str, Value]
    kinds: dict[str, str]
    faults: tuple[Fault, ...]


class Exited(Message, frozen=True):
    """Threads and what `atexit` calls have ended; nothing more comes."""

    faults: tuple[Fault, ...]


class Left(Part, frozen=True):
    """A process or port that outlived the notebook, and the cell after which it was first seen."""

    what: str
    cell: Index


class Ports(Message, frozen=True):
    """TCP ports that still listened when the notebook was done."""

    left: tuple[Left, ...]


class End(Message, frozen=True):
    """Everything that the run started has ended.

    `cell` is the last that began, `verdict` the limit that it broke or nothing, `stack` what
    faulthandler wrote, `status` the wait status of the run's first process (none if it never
    ended by itself), `output` the last lines of the cell.
    """

    cell: Index
    verdict: str
    stack: str
    status: int | None
    left: tuple[Left, ...]
    output: tuple[str, ...]
    processor_seconds: Amount
    peak_memory: Bytes


class Broken(Message, frozen=True):
    """The supervisor cannot go on."""

    problem: str


ToServer = Load | Run
FromRun = Starts | Ran | Done | Exited
FromSupervisor = FromRun | Ports | End | Broken

T = TypeVar("T")


def encode(message: Message) -> bytes:
    """One line. What is no Unicode in its texts, a lone surrogate, becomes a question mark."""
    try:
        return msgspec.json.encode(message) + b"\n"
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(message), ensure_ascii=False, allow_nan=False)
        return text.encode(errors="replace") + b"\n"


def to_server(line: bytes) -> ToServer:
    return _decoded(_TO_SERVER, line)


def from_server(line: bytes) -> Ready:
    return _decoded(_FROM_SERVER, line)


def from_run(line: bytes) -> FromRun:
    """Raises ValueError for whatever is no such message; so do the others."""
    return _decoded(_FROM_RUN, line)


def from_supervisor(line: bytes) -> FromSupervisor:
    return _decoded(_FROM_SUPERVISOR, line)


_TO_SERVER: msgspec.json.Decoder[ToServer] = msgspec.json.Decoder(ToServer)
_FROM_SERVER: msgspec.json.Decoder[Ready] = msgspec.json.Decoder(Ready)
_FROM_RUN: msgspec.json.Decoder[FromRun] = msgspec.json.Decoder(FromRun)
_FROM_SUPERVISOR: msgspec.json.Decoder[FromSupervisor] = msgspec.json.Decoder(FromSupervisor)


def _decoded(decoder: msgspec.json.Decoder[T], line: bytes) -> T:
    # Each text opens with a quotation mark; those inside of texts stand behind a backslash.
    if len(line) > LARGEST or line.count(b'"') - line.count(b'\\"') > MOST_TEXTS:
        raise ValueError("a message that is too large")
    return decoder.decode(line)
