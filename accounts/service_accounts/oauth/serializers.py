"""REST serializers of the OAuth2 token endpoint, for the OpenAPI document."""

from typing import Any

from rest_framework import serializers


class TokenRequestSerializer(serializers.Serializer[Any]):
    grant_type = serializers.ChoiceField(choices=["client_credentials"])
    scope = serializers.CharField(required=False, help_text="permissions, separated by spaces")
    client_id = serializers.CharField(required=False)
    client_secret = serializers.CharField(required=False)


class IssuedTokenSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    token_type = serializers.ChoiceField(choices=["Bearer"])
    expires_in = serializers.IntegerField(help_text="in seconds")
    scope = serializers.CharField()


class TokenErrorSerializer(serializers.Serializer[Any]):
    error = serializers.CharField(help_text="a code of RFC 6749 section 5.2")
    error_description = serializers.CharField()
