"""Price lists with a mistake, and why they are refused."""

import shutil
import tomllib
from pathlib import Path

from catalogue import Catalogue, PriceList, load
from pydantic import ValidationError


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
