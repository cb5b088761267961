"""What the REST interfaces of batches have in common."""

from typing import Any

from accounts.principals import Principal
from crypto_ops.requests import cost_of
from kernel import throttle


def charge_the_rest(principal: Principal, messages: int) -> None:
    """Charge the batch beyond the one request that the view has charged. Raises Throttled."""
    if (more := cost_of(messages) - 1) > 0:
        throttle.charge_principal(principal.identity.budget, more)


def references_of(attrs: dict[str, Any]) -> list[str | None]:
    """Of the items of a batch."""
    return [item.get("reference") for item in attrs["items"]]
