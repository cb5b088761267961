"""Audit actions of the service itself."""

from collections.abc import Mapping
from typing import Final

SCHEMA_READ: Final = "service.schema.read"
# A request rejected before any endpoint could determine its action.
REQUEST_REFUSED: Final = "api.request.refused"

LABELS: Final[Mapping[str, str]] = {
    SCHEMA_READ: "Read API schema",
    REQUEST_REFUSED: "Send request",
}
