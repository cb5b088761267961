"""The common parts of the REST interfaces of messages and batches."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

import msgspec

from accounts.principals import Principal
from crypto_ops.deciding.api import OperationView
from crypto_ops.deciding.wire import RequestBody
from crypto_ops.requests import cost_of
from kernel import throttle
from kernel.http.context import in_context
from kernel.rest.derived import serializer_of
from keys.reading.rest_references import KeyReferenceView
from keys.references import KeyReference


class KeyRequest(Protocol):
    """The request of a body to the engine. ``key_id``: None for the caller's default key."""

    @property
    def key_id(self) -> KeyReference | None: ...
    def __replace__(self, /, **changes: Any) -> Self: ...


class BatchRequest(KeyRequest, Protocol):
    @property
    def items(self) -> Sequence[object]: ...


class MessageView(OperationView, KeyReferenceView):
    """An operation with a key that the body names."""

    def read_request[M: RequestBody, R: KeyRequest](self, body: type[M], request_of: Callable[[M], R]) -> R:
        """The request of the body, with the ID of its key. Raises Invalid, NotFound, and as ``request_of``."""
        return self.with_key_id(request_of(self.read_message(body)))

    def read_message[M: RequestBody](self, body: type[M]) -> M:
        """The body. Raises Invalid with all fields at fault."""
        self.read(serializer_of(body))
        # From its bytes, because claims of a JWT keep their spelling. The serializer reads an empty body as {}, too.
        return msgspec.json.decode(in_context(self.request).body or b"{}", type=body)

    def with_key_id[R: KeyRequest](self, wanted: R) -> R:
        """The request with the ID of its key, if it names one. Raises NotFound."""
        if wanted.key_id is None:
            return wanted
        return wanted.__replace__(key_id=self.key_id_of(wanted.key_id))


class BatchView(MessageView):
    """An operation with many messages and one key."""

    def read_batch[M: RequestBody, R: BatchRequest](
        self, body: type[M], request_of: Callable[[M], R]
    ) -> tuple[M, R]:
        """The body and its request, once all items are charged. Raises Throttled, and as ``read_request``."""
        message = self.read_message(body)
        wanted = request_of(message)
        charge_the_rest(self.principal, len(wanted.items))
        return message, self.with_key_id(wanted)


def charge_the_rest(principal: Principal, messages: int) -> None:
    """Charge the batch beyond the one request that the view has charged. Raises Throttled."""
    if (more := cost_of(messages) - 1) > 0:
        throttle.charge_principal(principal.identity.budget, more)
