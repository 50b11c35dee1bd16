"""Price lists with a mistake, and why they are refused."""

import shutil
import tomllib
from pathlib import Path

from catalogue import Catalogue, PriceList, load
from pydantic import ValidationError

EDITS = {
    "price as a float": ('peak = "0.035"', "peak = 0.035"),
    "misspelt key": ("percent = 80", "percnt = 80"),
    "time without a zone": ("T00:00:00Z", "T00:00:00"),
    "two open tiers": ("{ up_to = 100_000_000, peak", "{ peak"),
    "no whole p$ per second": ("per = 60", "per = 3600"),
    "step above the batch price": ('peak = "2.20"', 'peak = "0.90"'),
    "steps of both versions together": ('batch = "1.10"', 'batch = "0.65"'),
    "more than the list price": ("percent = 80", "percent = 120"),
}


def refusal(text: str, right: str, wrong: str, earlier: PriceList) -> str:
    """The first reason against `text` after `earlier`, once a piece of it is wrong."""
    assert right in text, right
    data = tomllib.loads(text.replace(right, wrong))
    try:
        Catalogue([earlier, PriceList.model_validate(data)])
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    except ValueError as error:
        return str(error)
    raise AssertionError(f"{wrong} was accepted")


def refusal_after_edit(folder: Path, name: str) -> str:
    """The reason against a copy of `folder` in which a published file got a space more."""
    copy = shutil.copytree(folder, "edited")
    path = Path(copy) / name
    path.write_text(path.read_text() + " ")
    try:
        load(path.parent)
    except ValueError as error:
        return str(error)
    raise AssertionError("accepted")
