"""The routes of the fast path: all operations with messages and batches, with the codecs of their views."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from crypto_ops.encryption.urls import api as encryption
from crypto_ops.fast_path.serving import FastBatchRoute, FastRoute
from crypto_ops.items.api import BatchView, MessageView
from crypto_ops.secrets.urls import api as secrets
from crypto_ops.signatures.urls import api as signatures
from kernel.http.fast_path import FastRoutes


def _routes(patterns: Iterable[Any]) -> FastRoutes:
    views = {f"/api/v1/{each.pattern}": each.callback.cls for each in patterns}
    return {("POST", path): _route(view) for path, view in views.items() if issubclass(view, MessageView)}


def _route(view: type[MessageView]) -> FastRoute[Any, Any]:
    codec = view.codec
    kind: type[FastRoute[Any, Any]] = FastBatchRoute if issubclass(view, BatchView) else FastRoute
    decode = msgspec.json.Decoder(codec.body).decode
    action = view.rules["POST"].action
    return kind(action, decode, codec.request, lambda result, message, _: codec.write(result, message))


ROUTES: Final = _routes([*encryption, *signatures, *secrets])
