"""The Content-Security-Policy of a page: nothing from elsewhere, and no script that is not known.

The scripts that may stand in a page are the theme's own, which scripts.json keeps: what a page
holds is never its own proof. `{base}` there stands for the way from a page to the site's root.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

SCRIPTS: dict[str, str] = json.loads(
    Path(__file__).with_name("scripts.json").read_text(encoding="utf-8")
)
DEEPEST = 6
SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE)
NOT_RUN = re.compile(r'\bsrc=|type="application/(?:ld\+)?json"')
CHARSET = re.compile(r"<meta charset=[^>]*>")
# Styles that libraries set on elements cannot be named one by one.
POLICY = (
    "default-src 'none'; script-src 'self'{digests}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)


def known_scripts(roots: Iterable[str]) -> frozenset[str]:
    """The texts of all scripts that may stand in a page; `roots` are the paths at which a host
    serves the site and its languages."""
    bases = {".", *("/".join([".."] * depth) for depth in range(1, DEEPEST + 1))}
    bases |= {form for root in roots for form in (root, root.rstrip("/"))}
    return frozenset(
        script.replace("{base}", base) for script in SCRIPTS.values() for base in bases
    )


def scripts_in(page: str) -> list[str]:
    """The texts of the scripts that a browser would run, each once."""
    found = (match[2] for match in SCRIPT.finditer(page) if not NOT_RUN.search(match[1]))
    return list(dict.fromkeys(found))


def with_policy(page: str, known: frozenset[str]) -> str:
    """`known` are the scripts that it may run. A page that names no charset stays as it is."""
    digests = (f" 'sha256-{_digest(code)}'" for code in scripts_in(page) if code in known)
    policy = POLICY.format(digests="".join(digests))
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return CHARSET.sub(lambda charset: charset[0] + meta, page, count=1)


def names_charset(page: str) -> bool:
    """Whether a policy can be put in: it stands behind the charset, before all that may load."""
    return bool(CHARSET.search(page))


def _digest(code: str) -> str:
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
