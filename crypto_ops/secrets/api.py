"""The REST interface to data keys, derived keys and shared secrets."""

from crypto_ops import actions
from crypto_ops.deciding.wire import Codec
from crypto_ops.items.api import MessageView
from crypto_ops.secrets import wire
from crypto_ops.secrets.serializers import (
    DerivedKeySerializer,
    EncapsulatedSerializer,
    GeneratedDataKeySerializer,
    SharedSecretSerializer,
)
from kernel.rules import Rule


class DataKeyView(MessageView):
    """Generate a data key or a key pair, encrypted with the primary version of a key."""

    rules = {"POST": Rule("crypto.data_key", actions.DATA_KEY_GENERATED)}
    codec = Codec(wire.DataKey, wire.data_key_request, wire.generated, GeneratedDataKeySerializer)


class DeriveView(MessageView):
    """Derive a key from a symmetric key and a context. Equal requests give equal keys."""

    rules = {"POST": Rule("crypto.derive", actions.KEY_DERIVED)}
    codec = Codec(wire.Derive, wire.derivation_request, wire.derived, DerivedKeySerializer)


class EncapsulateView(MessageView):
    """Make a secret, and encapsulate it to the primary version of a key."""

    rules = {"POST": Rule("crypto.encapsulate", actions.ENCAPSULATED)}
    codec = Codec(wire.Encapsulate, wire.encapsulate_request, wire.encapsulated, EncapsulatedSerializer)


class DecapsulateView(MessageView):
    """Get an encapsulated secret."""

    rules = {"POST": Rule("crypto.decapsulate", actions.DECAPSULATED)}
    codec = Codec(wire.Decapsulate, wire.decapsulate_request, wire.shared, SharedSecretSerializer)


class AgreeView(MessageView):
    """Get the secret that a key shares with the key of another party."""

    rules = {"POST": Rule("crypto.agree", actions.AGREED)}
    codec = Codec(wire.Agree, wire.agree_request, wire.shared, SharedSecretSerializer)
