"""Audit actions of pages that combine several apps."""

from typing import Final

ROOT_READ: Final = "console.root.read"
HOME_READ: Final = "console.home.read"
REFERENCE_READ: Final = "console.reference.read"
FIRST_KEY_READ: Final = "console.first_key.read"
FIRST_KEY_CREATED: Final = "console.first_key.created"
FIRST_KEY_DECRYPTED: Final = "console.first_key.decrypted"
USAGE_READ: Final = "console.usage.read"
SYSTEM_READ: Final = "console.system.read"
