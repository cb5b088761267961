import base64
import binascii
import os

from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.naive.models import NONCE, AuditEntry, EncryptionKey


class Base64Field(serializers.CharField):
    def to_internal_value(self, data: object) -> bytes:
        try:
            return base64.b64decode(super().to_internal_value(data), validate=True)
        except binascii.Error as error:
            raise serializers.ValidationError("Not valid base64.") from error


class EncryptSerializer(serializers.Serializer):
    key_id = serializers.UUIDField()
    algorithm = serializers.ChoiceField(["aes-256-gcm"])
    data = Base64Field()


class DecryptSerializer(serializers.Serializer):
    key_id = serializers.UUIDField()
    ciphertext = Base64Field()


class OperationView(APIView):
    action = ""
    serializer_class: type[serializers.Serializer]

    def post(self, request: Request) -> Response:
        serializer = self.serializer_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        key = get_object_or_404(EncryptionKey, id=serializer.validated_data["key_id"], is_active=True)
        response, size = self.operate(key, serializer.validated_data)
        AuditEntry.objects.create(
            user=request.user,
            action=self.action,
            key=key,
            size=size,
            client_ip=request.META["REMOTE_ADDR"],
            user_agent=request.META.get("HTTP_USER_AGENT", ""),
        )
        return Response(response)

    def operate(self, key: EncryptionKey, wanted: dict) -> tuple[dict, int]:
        raise NotImplementedError


class EncryptView(OperationView):
    action = "encrypt"
    serializer_class = EncryptSerializer

    def operate(self, key: EncryptionKey, wanted: dict) -> tuple[dict, int]:
        nonce = os.urandom(NONCE)
        sealed = nonce + key.cipher().encrypt(nonce, wanted["data"], None)
        response = {"ciphertext": base64.b64encode(sealed).decode(), "key_id": str(key.id)}
        return response | {"algorithm": wanted["algorithm"]}, len(wanted["data"])


class DecryptView(OperationView):
    action = "decrypt"
    serializer_class = DecryptSerializer

    def operate(self, key: EncryptionKey, wanted: dict) -> tuple[dict, int]:
        sealed = wanted["ciphertext"]
        content = key.cipher().decrypt(sealed[:NONCE], sealed[NONCE:], None)
        return {"data": base64.b64encode(content).decode(), "key_id": str(key.id)}, len(content)
