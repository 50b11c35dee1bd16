"""The policy of a page names the theme's own scripts, and blesses no other that stands in it."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from qa.finish.policy import SCRIPTS, known_scripts, scripts_in, with_policy

KNOWN = known_scripts(["/", "/en/"])
THEMES = ("material", "zensical")
# Of what the theme offers, this site uses neither consent nor versions.
USED = ("base", "palette", "content", "announce")


def page(*scripts: str) -> str:
    return f'<html><head><meta charset="utf-8"><title>T</title>{"".join(scripts)}</head></html>'


def digest(code: str) -> str:
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()


def test_a_script_of_the_theme_is_named_once_by_its_digest() -> None:
    code = SCRIPTS["material: palette"]
    finished = with_policy(page(f"<script>{code}</script>" * 2, '<script src="a.js">'), KNOWN)
    assert finished.count("sha256-") == 1
    assert f"script-src 'self' 'sha256-{digest(code)}'; " in finished
    assert finished.index("Content-Security-Policy") < finished.index("<title>")


@pytest.mark.parametrize(
    "attack",
    [
        "<script>fetch('/x?' + document.cookie)</script>",
        "<SCRIPT>one()</SCRIPT >",
        "<script type=module>one()</script>",
        '<script type="text/ecmascript">one()</script>',
        "<script\n>one()\n</script\n>",
        f"<script>{SCRIPTS['material: palette']};one()</script>",
        '<script>__md_scope=new URL("x");one()</script>',
    ],
)
def test_a_script_that_got_into_a_page_is_not_blessed(attack: str) -> None:
    finished = with_policy(page(attack), KNOWN)
    assert "script-src 'self'; " in finished
    assert len([code for code in scripts_in(finished) if code not in KNOWN]) == 1


def test_data_in_a_page_is_no_script() -> None:
    data = '<script id="__config" type="application/json">{"x": 1}</script>'
    assert not scripts_in(page(data, '<script src="a.js"></script>'))


@pytest.mark.parametrize("theme", THEMES)
def test_the_scripts_kept_are_those_that_the_theme_has_now(theme: str) -> None:
    spec = find_spec(theme)
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "templates/partials/javascripts"
    for name in USED:
        # The last one stands there whatever features are chosen.
        script = scripts_in((folder / f"{name}.html").read_text(encoding="utf-8"))[-1]
        kept = re.sub(r"\{\{.*?\}\}", "{base}", script)
        assert kept in SCRIPTS.values(), f"{theme} has another script {name}: read it, and keep it"


@pytest.mark.parametrize("base", [".", "..", "../../..", "/", "/en/"])
def test_a_script_may_name_the_site_s_root(base: str) -> None:
    assert SCRIPTS["material: base"].replace("{base}", base) in KNOWN
