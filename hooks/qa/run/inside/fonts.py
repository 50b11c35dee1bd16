"""Lets figures draw Chinese: Matplotlib's own font has none of its characters."""

from __future__ import annotations

import sys
from pathlib import Path

FILE = Path(sys.prefix, "share/fonts/NotoSansSC.ttf")
"""Where the Makefile puts it."""
FAMILIES = ("Noto Sans SC", "Noto Sans CJK SC")
"""The one in FILE, and the same as systems have it."""


def add_chinese() -> None:
    """Take what a figure's own font lacks from a Chinese one. What both lack is a fault."""
    from matplotlib import font_manager, rcParams

    if FILE.exists():
        font_manager.fontManager.addfont(FILE)
    known = font_manager.get_font_names()
    families = [family for family in FAMILIES if family in known]
    rcParams["font.family"] = [*rcParams["font.family"], *families[:1]]
