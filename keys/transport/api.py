"""REST interface for the import and the export of keys."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from kernel.crypto.algorithms import PURPOSES
from kernel.crypto.encoding import encode_base64
from kernel.http.private_connections import is_private
from kernel.rest.fields import (
    Base64Field,
    ChoiceField,
    KeyAlgorithmField,
    KeyAlgorithmOrAliasField,
    LabelField,
    NameField,
    PublicKeyField,
    SigningModeField,
    StrictSerializer,
    TimestampField,
    represent,
)
from kernel.rest.idempotency import idempotent
from kernel.rest.schema import LOCATION
from kernel.rest.views import ApiView
from kernel.rules import Rule
from keys import actions
from keys.creation.serializers import PURPOSE_HELP, TagsField
from keys.metadata import MAX_DESCRIPTION, MAX_TAG, MAX_TAGS
from keys.new_material import NewMaterial
from keys.reading.api import KeyView
from keys.reading.rest_references import VersionField
from keys.reading.serializers import KeySerializer, ReasonSerializer, StoredAlgorithmField
from keys.transport.jose import AlgChoice
from keys.transport.public_key_formats import PublicKey
from keys.transport.services import exporting, import_parameters, importing, public_keys
from keys.transport.services.exporting import MAX_VERSIONS, MAX_WRAPPING_KEY
from keys.transport.services.importing import FORMATS, MAX_MATERIAL, MAX_TEXT
from keys.transport.services.importing import MAX_VERSIONS as MAX_IMPORTED

_SETTINGS = ("description", "tags", "expires_at", "exportable")


@extend_schema_field({"oneOf": [{"type": "string", "maxLength": MAX_TEXT}, {"type": "object"}]})
class _MaterialField(serializers.Field[Any, Any, Any, Any]):
    """A text, or the members of a JWK. The service reads it, because its form depends on the format."""

    default_error_messages = {"invalid": "Expected a string, or for jwk an object."}

    def to_internal_value(self, data: Any) -> str | Mapping[str, object]:
        if not isinstance(data, str | dict):
            self.fail("invalid")
        return cast("str | Mapping[str, object]", data)


class ImportKeySerializer(StrictSerializer):
    name = NameField()
    algorithm = KeyAlgorithmOrAliasField(max_length=50)
    purpose = ChoiceField(choices=PURPOSES, required=False, help_text=PURPOSE_HELP)
    format = ChoiceField(choices=FORMATS)
    material = _MaterialField(
        write_only=True,
        required=False,
        help_text="base64 of the bytes; for pem its text; for jwk an object or its JSON text",
    )
    versions = serializers.ListField(
        child=_MaterialField(),
        write_only=True,
        required=False,
        min_length=1,
        max_length=MAX_IMPORTED,
        help_text="instead of material, of a key of another system: one for each version, the oldest first",
    )
    import_parameters_id = serializers.UUIDField(
        required=False, help_text="required for wrapped and hpke, otherwise ignored"
    )
    description = serializers.CharField(
        required=False, allow_blank=True, max_length=MAX_DESCRIPTION, trim_whitespace=False
    )
    tags = TagsField(child=LabelField(max_length=MAX_TAG), required=False, max_length=MAX_TAGS)
    expires_at = TimestampField(required=False, allow_null=True)
    policy_id = serializers.UUIDField(required=False, allow_null=True)
    exportable = serializers.BooleanField(default=False)


class ImportKeyView(ApiView[Principal]):
    rules = {"POST": Rule("keys.import", actions.KEY_IMPORTED)}
    _materials: Sequence[NewMaterial] = ()

    def read_materials(self) -> None:
        """Check the material, which takes too long for an open transaction."""
        self._materials = importing.read_materials(principal=self.principal, request=self._import_request())

    @idempotent(before=read_materials)
    @extend_schema(request=ImportKeySerializer, parameters=[LOCATION], responses={201: KeySerializer})
    def post(self, _request: Request) -> Response:
        """Create a key from material of another system."""
        given = self.read(ImportKeySerializer)
        key = importing.import_key(
            principal=self.principal,
            request=self._import_request(),
            materials=self._materials,
            policy_id=given.get("policy_id"),
            **cast("importing.ImportSettings", {name: given[name] for name in _SETTINGS if name in given}),
        )
        location = reverse("key", kwargs={"key_id": key.id})
        return Response(KeySerializer(key).data, status=HTTPStatus.CREATED, headers={"Location": location})

    def _import_request(self) -> importing.ImportRequest:
        given = self.read(ImportKeySerializer)
        named = {name: value for name, value in given.items() if name not in {*_SETTINGS, "policy_id"}}
        return importing.ImportRequest(**named, is_private_connection=is_private(self.request))


class ImportParametersSerializer(serializers.Serializer[import_parameters.ImportKeys]):
    id = serializers.UUIDField()
    expires_at = TimestampField()
    wrapping_algorithm = serializers.SerializerMethodField(help_text="of the format wrapped")
    public_key = serializers.CharField(source="rsa_pem", help_text="of RSA-4096, for the format wrapped")
    hpke_suite = serializers.SerializerMethodField(help_text="of the format hpke")
    hpke_public_key = serializers.SerializerMethodField(
        help_text="of X25519 with ML-KEM-768, a SubjectPublicKeyInfo in base64, for the format hpke"
    )

    def get_wrapping_algorithm(self, _keys: import_parameters.ImportKeys) -> str:
        return "rsa-oaep-sha256+aes-256-kwp"

    def get_hpke_suite(self, _keys: import_parameters.ImportKeys) -> str:
        return "hpke-x25519-ml-kem-768"

    def get_hpke_public_key(self, keys: import_parameters.ImportKeys) -> str:
        return encode_base64(keys.hpke)


class ImportParametersView(ApiView[Principal]):
    """The public keys under which the caller wraps material for an import."""

    rules = {"GET": Rule("keys.import", actions.IMPORT_PARAMETERS_CREATED)}

    @extend_schema(operation_id="keys_import_parameters", responses=ImportParametersSerializer)
    def get(self, _request: Request) -> Response:
        """How to wrap the material of an import. Valid for at least an hour, new after a day."""
        found = import_parameters.get_import_parameters(principal=self.principal)
        return Response(ImportParametersSerializer(found).data)


class ExportKeySerializer(ReasonSerializer):
    versions = serializers.ListField(
        child=VersionField(),
        required=False,
        min_length=1,
        max_length=MAX_VERSIONS,
        help_text="all enabled versions unless given",
    )
    wrapping_key = PublicKeyField(
        max_bytes=MAX_WRAPPING_KEY,
        required=False,
        help_text="a public key of RSA from 3072 bits, or of X25519 with ML-KEM-768: DER in base64, or PEM",
    )


class ExportedVersionSerializer(serializers.Serializer[exporting.ExportedVersion]):
    version = serializers.IntegerField()
    material = Base64Field(
        max_bytes=MAX_MATERIAL,
        required=False,
        help_text="without wrapping_key: raw bytes of a symmetric key, PKCS #8 of a private key",
    )
    wrapped = Base64Field(
        max_bytes=MAX_MATERIAL, required=False, help_text="with wrapping_key: the material, wrapped"
    )

    def to_representation(self, instance: exporting.ExportedVersion) -> dict[str, Any]:
        """Without the member that does not apply."""
        members = super().to_representation(instance)
        return {name: value for name, value in members.items() if value is not None}


class ExportedKeySerializer(serializers.Serializer[exporting.ExportedKey]):
    key_id = serializers.UUIDField()
    name = serializers.CharField()
    algorithm = KeyAlgorithmField()
    purpose = serializers.CharField()
    versions = ExportedVersionSerializer(many=True)


class ExportKeyView(KeyView):
    """The material of an exportable key, for another system. Requires a recent sign-in."""

    rules = {"POST": Rule("keys.export", actions.KEY_EXPORTED)}

    @extend_schema(request=ExportKeySerializer, responses=ExportedKeySerializer)
    def post(self, request: Request, key_id: UUID) -> Response:
        exported = exporting.export_key(
            principal=self.principal,
            key_id=key_id,
            is_private_connection=is_private(request),
            **self.read(ExportKeySerializer),
        )
        return Response(represent(ExportedKeySerializer, exported))


class _KeySetQuery(StrictSerializer):
    """Which ``alg`` the JWKs have. The service compares it with the modes of the key."""

    signing_algorithm = SigningModeField(
        max_length=50, required=False, help_text="for keys with several, such as RSA keys"
    )
    fully_specified = serializers.BooleanField(
        default=False, help_text="the names of RFC 9864: Ed25519 and Ed448 instead of EdDSA"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        choice = AlgChoice(attrs.pop("signing_algorithm", None), attrs.pop("fully_specified"))
        return {**attrs, "choice": choice}


class _PublicKeyQuery(_KeySetQuery):
    version = VersionField(required=False, help_text="the primary version unless given")


class PublicKeySerializer(serializers.Serializer[PublicKey]):
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()
    algorithm = StoredAlgorithmField()
    fingerprint = serializers.CharField(
        help_text="SHA-256 of the SubjectPublicKeyInfo, in hexadecimal digits"
    )
    pem = serializers.CharField(help_text="SubjectPublicKeyInfo")
    jwk = serializers.DictField(help_text="RFC 7517")


class KeySetSerializer(serializers.Serializer[Any]):
    keys = serializers.ListField(child=serializers.DictField(), help_text="JWKs (RFC 7517), the newest first")


class PublicKeyView(KeyView):
    """The public key of one version of an asymmetric key."""

    rules = {"GET": Rule("keys.read", actions.PUBLIC_KEY_READ)}

    @extend_schema(parameters=[_PublicKeyQuery], responses=PublicKeySerializer)
    def get(self, _request: Request, key_id: UUID) -> Response:
        query = self.read_query(_PublicKeyQuery)
        found = public_keys.get_public_key(principal=self.principal, key_id=key_id, **query)
        return Response(represent(PublicKeySerializer, found))


class KeySetView(KeyView):
    """The public keys of an asymmetric key as a JWK Set: the versions that may verify, or that may decrypt."""

    rules = {"GET": Rule("keys.read", actions.PUBLIC_KEY_READ)}

    @extend_schema(parameters=[_KeySetQuery], responses=KeySetSerializer)
    def get(self, _request: Request, key_id: UUID) -> Response:
        query = self.read_query(_KeySetQuery)
        found = public_keys.list_public_keys(principal=self.principal, key_id=key_id, **query)
        return Response({"keys": [each.jwk for each in found]})
