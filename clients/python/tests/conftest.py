import base64
import json
import struct
import uuid

import httpx
import pytest
from client_responses import TOKEN, URL

from ciphercanary_client import AsyncClient, Client, Retries
from ciphercanary_client.errors import CiphertextRefused
from ciphercanary_client.models import DataKey, Key

AT_ONCE = Retries(first_pause=0)


class Server:
    """Responses of a server in their order, and the requests that it got."""

    def __init__(self):
        self.responses, self.requests = [], []

    def will_respond(self, *responses):
        """Each is a pair of status and JSON, a triple with headers, text, a stream of bytes, a whole response, or an
        error to raise.
        """
        self.responses += responses

    def __call__(self, request):
        request.read()
        return self.response_to(request)

    async def respond_later(self, request):
        await request.aread()
        return self.response_to(request)

    def response_to(self, request):
        self.requests.append(request)
        response = self.responses.pop(0)
        if isinstance(response, Exception):
            raise response
        if isinstance(response, httpx.Response):
            return response
        if isinstance(response, str):
            return httpx.Response(200, text=response)
        if isinstance(response, bytes):
            return httpx.Response(200, stream=httpx.ByteStream(response))
        status, members, headers = (*response, {})[:3]
        kind = "application/json" if status < 300 else "application/problem+json"
        return httpx.Response(status, json=members, headers={"Content-Type": kind, **headers})

    @property
    def bodies(self):
        return [json.loads(request.content) for request in self.requests if request.content]


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def client(server):
    with Client(URL, TOKEN, retries=AT_ONCE, transport=httpx.MockTransport(server)) as made:
        yield made


@pytest.fixture
def make_async_client(server):
    """A client for the running loop."""
    return lambda: AsyncClient(
        URL, TOKEN, retries=AT_ONCE, transport=httpx.MockTransport(server.respond_later)
    )


class KeyService:
    """Generates and opens data keys in memory, and counts both. The id of a key is computed from its name."""

    def __init__(self):
        self.keys, self.generated, self.opened, self.resolved = {}, 0, 0, 0

    @staticmethod
    def wrapped(name, number, suite=1):
        """The ciphertext of a data key as bytes, as if a key with this name had encrypted it."""
        key_id = uuid.uuid5(uuid.NAMESPACE_URL, name).bytes
        return bytes([1, suite]) + key_id + struct.pack(">I", 1) + f"data key {number}".encode()

    def key(self, reference):
        self.resolved += 1
        key_id = uuid.uuid5(uuid.NAMESPACE_URL, reference)
        return Key(str(key_id), reference, "aes-256", "encrypt", "active", ("aes-256-gcm",), (), 1, {})

    def data_key(self, key):
        self.generated += 1
        octets, wrapped = bytes([self.generated]) * 32, self.wrapped(key, self.generated)
        ciphertext = "cc1." + base64.urlsafe_b64encode(wrapped).rstrip(b"=").decode()
        self.keys[ciphertext] = octets
        return DataKey(ciphertext, octets, "aes-256-gcm", key, 1)

    def decrypt(self, ciphertext):
        self.opened += 1
        if ciphertext not in self.keys:
            raise CiphertextRefused(400, "decryption_failed", "It does not open.")
        return self.keys[ciphertext]


@pytest.fixture
def service():
    return KeyService()


@pytest.fixture
def paths(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"plain" * 100_000)
    return source, target
