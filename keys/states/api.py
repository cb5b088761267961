"""REST interface for the states of keys and versions."""

from rest_framework import serializers

from kernel.rules import Rule
from keys import actions
from keys.reading.api import ChangeView
from keys.reading.serializers import KeyVersionSerializer, ReasonSerializer
from keys.states import services


class RevokeSerializer(ReasonSerializer):
    compromised = serializers.BooleanField(default=False)


class DisableSerializer(ReasonSerializer):
    minutes = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=services.MAX_TEST_MINUTES,
        help_text="of a scream test, after which the key enables itself",
    )


class ActivateKeyView(ChangeView):
    """Activate a pending key before its activation time."""

    rules = {"POST": Rule("keys.disable", actions.KEY_ACTIVATED)}
    change = services.activate_key


class DisableKeyView(ChangeView):
    """Suspend the key. It cannot be used until it is enabled again, or until its `minutes` end."""

    rules = {"POST": Rule("keys.disable", actions.KEY_DISABLED)}
    body = DisableSerializer
    change = services.disable_key


class EnableKeyView(ChangeView):
    """End the suspension of a key."""

    rules = {"POST": Rule("keys.disable", actions.KEY_ENABLED)}
    change = services.enable_key


class RevokeKeyView(ChangeView):
    """Revoke the key permanently. It can still decrypt, unless it is compromised."""

    rules = {"POST": Rule("keys.revoke", actions.KEY_REVOKED)}
    body = RevokeSerializer
    change = services.revoke_key


class DisableVersionView(ChangeView):
    """Stop an earlier version from decrypting."""

    rules = {"POST": Rule("keys.disable", actions.VERSION_DISABLED)}
    shown = KeyVersionSerializer
    change = services.disable_version


class EnableVersionView(ChangeView):
    """Allow a disabled version to decrypt again."""

    rules = {"POST": Rule("keys.disable", actions.VERSION_ENABLED)}
    shown = KeyVersionSerializer
    change = services.enable_version
