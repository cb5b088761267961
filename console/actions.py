"""The words of what the console shows of several apps at once."""

from typing import Final

HOME_READ: Final = "console.home.read"
REFERENCE_READ: Final = "console.reference.read"
USAGE_READ: Final = "console.usage.read"
SYSTEM_READ: Final = "console.system.read"
