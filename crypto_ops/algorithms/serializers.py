"""Serializers of the registry of algorithms."""

from typing import Any

from rest_framework import serializers

from kernel.crypto.modes import KemMode, MacMode, SealingMode, SigningMode
from kernel.rest.fields import KeyAlgorithmField, MacModeField, ModeField, SigningModeField


class KeyAlgorithmSerializer(serializers.Serializer[Any]):
    """A key type; sizes in bits."""

    name = KeyAlgorithmField()
    key_size = serializers.IntegerField()
    purpose = serializers.CharField()
    modes = serializers.ListField(child=serializers.CharField(), help_text="the first is the default")
    status = serializers.CharField()
    is_asymmetric = serializers.BooleanField()
    protects = serializers.BooleanField(
        help_text="false: keys are only imported, and only verify or decrypt existing data"
    )
    is_default = serializers.BooleanField(help_text="whether POST /keys may omit this purpose")


class ModeSerializer(serializers.Serializer[SealingMode]):
    """An operation mode; sizes in bytes."""

    name = ModeField()
    key_algorithm = serializers.CharField(help_text="of a default key; empty: each request must name its key")
    iv_size = serializers.IntegerField()
    tag_size = serializers.IntegerField()
    deterministic = serializers.BooleanField()
    padding = serializers.CharField(allow_null=True)
    status = serializers.CharField()
    is_public_key = serializers.BooleanField(
        help_text="anyone with the public key can encrypt, so a message has no known author"
    )
    takes_aad = serializers.BooleanField()


class SigningAlgorithmSerializer(serializers.Serializer[SigningMode]):
    name = SigningModeField()
    digest = serializers.CharField(allow_null=True, help_text="null: it signs whole messages only")


class MacAlgorithmSerializer(serializers.Serializer[MacMode]):
    name = MacModeField()
    digest = serializers.CharField()
    size = serializers.IntegerField(help_text="of the MAC, in bytes")


class KemSerializer(serializers.Serializer[KemMode]):
    name = serializers.CharField()
    ciphertext_size = serializers.IntegerField(help_text="in bytes")


class AlgorithmsSerializer(serializers.Serializer[Any]):
    key_algorithms = KeyAlgorithmSerializer(many=True)
    modes = ModeSerializer(many=True)
    signing_algorithms = SigningAlgorithmSerializer(many=True)
    mac_algorithms = MacAlgorithmSerializer(many=True)
    kems = KemSerializer(many=True)
    key_agreements = serializers.ListField(child=serializers.CharField())
