"""The browser installed on the machine; none is downloaded."""

import os
import shutil

# First the one without a user interface: the same engine for half the CPU time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "no Chromium for the browser tests: install it (Debian, Ubuntu: apt-get install chromium), or name its "
    "program in CC_CHROMIUM"
)


def find_chromium() -> str:
    """The path of the browser's executable, or "" if there is none."""
    found = os.environ.get("CC_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), "")
    return found if os.access(found, os.X_OK) else ""
