"""Describe a user agent in words, so that users can spot sessions that are not theirs.

The description proves nothing, because clients choose their user agent.
"""

import re
from collections.abc import Sequence
from typing import Final

_UNKNOWN: Final = "Unknown device"

# The first match wins, because browsers also name the browsers they derive from.
_BROWSERS: Final[Sequence[tuple[str, str]]] = (
    (r"Edg(e|A|iOS)?/", "Edge"),
    (r"OPR/|Opera", "Opera"),
    (r"SamsungBrowser/", "Samsung Internet"),
    (r"Firefox/|FxiOS/", "Firefox"),
    (r"Chrome/|Chromium/|CriOS/", "Chrome"),
    (r"Version/\S+ .*Safari/", "Safari"),
)
_SYSTEMS: Final[Sequence[tuple[str, str]]] = (
    (r"iPhone", "iPhone"),
    (r"iPad", "iPad"),
    (r"Android", "Android"),
    (r"Windows", "Windows"),
    (r"Mac OS X|Macintosh", "macOS"),
    (r"CrOS", "ChromeOS"),
    (r"Linux|X11", "Linux"),
)
_PROGRAM = re.compile(r"([A-Za-z][A-Za-z0-9._-]{0,39})(/[^\s]*)?", re.ASCII)


def device_words(user_agent: str) -> str:
    """For example ``Firefox on Linux``, or the name of a program: ``curl``."""
    browser, system = _first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent)
    if browser:
        return f"{browser} on {system}" if system else browser
    program = _PROGRAM.match(user_agent)
    return program[1] if program and program[1] != "Mozilla" else system or _UNKNOWN


def _first(words: Sequence[tuple[str, str]], user_agent: str) -> str:
    return next((word for pattern, word in words if re.search(pattern, user_agent)), "")
