"""REST serializers for grants."""

from typing import Any

from rest_framework import serializers

from accounts.roles import GRANTABLE
from kernel.http.addresses import MAX_NETWORKS
from kernel.identities import IdentityType
from kernel.labels import MAX_REASON
from kernel.rest.fields import ChoiceField, LabelField, StrictSerializer, TimestampField
from keys.metadata import MAX_TAG
from keys.models import KeyGrant
from keys.models.grants import ROLE

_PRINCIPAL_TYPES = (IdentityType.USER.value, IdentityType.SERVICE_ACCOUNT.value, ROLE)


class NewGrantSerializer(StrictSerializer):
    principal_type = ChoiceField(choices=_PRINCIPAL_TYPES)
    principal_id = serializers.CharField(
        max_length=36, help_text="the id of a user or service account, or the name of a role"
    )
    operations = serializers.ListField(child=ChoiceField(choices=GRANTABLE), max_length=len(GRANTABLE))
    expires_at = TimestampField(required=False, allow_null=True)
    networks = serializers.ListField(
        child=serializers.CharField(max_length=50), required=False, max_length=MAX_NETWORKS, help_text="CIDR"
    )
    reason = LabelField(required=False, max_length=MAX_REASON)


class NewTagGrantSerializer(NewGrantSerializer):
    tag = LabelField(max_length=MAX_TAG)


class GrantSerializer(serializers.Serializer[KeyGrant]):
    id = serializers.UUIDField()
    key_id = serializers.UUIDField(allow_null=True)
    tag = serializers.CharField(help_text='"" for a grant on a key')
    principal_type = ChoiceField(choices=_PRINCIPAL_TYPES)
    principal_id = serializers.CharField()
    operations = serializers.ListField(source="operation_words", child=serializers.CharField())
    networks = serializers.ListField(child=serializers.CharField())
    expires_at = TimestampField(allow_null=True)
    created_at = TimestampField()


class AccessQuerySerializer(StrictSerializer):
    principal = serializers.UUIDField(help_text="the id of a user or service account")
    operation = ChoiceField(choices=GRANTABLE)
    client_ip = serializers.IPAddressField(
        required=False, help_text="for grants that are limited to networks"
    )


class AccessSerializer(serializers.Serializer[Any]):
    allowed = serializers.BooleanField(source="is_allowed")
    rule = serializers.CharField()
