"""The REST interface to data keys, derived keys, shared secrets and random bytes."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions
from crypto_ops.deciding.api import EngineView
from crypto_ops.deciding.wire import Codec
from crypto_ops.items.api import MessageView
from crypto_ops.secrets import serializers, wire
from crypto_ops.secrets.services import random_bytes
from kernel.crypto.encoding import encode_base64
from kernel.rules import Rule


class DataKeyView(MessageView):
    """Generate a data key or a key pair, encrypted with the primary version of a key."""

    rules = {"POST": Rule("crypto.data_key", actions.DATA_KEY_GENERATED)}
    codec = Codec(wire.DataKey, wire.data_key_request, wire.generated, serializers.GeneratedDataKeySerializer)


class DeriveView(MessageView):
    """Derive a key from a symmetric key and a context. Equal requests give equal keys."""

    rules = {"POST": Rule("crypto.derive", actions.KEY_DERIVED)}
    codec = Codec(wire.Derive, wire.derivation_request, wire.derived, serializers.DerivedKeySerializer)


class EncapsulateView(MessageView):
    """Make a secret, and encapsulate it to the primary version of a key."""

    rules = {"POST": Rule("crypto.encapsulate", actions.ENCAPSULATED)}
    codec = Codec(
        wire.Encapsulate, wire.encapsulate_request, wire.encapsulated, serializers.EncapsulatedSerializer
    )


class DecapsulateView(MessageView):
    """Get an encapsulated secret."""

    rules = {"POST": Rule("crypto.decapsulate", actions.DECAPSULATED)}
    codec = Codec(wire.Decapsulate, wire.decapsulate_request, wire.shared, serializers.SharedSecretSerializer)


class AgreeView(MessageView):
    """Get the secret that a key shares with the key of another party."""

    rules = {"POST": Rule("crypto.agree", actions.AGREED)}
    codec = Codec(wire.Agree, wire.agree_request, wire.shared, serializers.SharedSecretSerializer)


class RandomView(EngineView):
    """Random bytes."""

    rules = {"POST": Rule("crypto.random", actions.RANDOM_GENERATED)}

    @extend_schema(request=serializers.RandomSerializer, responses=serializers.GeneratedSerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read(serializers.RandomSerializer)
        content = random_bytes.generate_random(wanted["bytes"], self.principal)
        text = content.hex() if wanted["format"] == "hex" else encode_base64(content)
        return Response({"data": text, "bytes": wanted["bytes"], "format": wanted["format"]})
