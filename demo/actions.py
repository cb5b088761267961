"""Audit actions of the demo. Their words are those of the package that had it before."""

from collections.abc import Mapping
from typing import Final

DEMO_STARTED: Final = "console.demo.started"
DEMO_LOADED: Final = "console.demo.loaded"

LABELS: Final[Mapping[str, str]] = {
    DEMO_STARTED: "Start demo",
    DEMO_LOADED: "Load demo",
}
