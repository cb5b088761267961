"""Plant secrets in every place where a client can put one, then search all stored data for them.

Permitted finds: the audit log stores a User-Agent and a well-formed X-Request-ID as evidence. A key's name,
description and tags and the reason of a change are data that their authors wrote to be read. Those are
planted too: they prove that the search works, and that they are stored only in the database. A refusal may
name the unknown member or the invalid word to its own sender. Six digits of a one-time code are
indistinguishable from other digits, so the search covers the seed instead, and texts that were typed in place
of codes.
"""

import base64
import hashlib
import hmac
import html
import json
import re
import secrets
import struct
import time
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, urlencode
from uuid import UUID

import psycopg
import pytest
import redis

from kernel.crypto.algorithms import KEY_ALGORITHMS, KeyAlgorithm, find_key_algorithm
from kernel.crypto.modes import SEALING_MODES
from kernel.observability.spans import Attribute
from tests.collector import Collector, values
from tests.endpoints import X25519_PUBLIC_KEY
from tests.product import PASSWORD, REDIS_URL, Product, b64

pytestmark = [pytest.mark.process, pytest.mark.database]


@dataclass
class Markers:
    """Secrets by kind; those in ``evidence`` may be stored in the database."""

    secret: dict[str, bytes] = field(default_factory=dict)
    evidence: dict[str, bytes] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A new secret with characters that JSON and URLs encode differently."""
        value = f"{secrets.token_hex(8)} é/+&<{secrets.token_hex(8)}"
        self.secret[name] = value.encode()
        return value

    def word(self, name: str, *, is_evidence: bool = False) -> str:
        """A secret of letters and digits only."""
        value = f"mk{secrets.token_hex(14)}"
        (self.evidence if is_evidence else self.secret)[name] = value.encode()
        return value

    def octets(self, name: str, size: int = 24) -> bytes:
        value = secrets.token_bytes(size)
        self.secret[name] = value
        return value

    def keep(self, name: str, value: str | bytes) -> None:
        """Register a secret that the product made."""
        self.secret[name] = value.encode() if isinstance(value, str) else value


def spellings(secret: bytes) -> set[bytes]:
    """Every encoding in which the secret could have been stored."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for offset in range(3):
        # Inside a longer base64 text, a secret's encoding depends on its offset. Its first and last
        # characters may also encode neighbouring bytes, so they are left out.
        begin, end = -(-offset * 4 // 3), (offset + len(secret)) * 4 // 3
        text = base64.b64encode(bytes(offset) + secret)[begin:end]
        found |= {text, text.translate(bytes.maketrans(b"+/", b"-_"))}
    found.add(base64.b32encode(secret).rstrip(b"="))
    for escape in (quote, quote_plus):
        found |= {escape(secret).encode(), escape(secret, safe="").encode()}
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return found
    found |= {json.dumps(text)[1:-1].encode(), repr(text)[1:-1].encode(), text.encode("utf-16-le")}
    return found | {html.escape(text).encode()}


BASE64 = (base64.b64encode, base64.urlsafe_b64encode)


def find(markers: dict[str, bytes], places: dict[str, bytes]) -> set[tuple[str, str]]:
    """(marker, place) of every hit."""
    return {
        (name, place)
        for name, secret in markers.items()
        for spelling in spellings(secret)
        for place, content in places.items()
        if spelling in content
    }


@pytest.mark.parametrize("secret", [b"sixteen bytes of", bytes(range(200, 223)), 'é/+&<>" x'.encode() * 2])
def test_the_search_knows_every_spelling(secret):
    written = [secret, secret.hex().encode(), secret.hex().upper().encode(), quote(secret).encode()]
    for before in (b"", b"a", b"ab", b"abc"):
        written += [encode(before + secret + b"after") for encode in BASE64]
    for content in written:
        assert find({"it": secret}, {"there": b"x" + content + b"y"})
    assert not find({"it": secret}, {"there": secret[:-1] + b"z" + secret.hex().encode()[2:]})


# --- client requests


class Client:
    """Sends every request that plants secrets, and collects the refusals."""

    def __init__(self, product: Product, markers: Markers) -> None:
        self.product = product
        self.plant = markers
        self.token = ""
        self.refusals = b""

    def send(self, method, path, body=None, *, expect, token=None, **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self.product.send(
            method, path, body, token=self.token if token is None else token, headers=sent
        )
        assert response.status in (expect if isinstance(expect, set) else {expect}), (path, response.content)
        if response.status >= 400 and path.startswith(
            ("/api/", "/auth/")
        ):  # a page repeats the submitted form
            self.refusals += response.content
        return response

    def sign_in(self, username, password, **more):
        body = {"username": username, "password": password, **more}
        return self.send("POST", "/auth/login", body, token="", expect=200).json


def sign_in_and_out(client: Client) -> None:
    plant = client.plant
    password = plant.text("password of a user")
    done = client.product.manage("create_user", "dora", "--role", "developer", typed=f"{password}\n")
    assert done.returncode == 0, done.stderr
    assert password not in done.stdout + done.stderr
    pair = client.sign_in("dora", password)
    plant.keep("access token", pair["access_token"])
    plant.keep("refresh token, used", pair["refresh_token"])
    renewed = client.send("POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]}, expect=200).json
    plant.keep("access token, renewed", renewed["access_token"])
    plant.keep("refresh token, fresh", renewed["refresh_token"])
    client.send("POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]}, expect=401)
    new = plant.text("password, changed")
    change = {"current": password, "new": new}
    client.send("POST", "/auth/password", change, token=renewed["access_token"], expect=204)
    client.send("POST", "/auth/logout", {"refresh_token": renewed["refresh_token"]}, expect={204, 401})
    last = client.sign_in("dora", new)
    wrong = {
        "current": plant.text("password, wrong at the change"),
        "new": plant.text("password, never taken"),
    }
    client.send("POST", "/auth/password", wrong, token=last["access_token"], expect=400)
    short = {"current": new, "new": plant.word("password, refused")[:11]}
    plant.keep("password, refused", short["new"])
    client.send("POST", "/auth/password", short, token=last["access_token"], expect=400)
    client.send("POST", "/auth/logout", {"refresh_token": last["refresh_token"]}, expect=204)
    plant.keep("refresh token, signed out", last["refresh_token"])


def fail_to_sign_in(client: Client) -> None:
    plant = client.plant
    tries = [
        {"username": "dora", "password": plant.text("password, wrong")},
        {"username": plant.text("password as a username"), "password": plant.text("password, of nobody")},
        {"username": "dora", "password": [plant.text("password in a list")]},
        {"username": {"dora": plant.text("password in an object")}, "password": "x"},
        {"username": "dora", "pasword": plant.text("password, misspelt field")},
        {"username": "dora", "password": plant.text("password, too long") * 60},
        {plant.text("password as a field's name"): ""},
    ]
    for body in tries:
        client.send("POST", "/auth/login", body, token="", expect={400, 401})
    malformed = b'{"username": "dora", "password": "%s"' % plant.text("password, malformed body").encode()
    client.send("POST", "/auth/login", malformed, token="", expect=400)
    form = urlencode({"username": "dora", "password": plant.text("password in a form")}).encode()
    kind = "application/x-www-form-urlencoded"
    client.send("POST", "/auth/login", form, token="", expect=415, Content_Type=kind)
    query = quote(plant.text("password in a query"))
    client.send("POST", f"/auth/login?password={query}", {}, token="", expect=400)
    client.send("GET", f"/auth/login?username=dora&password={query}", token="", expect=405)
    path = quote(plant.text("password in a path"), safe="")
    client.send("GET", f"/auth/login/{path}", token="", expect=404)
    client.send("GET", f"/api/v1/keys/{path}", expect=404)
    client.send("GET", f"/{path}", token="", expect=404)


def show_bad_tokens(client: Client) -> None:
    plant = client.plant
    head, payload, signature = client.token.split(".")
    forged = f"{head}.{payload}.{signature[::-1]}"
    plant.keep("token, forged", forged)
    plant.keep("token, its signature", signature)
    for token in (forged, plant.word("token, nonsense"), f"ccr_{plant.word('token, a refresh token')}"):
        client.send("GET", "/api/v1/keys", token=token, expect=401)
        client.send("POST", "/auth/refresh", {"refresh_token": token}, expect=401)
        client.send("POST", "/auth/logout", {"refresh_token": token}, expect=401)
    basic = b64(f"admin:{plant.text('password in Basic')}".encode())
    client.send("GET", "/api/v1/keys", token="", expect=401, Authorization=f"Basic {basic}")
    client.send("GET", f"/api/v1/keys?access_token={plant.word('token in a query')}", expect=400)
    client.send("GET", "/api/v1/keys", expect=200, Cookie=f"session={plant.word('cookie, nonsense')}")
    client.send(
        "GET", "/metrics", token=plant.word("token at the metrics"), expect=401, X_Forwarded_For="192.0.2.9"
    )


def use_a_second_factor(client: Client) -> None:
    plant = client.plant
    password = plant.text("password of another user")
    assert (
        client.product.manage("create_user", "otto", "--role", "operator", typed=f"{password}\n").returncode
        == 0
    )
    token = client.sign_in("otto", password)["access_token"]
    enrolled = client.send("POST", "/auth/totp/enrol", {}, token=token, expect=200).json
    seed = base64.b32decode(enrolled["secret"] + "=" * (-len(enrolled["secret"]) % 8))
    plant.keep("TOTP seed", seed)
    plant.keep("TOTP seed, as typed", enrolled["secret"])
    client.send(
        "POST", "/auth/totp/confirm", {"code": plant.text("TOTP, wrong text")}, token=token, expect={400, 401}
    )
    response = client.send("POST", "/auth/totp/confirm", {"code": totp(seed)}, token=token, expect=200).json
    for number, code in enumerate(response["recovery_codes"]):
        plant.keep(f"recovery code {number}", code)
        plant.keep(f"recovery code {number}, without hyphens", code.replace("-", ""))
    client.sign_in("otto", password, totp_code=response["recovery_codes"][0])
    body = {"username": "otto", "password": password}
    for code in (response["recovery_codes"][0], plant.word("recovery code, wrong"), ""):
        client.send("POST", "/auth/login", {**body, "totp_code": code}, token="", expect=401)
    assert client.product.manage("reset_totp", "otto").returncode == 0


def totp(seed: bytes) -> str:
    """RFC 6238 with the defaults."""
    digest = hmac.digest(seed, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1)
    place = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[place : place + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


def create(client: Client, kind: KeyAlgorithm) -> str:
    """The id of a new key."""
    body = {"name": f"sweep-{kind.name}", "algorithm": kind.name, "purpose": kind.purpose}
    return str(client.send("POST", "/api/v1/keys", body, expect=201).json["id"])


def share_secrets(client: Client) -> None:
    kem, agreeing = (create(client, find_key_algorithm(name)) for name in ("ml-kem-768", "x25519"))
    sent = client.send("POST", "/api/v1/encapsulate", {"key_id": kem}, expect=200).json
    client.plant.keep("encapsulated secret", base64.b64decode(sent["shared_secret"]))
    body = {"key_id": kem, "key_version": 1, "ciphertext": sent["ciphertext"]}
    client.send("POST", "/api/v1/decapsulate", body, expect=200)
    body = {"key_id": agreeing, "public_key": b64(X25519_PUBLIC_KEY)}
    agreed = client.send("POST", "/api/v1/shared-secret", body, expect=200).json
    client.plant.keep("agreed secret", base64.b64decode(agreed["shared_secret"]))


def encrypt_and_decrypt(client: Client) -> None:
    plant = client.plant
    kinds = {
        name: kind
        for kind in reversed(KEY_ALGORITHMS)
        if kind.purpose == "encrypt" and not kind.is_foreign
        for name in kind.modes
    }
    keys = {kind.name: create(client, kind) for kind in set(kinds.values())}
    for mode in map(SEALING_MODES.__getitem__, kinds):
        key_id = keys[kinds[mode.name].name]
        aad = b64(plant.octets(f"aad of {mode.name}") if mode.takes_aad else b"")
        body = {
            "algorithm": mode.name,
            "data": b64(plant.octets(f"plaintext of {mode.name}")),
            "key_id": key_id,
        }
        sealed = client.send("POST", "/api/v1/encrypt", {**body, "aad": aad}, expect=200).json["ciphertext"]
        plant.keep(f"ciphertext of {mode.name}", sealed)  # no plaintext, but still the client's own
        client.send("POST", f"/api/v1/keys/{key_id}/rotate", {"reason": "sweep"}, expect=201)
        for path in ("/api/v1/decrypt", "/api/v1/reencrypt"):
            client.send("POST", path, {"ciphertext": sealed, "aad": aad}, expect=200)
            wrong = b64(plant.octets(f"aad, wrong for {mode.name}"))
            client.send("POST", path, {"ciphertext": sealed, "aad": wrong}, expect=400)
        client.send("POST", "/api/v1/inspect", {"ciphertext": sealed}, expect=200)
    share_secrets(client)
    for size in (24, 48):
        drawn = client.send("POST", "/api/v1/random", {"bytes": size}, expect=200).json["data"]
        plant.keep(f"random, {size} bytes", base64.b64decode(drawn))


def encrypt_many_and_long(client: Client) -> None:
    """Twice, so that the fast path responds the second time; batches; then streams that spill to the spool."""
    plant = client.plant
    key = {"name": "sweep-many", "algorithm": "aes-256"}
    key_id = client.send("POST", "/api/v1/keys", key, expect=201).json["id"]
    batch = {"algorithm": "aes-256-gcm", "key_id": key_id}
    for turn in ("cold", "warm"):
        item = {
            "data": b64(plant.octets(f"plaintext in a batch, {turn}")),
            "aad": b64(plant.octets(f"aad in a batch, {turn}")),
            "reference": plant.text(f"reference, {turn}"),
        }
        wrong = {"data": plant.text(f"plaintext in a batch, not base64, {turn}")}
        done = client.send(
            "POST", "/api/v1/encrypt/batch", {**batch, "items": [item, wrong]}, expect=200
        ).json
        sealed = {"ciphertext": done["results"][0]["ciphertext"], "aad": item["aad"]}
        plant.keep(f"ciphertext in a batch, {turn}", sealed["ciphertext"])
        other = {**sealed, "aad": b64(plant.octets(f"aad in a batch, wrong, {turn}"))}
        client.send("POST", "/api/v1/decrypt/batch", {**batch, "items": [sealed, other]}, expect=200)
    octets = {"Content_Type": "application/octet-stream", "X_AAD": b64(plant.octets("aad of a stream"))}
    content = plant.octets("plaintext of a stream", 64) * 50_000
    stream = client.send(
        "POST", f"/api/v1/stream/encrypt?key_id={key_id}", content, expect=200, **octets
    ).content
    plant.keep("ciphertext of a stream", stream[200:300])
    opened = client.send("POST", "/api/v1/stream/decrypt", stream, expect=200, **octets).content
    assert opened == content
    altered = stream[:-1] + bytes([stream[-1] ^ 1])
    client.send("POST", "/api/v1/stream/decrypt", altered, expect=400, **octets)


def encrypt_files(client: Client) -> None:
    """Through a job each. The upload, the result and the row stay in the data folder and the database."""
    plant = client.plant
    key = {"name": "sweep-files", "algorithm": "aes-256"}
    key_id = client.send("POST", "/api/v1/keys", key, expect=201).json["id"]
    octets = {"Content_Type": "application/octet-stream"}
    content = plant.octets("plaintext of a file", 64) * 20_000

    def done(path: str, body: bytes) -> bytes:
        job = client.send("POST", path, body, expect=202, **octets).json
        until = time.monotonic() + 60
        while job["finished_at"] is None and time.monotonic() < until:
            time.sleep(0.1)
            job = client.send("GET", f"/api/v1/files/{job['id']}", expect=200).json
        assert job["status"] == "succeeded"
        result: bytes = client.send("GET", f"/api/v1/operations/{job['id']}/result", expect=200).content
        return result

    sealed = done(f"/api/v1/files?operation=encrypt&key_id={key_id}", content)
    assert done("/api/v1/files?operation=decrypt", sealed) == content


def derive_and_sign(client: Client) -> None:
    """Twice, so that the fast path responds the second time."""
    plant = client.plant
    encrypting, signing, authenticating = (
        client.send("POST", "/api/v1/keys", {"name": f"sweep-of-{kind}", "algorithm": kind}, expect=201).json[
            "id"
        ]
        for kind in ("aes-256", "ed25519", "hmac-sha256")
    )
    for turn in ("cold", "warm"):
        for contents in ({"bits": 512}, {"key_pair": "ec-p256"}):
            body = {"key_id": encrypting, "aad": b64(plant.octets(f"aad of a data key, {turn}")), **contents}
            made = client.send("POST", "/api/v1/data-keys", body, expect=200).json
            plant.keep(f"data key of {contents}, {turn}", base64.b64decode(made["plaintext"]))
            plant.keep(f"ciphertext of {contents}, {turn}", made["ciphertext"])
        context = b64(plant.octets(f"context of a derived key, {turn}"))
        body = {"key_id": encrypting, "context": context, "bits": 256}
        made = client.send("POST", "/api/v1/derive", body, expect=200).json
        plant.keep(f"derived key, {turn}", base64.b64decode(made["derived"]))
        claims = {"sub": plant.word(f"claim, {turn}"), plant.word(f"name of a claim, {turn}"): 1}
        body = {"key_id": signing, "claims": claims, "header": {"x": plant.word(f"header, {turn}")}}
        plant.keep(f"JWT, {turn}", client.send("POST", "/api/v1/jwt/sign", body, expect=200).json["jwt"])
        item = {
            "message": b64(plant.octets(f"message in a batch, {turn}")),
            "reference": plant.text(f"reference of a message, {turn}"),
        }
        wrong = {"message": plant.text(f"message in a batch, not base64, {turn}")}
        for path, key in (
            ("sign/batch", {"key_id": signing, "signing_algorithm": "ed25519"}),
            ("mac/batch", {"key_id": authenticating}),
        ):
            client.send("POST", f"/api/v1/{path}", {**key, "items": [item, wrong]}, expect=200)


def fail_to_encrypt(client: Client) -> None:
    plant = client.plant
    key_id = client.send(
        "POST", "/api/v1/keys", {"name": "sweep-refused", "algorithm": "aes-256"}, expect=201
    ).json["id"]
    good = {"algorithm": "aes-256-gcm", "key_id": key_id}
    refused = [
        {**good, "data": plant.text("plaintext, not base64")},
        {**good, "data": {"text": plant.text("plaintext in an object")}},
        {**good, "data": "", "plaintext": plant.text("plaintext, misspelt field")},
        {**good, "data": "", "aad": plant.text("aad, not base64")},
        {"algorithm": "aes-256-gcm", "data": "", "key_id": plant.text("plaintext as a key's id")},
        {"key_id": key_id, "data": "", "algorithm": plant.text("plaintext as an algorithm")},
        {**good, "data": "", "options": {"mode": plant.text("plaintext as an option")}},
        {**good, "data": "", "key_version": plant.text("plaintext as a version")},
        {"ciphertext": plant.text("plaintext as a ciphertext")},
        [plant.text("plaintext in a list")],
        plant.text("plaintext as a body"),
    ]
    for body in refused:
        for path in ("/api/v1/encrypt", "/api/v1/decrypt", "/api/v1/inspect", "/api/v1/random"):
            client.send("POST", path, body, expect=400)
    unknown = {"algorithm": "aes-256-gcm", "data": b64(plant.octets("plaintext for an unknown key"))}
    client.send("POST", "/api/v1/encrypt", {**unknown, "key_id": str(UUID(int=0))}, expect=404)
    client.send("POST", f"/api/v1/keys/{key_id}/disable", {"reason": "sweep"}, expect=200)
    body = {**good, "data": b64(plant.octets("plaintext for a disabled key"))}
    client.send("POST", "/api/v1/encrypt", body, expect=409)
    body = {"algorithm": "aes-256-gcm", "data": b64(plant.octets("plaintext, too long", 2 * 1024 * 1024))}
    plant.secret["plaintext, too long"] = plant.secret["plaintext, too long"][:48]
    client.send("POST", "/api/v1/encrypt", body, expect=413)
    client.send(
        "POST", "/api/v1/encrypt", b'{"data": "%s' % plant.word("plaintext, cut off").encode(), expect=400
    )
    client.send("GET", f"/api/v1/keys?search={quote(plant.text('plaintext as a search'))}", expect=200)
    client.send(
        "GET", f"/api/v1/audit/logs?search={quote(plant.text('password as a search'))}", expect={200, 400}
    )
    client.send(
        "POST",
        "/api/v1/keys",
        {"name": plant.text("plaintext as a key's name"), "algorithm": "aes-256"},
        expect=400,
    )
    client.send(
        "POST", f"/api/v1/keys/{key_id}/{quote(plant.text('plaintext as a verb'), safe='')}", {}, expect=404
    )


def use_the_browser(client: Client) -> None:
    plant = client.plant
    page = client.send("GET", "/login/", token="", expect=200)
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())[1]
    form = {"csrfmiddlewaretoken": token, "username": "admin", "password": PASSWORD, "next": "/admin/"}
    headers = {"Cookie": cookie, "Content_Type": "application/x-www-form-urlencoded"}
    for wrong in (
        {"password": plant.text("password, wrong in the browser")},
        {"username": plant.text("password as a username in the browser")},
        {"code": plant.word("code, wrong in the browser"), "password": plant.text("password, wrong too")},
    ):
        body = urlencode(form | wrong).encode()
        client.send("POST", "/login/", body, token="", expect={401, 429}, **headers)
    client.send("GET", f"/setup/{plant.word('code of a set-up link')}/", token="", expect=404)
    client.send("GET", f"/invitation/{plant.word('code of an invitation')}/", token="", expect=404)
    done = client.send("POST", "/login/", urlencode(form).encode(), token="", expect=303, **headers)
    session = next(c for c in done.headers.get_all("Set-Cookie") if c.startswith("session="))
    plant.keep("id of a browser session", session.partition("=")[2].partition(";")[0])
    signed_in = {"Cookie": session.partition(";")[0]}
    for path in ("/admin/", "/admin/keys/key/", "/admin/audit/auditlog/"):
        client.send("GET", path, token="", expect=200, **signed_in)
    client.send(
        "GET",
        f"/admin/keys/key/?q={quote(plant.text('password as a search in the admin'))}",
        token="",
        expect=200,
        **signed_in,
    )
    page = client.send("GET", "/setup/first-key/", token="", expect=200, **signed_in)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())[1]
    headers["Cookie"] = "; ".join(
        [
            signed_in["Cookie"],
            *(c.partition(";")[0] for c in page.headers.get_all("Set-Cookie") if "csrf" in c),
        ]
    )
    form = {
        "csrfmiddlewaretoken": token,
        "name": "sweep-first",
        "message": plant.text("plaintext in the browser"),
    }
    page = client.send("POST", "/setup/first-key/", urlencode(form).encode(), token="", expect=200, **headers)
    form |= {"ciphertext": re.search(r"cc1\.[\w-]+", page.content.decode())[0]}
    body = urlencode(form).encode()
    client.send("POST", "/setup/first-key/decrypt", body, token="", expect=200, **headers)


def break_under_secrets(client: Client) -> None:
    """Unforeseen errors, with secrets in every frame of the stack that is logged."""
    plant = client.plant
    key_id = client.send(
        "POST", "/api/v1/keys", {"name": "sweep-broken", "algorithm": "aes-256"}, expect=201
    ).json["id"]
    body = {
        "algorithm": "aes-256-gcm",
        "data": b64(plant.octets("plaintext, when it broke")),
        "key_id": key_id,
    }
    with client.product.without_table("key_versions"):
        client.send("POST", "/api/v1/encrypt", body, expect={500, 503})
    with client.product.without_table("audit_bundles"):
        client.send("POST", "/api/v1/encrypt", body, expect={500, 503})
    with client.product.without_table("login_attempts"):
        body = {"username": "dora", "password": plant.text("password, when it broke")}
        client.send("POST", "/auth/login", body, token="", expect={500, 503})
    with client.product.without_table("refresh_tokens"):
        client.send(
            "POST", "/auth/refresh", {"refresh_token": plant.word("token, when it broke")}, expect={500, 503}
        )


def leave_evidence(client: Client) -> None:
    def evidence(name):
        return client.plant.word(name, is_evidence=True)

    key = {
        "name": evidence("name of a key"),
        "algorithm": "aes-256",
        "description": evidence("description of a key"),
        "tags": [evidence("tag of a key")],
    }
    sent = {"User_Agent": evidence("user agent"), "X_Request_ID": evidence("request id")}
    key_id = client.send("POST", "/api/v1/keys", key, expect=201, **sent).json["id"]
    client.send(
        "POST", f"/api/v1/keys/{key_id}/rotate", {"reason": evidence("reason of a change")}, expect=201
    )


# --- stored data


def kept_in_the_database(product: Product) -> dict[str, bytes]:
    if not product.database:
        return {f"file {path.name}": path.read_bytes() for path in product.home.glob("db.sqlite3*")}
    kept = {}
    with psycopg.connect(product.database) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            rows = connection.execute(f'SELECT t::text FROM "{table}" t').fetchall()  # noqa: S608 - our own tables
            # PostgreSQL doubles or escapes quotes in a text, but no marker contains one.
            kept[f"table {table}"] = "\n".join(row for (row,) in rows).encode()
    return kept


def kept_elsewhere(product: Product, client: Client) -> dict[str, bytes]:
    kept = {"log": product.stderr.encode(), "terminal": product.stdout.encode(), "refusals": client.refusals}
    for path in (*product.temporary.rglob("*"), *product.home.rglob("*")):
        if path.is_file() and not path.name.startswith(("db.sqlite3", "kek-", "secret-key")):
            kept[f"file {path.relative_to(product.folder)}"] = path.read_bytes()
    for path in ("/metrics", "/health", "/readyz", "/version"):
        kept[path] = product.send("GET", path).content
    for pid in product.processes():
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - no file of ours
            kept[f"command line of {pid}"] = file.read()
    if REDIS_URL:
        with redis.Redis.from_url(product.environment["REDIS_URL"]) as cache:
            kept["cache"] = b"\n".join(name + b"=" + (cache.dump(name) or b"") for name in cache.scan_iter())
    return kept


def reported_by_the_log(product: Product, token: str) -> bytes:
    """Every page of the log and of the trail, as the API returns them."""
    reported = b""
    for first in ("/api/v1/audit/logs?limit=100", "/api/v1/audit/trail?limit=100"):
        page = first
        while page:
            response = product.send("GET", page, token=token)
            assert response.status == 200
            reported += response.content
            page = response.json["next"]
    return reported


FLOWS = [
    sign_in_and_out,
    fail_to_sign_in,
    show_bad_tokens,
    use_a_second_factor,
    encrypt_and_decrypt,
    encrypt_many_and_long,
    encrypt_files,
    derive_and_sign,
    fail_to_encrypt,
    use_the_browser,
    break_under_secrets,
    leave_evidence,
]


def test_no_secret_is_kept_anywhere_in_any_spelling(tmp_path):
    markers = Markers()
    with (
        Collector() as collector,
        Product(
            tmp_path,
            LOG_LEVEL="DEBUG",
            CC_TRUSTED_PROXIES="1",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_HEADERS=f"authorization={markers.word('key of the collector')}",
        ) as product,
    ):
        client = Client(product, markers)
        pair = client.sign_in("admin", PASSWORD)
        client.token = pair["access_token"]
        [kek] = product.home.glob("kek-*.key")
        markers.keep("key-encryption key", base64.b64decode(kek.read_text()))
        markers.keep("Django's secret key", (product.home / "secret-key").read_text().strip())
        markers.keep("password of the administrator", PASSWORD)
        markers.keep("access token of the administrator", client.token)
        markers.keep("refresh token of the administrator", pair["refresh_token"])
        for flow in FLOWS:
            flow(client)
        database, elsewhere = kept_in_the_database(product), kept_elsewhere(product, client)
        reported = {"the audit log's API": reported_by_the_log(product, client.token)}
        assert product.stop() == 0  # which exports the waiting spans
        traces = {"spans": collector.content}

    assert len(markers.secret) > 80
    hits = find(markers.secret, database | elsewhere | reported | traces)
    assert hits == {("password as a field's name", "refusals")}
    # The evidence is found, so the search works, and only in the database.
    assert {name for name, _ in find(markers.evidence, database)} == set(markers.evidence)
    assert find(markers.evidence, elsewhere) == set()
    assert find(markers.evidence, traces) == {("request id", "spans")}
    assert {name for span in collector.spans for name in values(span)} <= set(Attribute)
    assert {word for header in collector.headers for word in [header["authorization"]]} <= {
        markers.secret["key of the collector"].decode()
    }
