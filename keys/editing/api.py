"""REST interface to read and change one key."""

from typing import cast
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.identities import IdentityType
from kernel.rest.fields import ChoiceField
from kernel.rest.preconditions import ETAG, IF_MATCH, etag_of, if_match
from kernel.rules import Rule
from keys import actions
from keys.changing import MANAGE
from keys.creation.serializers import KeySettingsSerializer
from keys.editing import services as editing
from keys.editing.ownership import transfer_key
from keys.models import Key
from keys.reading import services as reading
from keys.reading.api import ChangeView, KeyView
from keys.reading.rest_references import VersionField
from keys.reading.serializers import KeySerializer, ReasonSerializer


class UpdateKeySerializer(KeySettingsSerializer):
    min_decryption_version = VersionField(
        required=False,
        help_text="earlier versions do not decrypt or verify",
    )


class TransferSerializer(ReasonSerializer):
    owner_type = ChoiceField(choices=[IdentityType.USER.value, IdentityType.SERVICE_ACCOUNT.value])
    owner_id = serializers.UUIDField()


class TransferKeyView(ChangeView):
    """Give the key another owner: an active user or service account whose role may use keys. Requires a recent sign-in."""

    rules = {"POST": Rule(MANAGE, actions.KEY_TRANSFERRED)}
    body = TransferSerializer
    change = transfer_key


class KeyDetailView(KeyView):
    rules = {
        "GET": Rule("keys.read", actions.KEY_READ),
        "PATCH": Rule("keys.update", actions.KEY_UPDATED),
    }

    @extend_schema(parameters=[ETAG], responses=KeySerializer)
    def get(self, _request: Request, key_id: UUID) -> Response:
        """One key, without its material."""
        return _with_etag(reading.get_key(principal=self.principal, key_id=key_id))

    @extend_schema(request=UpdateKeySerializer, parameters=[IF_MATCH, ETAG], responses=KeySerializer)
    def patch(self, request: Request, key_id: UUID) -> Response:
        """Change the settings of the key."""
        key = editing.update_key(
            principal=self.principal,
            key_id=key_id,
            check=if_match(request),
            changes=cast("editing.KeyUpdate", self.read(UpdateKeySerializer)),
        )
        return _with_etag(key)


def _with_etag(key: Key) -> Response:
    return Response(KeySerializer(key).data, headers={"ETag": etag_of(key.row_seq)})
