"""Uploads files, runs their jobs as a worker does, and reads the results."""

import json
import uuid

from crypto_ops.files import services, storage
from crypto_ops.streaming.services.streams import Decryption
from tests.kernel.ring import ring  # noqa: F401 - a fixture

FILES = "/api/v1/files"
MARKER = b"a line of the plaintext "
PLAINTEXT = MARKER * 50_000
BOUNDARY = "a boundary of the form"
FORM = f'multipart/form-data; boundary="{BOUNDARY}"'


def to_encrypt(key, **parameters):
    return f"{FILES}?operation=encrypt&key_id={key['id']}" + "".join(
        f"&{n}={v}" for n, v in parameters.items()
    )


TO_DECRYPT = f"{FILES}?operation=decrypt"


def form(*parts):
    """A form with fields of (name, filename or None, content)."""
    lines = b""
    for name, filename, content in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        lines += head.encode() + content + b"\r\n"
    return lines + f"--{BOUNDARY}--\r\n".encode()


def code(outcome):
    assert outcome.headers["content-type"] == "application/problem+json", outcome.content
    return outcome.status, json.loads(outcome.content)["code"]


def uploaded(outcome):
    assert outcome.status == 202, outcome.content
    return json.loads(outcome.content)["id"]


def look(bench, job_id):
    response = bench.persona.api.get(f"{FILES}/{job_id}")
    assert response.status == 200
    return response.json


def content(bench, job_id):
    principal = bench.persona.principal
    result = services.find_result(principal=principal, job_id=uuid.UUID(job_id))
    with services.open_result(principal=principal, result=result) as file:
        return b"".join(iter(file.read, b""))


def opened(bench, octets, aad=b""):
    with Decryption(bench.persona.principal, aad=aad) as stream:
        stream.write(octets)
        return b"".join(stream.finish())


def stored():
    return (
        [path for path in storage.FOLDER.path.iterdir() if path.is_file()]
        if storage.FOLDER.path.exists()
        else []
    )
