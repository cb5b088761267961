"""The common parts of the REST interfaces of batches."""

from typing import Any

from accounts.principals import Principal
from crypto_ops.deciding.api import OperationView
from crypto_ops.requests import cost_of
from kernel import throttle
from kernel.rest.fields import StrictSerializer
from keys.reading.rest_references import KeyReferenceView


class BatchView(OperationView, KeyReferenceView):
    """An operation with many messages and one key."""

    def read_batch(self, serializer: type[StrictSerializer]) -> dict[str, Any]:
        """The body, once all its items are charged. Raises Throttled."""
        attrs: dict[str, Any] = self.read(serializer)
        charge_the_rest(self.principal, len(attrs["items"]))
        return attrs


def charge_the_rest(principal: Principal, messages: int) -> None:
    """Charge the batch beyond the one request that the view has charged. Raises Throttled."""
    if (more := cost_of(messages) - 1) > 0:
        throttle.charge_principal(principal.identity.budget, more)


def references_of(attrs: dict[str, Any]) -> list[str | None]:
    """Of the items of a batch."""
    return [item.get("reference") for item in attrs["items"]]
