"""Audit actions of the service itself."""

from typing import Final


class Actions(dict[str, str]):
    """The labels of an app's audit actions, by code."""

    def __init__(self) -> None:
        super().__init__()
        self.guarded: list[str] = []

    def add(self, code: str, label: str) -> str:
        """The code, such as ``keys.key.revoked``. Pages show the label, such as ``Revoke key``."""
        self[code] = label
        return code

    def add_guarded(self, code: str, label: str) -> str:
        """The same for an action that changes keys, access or accounts: a page alerts if it was denied."""
        self.guarded.append(code)
        return self.add(code, label)


LABELS: Final = Actions()

SCHEMA_READ: Final = LABELS.add("service.schema.read", "Read API schema")
METRICS_READ: Final = LABELS.add("service.metrics.read", "Read metrics")
# A request rejected before any endpoint could determine its action.
REQUEST_REFUSED: Final = LABELS.add("api.request.refused", "Send request")
