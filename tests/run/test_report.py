"""Whatever a run says, the builder makes a result or located failures of it, and nothing else."""

from __future__ import annotations

import json
import math
import socket
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.failures import Failures
from qa.run import notebook as notebooks
from qa.run import protocol
from qa.run.local import LocalServer
from qa.run.notebook import Notebook
from qa.run.protocol import (
    Display,
    Done,
    End,
    Error,
    Exact,
    Exited,
    Message,
    Ports,
    Ran,
    Starts,
    Stream,
)
from qa.run.report import run
from qa.run.store import Result

SOURCE = '# %% name="one"\nx = 1\n\n# %% name="two"\nassert x\n'
END = End(1, "", "", 0, (), (), 0.1, 0)
HONEST: tuple[Message, ...] = (
    Starts(0),
    Ran(0, 0.0, (Stream("one\n"), Display({"text/plain": "1"})), None, ()),
    Starts(1),
    Ran(1, 0.0, (), None, ()),
    Done({"x": 1, "price": Exact("1.20")}, {"parts": "list"}, ()),
    Exited(()),
    Ports(()),
    END,
)


class Saying(LocalServer):
    """In place of a server and all behind it: says what a test wants."""

    def __init__(self, said: bytes):
        super().__init__(Path("nowhere"))
        self.said = said

    def start(self, asked: protocol.Run | protocol.Load) -> socket.socket:
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._say, args=[theirs], daemon=True).start()
        return ours

    def _say(self, connection: socket.socket) -> None:
        with connection:
            connection.sendall(self.said)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Notebook:
    path = tmp_path_factory.mktemp("project") / "notebooks" / "training" / "says.py"
    path.parent.mkdir(parents=True)
    path.write_text(SOURCE)
    return notebooks.read(path)


def lines(*messages: Message) -> bytes:
    return b"".join(map(protocol.encode, messages))


def reason(book: Notebook, said: bytes) -> str:
    with pytest.raises(Failures) as caught:
        run(book, Saying(said))
    (failure,) = caught.value.failures
    return failure.reason


def test_what_an_honest_run_says_becomes_a_result(book: Notebook) -> None:
    result = run(book, Saying(lines(*HONEST)))
    assert list(result.cells) == ["one", "two"]
    assert result.values == {"x": 1, "price": Decimal("1.20")}


@pytest.mark.parametrize(
    "order",
    [
        (4, 5, 6),
        (0, 1, 4, 5, 6),
        (0, 1, 2, 4, 5, 6),
        (2, 3, 0, 1, 4, 5, 6),
        (0, 2, 1, 3, 4, 5, 6),
        (1, 0, 3, 2, 4, 5, 6),
        (0, 1, 0, 1, 2, 3, 4, 5, 6),
        (0, 1, 1, 2, 3, 4, 5, 6),
        (0, 1, 2, 3, 4, 4, 5, 6),
        (0, 1, 2, 3, 4, 0, 5, 6),
    ],
)
def test_cells_come_in_their_order_and_done_is_last(book: Notebook, order: tuple[int, ...]) -> None:
    said = lines(*(HONEST[number] for number in order))
    assert "makes no sense" in reason(book, said)


@pytest.mark.parametrize("missing", [(0, 1, 2, 3, 4, 7), (0, 1, 2, 3, 7), (0, 1, 7), (7,)])
def test_a_run_that_is_not_done_has_not_passed(book: Notebook, missing: tuple[int, ...]) -> None:
    said = lines(*(HONEST[number] for number in missing))
    assert "ends before its end" in reason(book, said)


@pytest.mark.parametrize("count", range(6))
def test_silence_is_a_failure(book: Notebook, count: int) -> None:
    assert "without a word" in reason(book, lines(*HONEST[:count]))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b'{"type":"Starts","cell":' + b"[" * 100_000,
        b'{"type":"Starts","cell":-1}',
        b'{"type":"Starts","cell":7}',
        b'{"type":"Starts","cell":0.0}',
        b'{"type":"Starts","cell":true}',
        b'{"type":"Starts","cell":"0"}',
        b'{"type":"Starts"}',
        b'{"type":"Starts","cell":0,"more":1}',
        b'{"type":"Starts","cell":99999999999999999999999999}',
        b'{"type":"take","cell":0}',
        b'{"type":"__class__"}',
        b'{"type":["Starts"],"cell":0}',
        b'{"cell":0}',
        b"\xff\xfe",
        b'{"type":"Starts","cell":0}{"type":"Starts","cell":0}',
    ],
)
def test_a_line_that_is_no_message(book: Notebook, line: bytes) -> None:
    assert "makes no sense" in reason(book, line + b"\n" + lines(*HONEST))


@pytest.mark.parametrize(
    "value",
    [
        b"NaN",
        b"Infinity",
        b"1e999",
        b"null",
        b"[]",
        b"{}",
        b'{"decimal":1}',
        b'{"decimal":"x"}',
        b'{"decimal":"1.5","more":1}',
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b'"\x01"',
        b'{"decimal":"1e999999999"}',
        b"9" * 5000,
    ],
)
def test_a_value_that_is_none(book: Notebook, value: bytes) -> None:
    done = b'{"type":"Done","values":{"x":' + value + b'},"kinds":{},"faults":[]}\n'
    said = lines(*HONEST[:4]) + done + lines(*HONEST[5:])
    assert "makes no sense" in reason(book, said)


@pytest.mark.parametrize(
    "ran",
    [
        Ran(0, 1e9, (), None, ()),
        Ran(0, 0.0, (), Error("E", (), "", None, (protocol.Frame("no.py", 1, ""),)), ()),
        Ran(0, 0.0, (), None, (protocol.Fault("f", (protocol.Frame("../x.py", 1, ""),)),)),
    ],
)
def test_a_cell_that_took_longer_than_the_run_or_stands_in_a_file_that_is_not_there(
    book: Notebook, ran: Ran
) -> None:
    assert "makes no sense" in reason(book, lines(Starts(0), ran, END))


def test_what_cannot_be_shown_is_a_fault_of_its_cell(book: Notebook) -> None:
    for data in ({"image/png": "%%%"}, {"image/png": "AAAA"}, {"image/svg+xml": "<svg"}):
        ran = Ran(1, 0.0, (Display(data),), None, ())
        said = lines(*HONEST[:3], ran, *HONEST[4:])
        with pytest.raises(Failures) as caught:
            run(book, Saying(said))
        (failure,) = caught.value.failures
        assert (failure.path, failure.line) == (book.path, 5)


def test_many_small_things_are_refused_before_they_are_made(book: Notebook) -> None:
    many = (
        b'{"type":"Done","values":{'
        + b'"aaaaaa":1,' * 1_000_000
        + b'"x":1},"kinds":{},"faults":[]}'
    )
    assert "too large" in reason(book, many + b"\n")


def test_text_that_is_no_unicode_is_sent_all_the_same() -> None:
    line = protocol.encode(Ran(0, 0.0, (Stream("a\ud800b"),), None, ()))
    message = protocol.from_run(line)
    assert isinstance(message, Ran)
    assert message.outputs == (Stream("a?b"),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """An honest report in which something has been put in place of something else."""
    said: list[Any] = [json.loads(protocol.encode(message)) for message in HONEST]
    for _ in range(draw(st.integers(1, 3))):
        place: Any = said
        while True:
            keys = sorted(place) if isinstance(place, dict) else range(len(place))
            key = draw(st.sampled_from(keys))
            inner = place[key]
            if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
                break
            place = inner
        place[key] = draw(JSON)
    return b"".join(json.dumps(each).encode() + b"\n" for each in said)


@settings(max_examples=300, deadline=None)
@given(said=spoiled() | st.binary(max_size=200))
def test_nothing_that_a_run_says_crashes_the_builder(book: Notebook, said: bytes) -> None:
    try:
        result = run(book, Saying(said))
    except Failures as failures:
        assert all(failure.path == book.path for failure in failures.failures)
    else:
        check(result)


def check(result: Result) -> None:
    """It is of the right types, whatever it says."""
    assert list(result.cells) == ["one", "two"]
    assert all(cell.seconds >= 0 for cell in result.cells.values())
    for value in result.values.values():
        assert not isinstance(value, float) or math.isfinite(value)
        str(value).encode()
    assert all(isinstance(kind, str) for kind in result.kinds.values())
