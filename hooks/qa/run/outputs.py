"""What runs show, as Jupyter outputs (nbformat 4): held to what a page may show.

The sandbox has converted it; but what arrives was sent by code that nobody trusts, and what is read
from the store was written by anyone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qa.printable import printable
from qa.run.inside.safe import LARGEST_TEXT, TEXT, UnsafeOutput, checked
from qa.run.protocol import Display, Error, Stream


def from_run(shown: Iterable[Stream | Display], error: Error | None) -> list[dict[str, Any]]:
    """`error` is the exception that a cell raised as it must. Raises UnsafeOutput."""
    outputs: list[dict[str, Any]] = [
        {"output_type": "stream", "name": "stdout", "text": output.text}
        if isinstance(output, Stream)
        else {"output_type": "display_data", "data": output.data, "metadata": {}}
        for output in shown
    ]
    if error:
        name, text = (printable(part)[:LARGEST_TEXT] for part in (error.name, error.text))
        outputs.append({"output_type": "error", "ename": name, "evalue": text, "traceback": []})
    return [check(output) for output in outputs]


def check(output: object) -> dict[str, Any]:
    """`output` again, if it has the form of one and what it shows is safe. Raises UnsafeOutput."""
    match output:
        case {"output_type": "stream", "name": "stdout", "text": str(text), **more} if not more:
            checked(TEXT, text)
        case {"output_type": "error", "ename": str(name), "evalue": str(text), "traceback": [],
              **more} if not more:  # fmt: skip
            checked(TEXT, name)
            checked(TEXT, text)
        case {
            "output_type": "display_data",
            "data": dict(data),
            "metadata": dict(about),
            **more,
        } if not about and not more and len(data) == 1:
            for kind, content in data.items():
                checked(kind, content)
        case _:
            raise UnsafeOutput("no output of a cell")
    assert isinstance(output, dict)
    return output
