"""The REST door to the engine: translate, call one function, render."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from ciphercanary.crypto import envelope
from ciphercanary.crypto.algorithms import KEY_ALGORITHMS, MODES
from ciphercanary.crypto.encoding import encode_base64
from ciphercanary.rest import AUTHENTICATED, ApiView, Rule
from crypto_ops import engine, serializers, services
from crypto_ops.actions import CryptoAction


class EncryptView(ApiView[Principal]):
    rules = {"POST": Rule("crypto.encrypt", CryptoAction.ENCRYPTED)}

    @extend_schema(request=serializers.EncryptSerializer, responses={200: serializers.EncryptedSerializer})
    def post(self, _request: Request) -> Response:
        wanted = serializers.EncryptSerializer.to_request(self.read(serializers.EncryptSerializer))
        self.concern("key", str(wanted.key_id or ""))
        return Response(serializers.EncryptedSerializer(engine.encrypt(wanted, self.principal)).data)


class DecryptView(ApiView[Principal]):
    rules = {"POST": Rule("crypto.decrypt", CryptoAction.DECRYPTED)}

    @extend_schema(request=serializers.DecryptSerializer, responses={200: serializers.DecryptedSerializer})
    def post(self, _request: Request) -> Response:
        wanted = serializers.DecryptSerializer.to_request(self.read(serializers.DecryptSerializer))
        self.concern("key", str(wanted.key_id))
        return Response(serializers.DecryptedSerializer(engine.decrypt(wanted, self.principal)).data)


class ReencryptView(ApiView[Principal]):
    rules = {"POST": Rule("crypto.reencrypt", CryptoAction.REENCRYPTED)}

    @extend_schema(
        request=serializers.ReencryptSerializer, responses={200: serializers.ReencryptedSerializer}
    )
    def post(self, _request: Request) -> Response:
        wanted = serializers.ReencryptSerializer.to_request(self.read(serializers.ReencryptSerializer))
        self.concern("key", str(wanted.envelope.key_id))
        return Response(serializers.ReencryptedSerializer(engine.reencrypt(wanted, self.principal)).data)


class InspectView(ApiView[Principal]):
    rules = {"POST": Rule("crypto.inspect", CryptoAction.INSPECTED)}

    @extend_schema(request=serializers.InspectSerializer, responses={200: serializers.InspectionSerializer})
    def post(self, _request: Request) -> Response:
        sealed = envelope.decode(self.read(serializers.InspectSerializer)["ciphertext"])
        self.concern("key", str(sealed.key_id))
        return Response(serializers.InspectionSerializer(services.inspect(self.principal, sealed)).data)


class RandomView(ApiView[Principal]):
    rules = {"POST": Rule("crypto.random", CryptoAction.RANDOM_GENERATED)}

    @extend_schema(request=serializers.RandomSerializer, responses={200: serializers.GeneratedSerializer})
    def post(self, _request: Request) -> Response:
        wanted = self.read(serializers.RandomSerializer)
        content = services.generate_random(self.principal, wanted["bytes"])
        text = content.hex() if wanted["format"] == "hex" else encode_base64(content)
        return Response({"data": text, "bytes": wanted["bytes"], "format": wanted["format"]})


class AlgorithmsView(ApiView[Principal]):
    rules = {"GET": Rule(AUTHENTICATED, CryptoAction.ALGORITHMS_READ)}

    @extend_schema(responses={200: serializers.AlgorithmsSerializer})
    def get(self, _request: Request) -> Response:
        registry = {"key_algorithms": KEY_ALGORITHMS.values(), "modes": MODES.values()}
        return Response(serializers.AlgorithmsSerializer(registry).data)
