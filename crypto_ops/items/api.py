"""The common parts of the REST interfaces of messages and batches."""

from typing import Any, ClassVar, override

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from accounts.principals import Principal
from crypto_ops.deciding.api import EngineView
from crypto_ops.deciding.services import KeyRequest, perform_measured
from crypto_ops.deciding.wire import Codec
from crypto_ops.items.services import perform_batch
from crypto_ops.requests import cost_of
from kernel import throttle
from kernel.http.context import in_context
from keys.reading.rest_references import KeyReferenceView


class MessageView(EngineView, KeyReferenceView):
    """An operation with a key that the body names."""

    codec: ClassVar[Codec[Any, Any]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if hasattr(cls, "codec"):
            extend_schema(request=cls.codec.serializer, responses=cls.codec.response)(cls)

    def post(self, _request: Request) -> HttpResponse:
        self.read(self.codec.serializer)  # words the errors of all members
        # From its bytes, because claims of a JWT keep their spelling. The serializer reads an empty body as {}, too.
        message = msgspec.json.decode(in_context(self.request).body or b"{}", type=self.codec.body)
        result = self.perform(self.codec.request(message))
        return HttpResponse(self.codec.write(result, message), content_type="application/json")

    def perform(self, wanted: Any) -> Any:
        return perform_measured(self.with_key_id(wanted), self.principal)

    def with_key_id[R: KeyRequest[Any]](self, wanted: R) -> R:
        """The request with the ID of its key, if it names one. Raises NotFound."""
        if wanted.key_id is None:
            return wanted
        return msgspec.structs.replace(wanted, key_id=self.key_id_of(wanted.key_id))


class BatchView(MessageView):
    """An operation with many messages and one key."""

    @override
    def perform(self, wanted: Any) -> Any:
        charge_the_rest(self.principal, len(wanted.items))
        return perform_batch(self.with_key_id(wanted), self.principal)


def charge_the_rest(principal: Principal, messages: int) -> None:
    """Charge the batch beyond the one request that the view has charged. Raises Throttled."""
    if (more := cost_of(messages) - 1) > 0:
        throttle.charge_principal(principal.identity.budget, more)
