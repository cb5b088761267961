"""Audit actions of the demo. Their words are those of the package that had it before."""

from typing import Final

from kernel.actions import Actions

LABELS: Final = Actions()

DEMO_STARTED: Final = LABELS.add("console.demo.started", "Start demo")
DEMO_LOADED: Final = LABELS.add("console.demo.loaded", "Load demo")
