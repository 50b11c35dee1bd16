"""Find a Chromium, or install one, for the browser tests.

Order: one that is there; Debian's package (as root, or by a sudo that asks nothing);
Playwright's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
"""For a Chromium that shows no window and asks nothing of anyone."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chinese needs glyphs in the screenshots that a failed test leaves.
PACKAGES = ("chromium", "fonts-noto-cjk")


def find() -> str | None:
    """Path of a Chromium that starts, or None."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    candidates = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), own]
    return next((path for path in candidates if path and _starts(path)), None)


def _starts(path: str) -> bool:
    if not Path(path).exists():
        return False
    command = [path, "--headless", "--no-sandbox", "--version"]
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def main() -> int:
    if path := find():
        print(f"browser tests use {path}")
        return 0
    apt = shutil.which("apt-get")
    if apt:
        prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
        subprocess.run([*prefix, apt, "update", "-q"], check=False)
        subprocess.run([*prefix, apt, "install", "-y", "-q", *PACKAGES], check=False)
    if not find():
        command = [sys.executable, "-m", "playwright", "install", "chromium"]
        subprocess.run(command, check=False)
    path = find()
    print(f"browser tests use {path}" if path else "no Chromium could be installed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
