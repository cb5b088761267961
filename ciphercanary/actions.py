"""The audit words of the service itself."""

from typing import Final

SCHEMA_READ: Final = "service.schema.read"
