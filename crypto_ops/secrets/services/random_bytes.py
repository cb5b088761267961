"""Random bytes for a caller, who may use them as a secret."""

import secrets

from msgspec import Struct

from accounts.principals import Principal
from audit.commit.decisions import Decision
from audit.log.events import Event
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import decision_of, perform


class _RandomRequest(Struct, frozen=True):
    size: int

    def decide(self, context: DecisionContext) -> Decision[bytes]:
        context.principal.require("crypto.random")
        event = Event(action=actions.RANDOM_GENERATED)
        return decision_of(secrets.token_bytes(self.size), event, context, size=self.size)


def generate_random(size: int, principal: Principal) -> bytes:
    """``size`` bytes from the operating system's generator."""
    return perform(_RandomRequest(size), principal)
