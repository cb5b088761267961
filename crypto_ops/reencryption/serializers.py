"""REST serializers for re-encryption jobs."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from crypto_ops.encryption.fields import CiphertextField
from crypto_ops.encryption.serializers import EncryptedItemSerializer
from crypto_ops.items.wire import TextField
from crypto_ops.requests import MAX_AAD_BYTES, MAX_ITEMS, MAX_REFERENCE, MAX_TAG_BYTES, MAX_TOTAL
from kernel.jobs.job import Status
from kernel.labels import MAX_REASON
from kernel.rest.fields import (
    Base64Field,
    ChoiceField,
    LabelField,
    ModeField,
    StrictSerializer,
    TimestampField,
)
from keys.lifecycle import VersionState
from keys.reading.rest_references import KeyReferenceField, VersionField


class BeginReencryptionSerializer(StrictSerializer):
    key_id = KeyReferenceField()
    target_key_id = KeyReferenceField(required=False)
    total = serializers.IntegerField(min_value=0, max_value=MAX_TOTAL, required=False)
    reason = LabelField(required=False, max_length=MAX_REASON)


class ReencryptionItemSerializer(StrictSerializer):
    """A message in one of the forms of ``ReencryptSerializer``, under the source key of the job.

    An item that cannot be decoded does not affect the others.
    """

    ciphertext = TextField(required=False)
    encrypted_data = TextField(required=False)
    iv = TextField(required=False)
    tag = TextField(required=False)
    algorithm = ModeField(max_length=50, required=False)
    key_version = VersionField(required=False)
    context = TextField(required=False)  # type: ignore[assignment]  # as below
    aad = TextField(required=False)
    target_aad = TextField(required=False)
    reference = TextField(max_length=MAX_REFERENCE, required=False)


class ReencryptionPageSerializer(StrictSerializer):
    items = serializers.ListField(child=ReencryptionItemSerializer(), min_length=1, max_length=MAX_ITEMS)


class ReencryptedPageSerializer(serializers.Serializer[Any]):
    """The numbers of the items of this page, and their results in order."""

    reencrypted = serializers.IntegerField()
    current = serializers.IntegerField(help_text="under the target version already; returned unchanged")
    refused = serializers.IntegerField()
    results = EncryptedItemSerializer(many=True)


class ReencryptionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    key_id = serializers.UUIDField()
    target_key_id = serializers.UUIDField()
    status = ChoiceField(choices=[Status.RUNNING, Status.SUCCEEDED, Status.CANCELLED])
    total = serializers.IntegerField(allow_null=True)
    done = serializers.IntegerField()
    reencrypted = serializers.IntegerField()
    current = serializers.IntegerField()
    refused = serializers.IntegerField()
    reason = serializers.CharField()
    created_at = TimestampField()
    finished_at = TimestampField(allow_null=True)
    created_by = serializers.UUIDField(allow_null=True, help_text="a user")
    actor_id = serializers.UUIDField(allow_null=True, help_text="a service account")
    created_by_name = serializers.CharField()


class VersionReportSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    state = ChoiceField(choices=list(VersionState))
    reencrypted = serializers.IntegerField()
    refused = serializers.IntegerField()
    last_used = TimestampField(allow_null=True, help_text="the last decryption since since, or null")


class ReencryptionReportSerializer(serializers.Serializer[Any]):
    since = TimestampField()
    versions = VersionReportSerializer(many=True)
    left = serializers.ListField(child=serializers.IntegerField())
    unnamed_last_used = TimestampField(allow_null=True)


class ReencryptionDetailSerializer(ReencryptionSerializer):
    report = ReencryptionReportSerializer()


class ReencryptSerializer(StrictSerializer):
    """Either ``ciphertext``, or ``encrypted_data``, ``iv`` and ``tag`` with ``algorithm``."""

    ciphertext = TextField(
        required=False, help_text="cc1. text, vault: text of a transit key, or Fernet token"
    )
    encrypted_data = Base64Field(max_bytes=settings.CC_MAX_BODY_BYTES, required=False)
    iv = Base64Field(max_bytes=MAX_TAG_BYTES, required=False)
    tag = Base64Field(max_bytes=MAX_TAG_BYTES, required=False)
    algorithm = ModeField(max_length=50, required=False)
    source_key_id = KeyReferenceField(
        required=False, help_text="required unless the ciphertext names its key"
    )
    key_version = VersionField(required=False)
    context = Base64Field(  # type: ignore[assignment]  # DRF moves it into the declared fields
        max_bytes=MAX_AAD_BYTES, required=False, help_text="of the derived key, for a vault: text"
    )
    key_id = KeyReferenceField(required=False, help_text="of the target, the same key unless given")
    aad = Base64Field(max_bytes=MAX_AAD_BYTES, required=False)
    target_aad = Base64Field(
        max_bytes=MAX_AAD_BYTES, required=False, help_text="of the new ciphertext, the same aad unless given"
    )
    reason = LabelField(required=False, max_length=MAX_REASON)


class ReencryptedSerializer(serializers.Serializer[Any]):
    """``source_authenticated``: false for public-key encryption, with which anyone can have sealed the old ciphertext.
    ``source_compromised``: an attacker with the source key may have forged it.
    """

    ciphertext = CiphertextField(source="envelope")
    algorithm = ModeField(source="envelope.mode.name")
    key_id = serializers.UUIDField(source="envelope.key_id")
    key_version = serializers.IntegerField(source="envelope.version")
    source_key_version = serializers.IntegerField()
    source_authenticated = serializers.BooleanField()
    source_compromised = serializers.BooleanField()
