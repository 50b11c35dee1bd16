"""A Content-Security-Policy in each page: what does not come from the site itself is refused.

Scripts that stand in a page are named by their digest, so that none can be put in afterwards.
"""

from __future__ import annotations

import base64
import hashlib
import re

SCRIPT = re.compile(r"<script(?P<attributes>[^>]*)>(?P<code>.*?)</script>", re.DOTALL)
DATA = re.compile(r'type="(?:application|text)/(?!javascript)[\w+-]*"')
CHARSET = re.compile(r"<meta charset=[^>]*>")
# Styles that libraries set on elements cannot be named one by one.
POLICY = (
    "default-src 'none'; script-src 'self'{digests}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)


def with_policy(page: str) -> str:
    """The HTML of a page with the policy that fits it; raises ValueError if it names no charset."""
    digests = dict.fromkeys(
        _digest(match["code"])
        for match in SCRIPT.finditer(page)
        if "src=" not in match["attributes"] and not DATA.search(match["attributes"])
    )
    policy = POLICY.format(digests="".join(f" 'sha256-{digest}'" for digest in digests))
    charset = CHARSET.search(page)
    if not charset:
        raise ValueError("a page must name its charset before its policy can be put in")
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return page[: charset.end()] + meta + page[charset.end() :]


def _digest(code: str) -> str:
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
