"""REST serializers for service accounts and service tokens."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import ServiceAccount, ServiceToken
from accounts.models.service_accounts import TokenState
from accounts.rest import OptionalReasonSerializer, RoleNameField
from accounts.roles import PERMISSIONS
from accounts.service_accounts.services.accounts import MAX_DESCRIPTION, MAX_OVERLAP_HOURS
from accounts.service_accounts.services.tokens import MAX_KEYS, MAX_NAME
from audit.usage.tokens import TokenUse, last_token_uses
from kernel.clock import process_now
from kernel.http.addresses import MAX_NETWORKS
from kernel.identities import IdentityType
from kernel.rest.fields import (
    ChoiceField,
    LabelField,
    NameField,
    StrictSerializer,
    TimestampField,
)


class ServiceAccountChangesSerializer(OptionalReasonSerializer):
    role = RoleNameField(required=False)
    description = serializers.CharField(
        required=False, allow_blank=True, max_length=MAX_DESCRIPTION, trim_whitespace=False
    )
    is_active = serializers.BooleanField(required=False)


class NewServiceAccountSerializer(StrictSerializer):
    name = NameField()
    role = RoleNameField()
    description = serializers.CharField(
        required=False, allow_blank=True, max_length=MAX_DESCRIPTION, trim_whitespace=False
    )


class ServiceAccountSerializer(serializers.Serializer[ServiceAccount]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    role = serializers.CharField()
    description = serializers.CharField()
    is_active = serializers.BooleanField()
    created_at = TimestampField()


class CreatedServiceAccountSerializer(ServiceAccountSerializer):
    client_id = serializers.UUIDField(source="id")
    client_secret = serializers.CharField(help_text="shown only in this response")


class OverlapSerializer(StrictSerializer):
    overlap_hours = serializers.IntegerField(
        min_value=0, max_value=MAX_OVERLAP_HOURS, help_text="how long the old one stays valid"
    )


class ClientSecretSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="of the service account, which is also the client_id")
    client_secret = serializers.CharField(help_text="shown only in this response")


class NewTokenSerializer(StrictSerializer):
    name = LabelField(max_length=MAX_NAME)
    scopes = serializers.ListField(
        child=serializers.CharField(max_length=40),
        max_length=len(PERMISSIONS),
        help_text="permissions, such as encrypt or keys.read",
    )
    expires_at = TimestampField()
    keys = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_null=True, max_length=MAX_KEYS
    )
    networks = serializers.ListField(
        child=serializers.CharField(max_length=50), required=False, max_length=MAX_NETWORKS, help_text="CIDR"
    )
    service_account_id = serializers.UUIDField(required=False, allow_null=True)


class TokenSerializer(serializers.Serializer[ServiceToken]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    owner_type = ChoiceField(source="identity.type", choices=list(IdentityType))
    owner_id = serializers.UUIDField(source="identity.id")
    scopes = serializers.ListField(source="scope_words", child=serializers.CharField())
    keys = serializers.ListField(source="key_ids", child=serializers.UUIDField(), allow_null=True)
    networks = serializers.ListField(child=serializers.CharField())
    created_at = TimestampField()
    expires_at = TimestampField()
    revoked_at = TimestampField(allow_null=True)
    state = serializers.SerializerMethodField()
    last_used_at = serializers.SerializerMethodField(
        help_text="null if the log has no use; follows the log within about a second"
    )

    def get_state(self, token: ServiceToken) -> TokenState:
        return token.state(process_now())

    @extend_schema_field(TimestampField(allow_null=True))
    def get_last_used_at(self, token: ServiceToken) -> str | None:
        use = self._last_uses.get(str(token.id))
        return None if use is None else TimestampField().to_representation(use.at)

    @cached_property
    def _last_uses(self) -> Mapping[str, TokenUse]:
        """Of all tokens of the response, with one query."""
        parent: Any = self.parent  # of a list
        tokens: Any = [self.instance] if parent is None else parent.instance
        return last_token_uses(token.id for token in tokens)


class CreatedTokenSerializer(TokenSerializer):
    token = serializers.CharField(help_text="shown only in this response")
