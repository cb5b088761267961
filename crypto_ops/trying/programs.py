"""The programs of ``snippets``, as templates. They contain no secret.

The first step of each prompts for name and password, or takes them from the environment, and gets a token. The next
steps need only ``CIPHERCANARY_TOKEN``.
"""

from string import Template
from typing import Final


class Program(Template):
    """Placeholders are ``@@server``, ``@@key_id`` …, which have no meaning in shells or Python."""

    delimiter = "@@"


_CURL_TOKEN: Final = Program(
    r"""CIPHERCANARY_TOKEN=$(
  name=${CIPHERCANARY_USERNAME-} password=${CIPHERCANARY_PASSWORD-} code=${CIPHERCANARY_CODE-}
  [ "$name" ] || read -r -p "Username: " name
  [ "$password" ] || {
    read -r -s -p "Password: " password
    [ "$code" ] || { echo; read -r -p "One-time code, if you use one: " code; } >&2
  }
  quoted() { printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"; }
  printf '{"username": %s, "password": %s%s}' \
    "$(quoted "$name")" "$(quoted "$password")" "${code:+, \"totp_code\": $(quoted "$code")}" |
  curl -sS --fail-with-body -w '\n' @@server/auth/login -H 'Content-Type: application/json' --data-binary @- |
  sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p; /"detail":/w /dev/stderr'
)
export CIPHERCANARY_TOKEN
"""
)
_CURL_ENCRYPT: Final = Program(
    r"""CIPHERTEXT=$(
  {
    printf '{"key_id": "@@key_id", "algorithm": "@@mode", "data": "'
    printf %s 'hello canary' | base64 | tr -d '\n'
    printf '"}'
  } |
  curl -sS --fail-with-body -w '\n' @@server/api/v1/encrypt \
    -H "Authorization: Bearer $CIPHERCANARY_TOKEN" \
    -H 'Content-Type: application/json' \
    --data-binary @- |
  sed -n 's/.*"ciphertext": *"\([^"]*\)".*/\1/p; /"detail":/w /dev/stderr'
)
echo "$CIPHERTEXT"
"""
)
_CURL_DECRYPT: Final = Program(
    r"""printf '{"ciphertext": "%s"}' "$CIPHERTEXT" |
curl -sS --fail-with-body -w '\n' @@server/api/v1/decrypt \
  -H "Authorization: Bearer $CIPHERCANARY_TOKEN" \
  -H 'Content-Type: application/json' \
  --data-binary @- |
  sed -n 's/.*"data": *"\([^"]*\)".*/\1/p; /"detail":/w /dev/stderr' | base64 --decode
echo
"""
)
_CURL_PROTECT: Final = Program(
    r"""@@variable=$(
  {
    printf '{"key_id": "@@key_id", @@fields"message": "'
    printf %s 'hello canary' | base64 | tr -d '\n'
    printf '"}'
  } |
  curl -sS --fail-with-body -w '\n' @@server/api/v1/@@protect \
    -H "Authorization: Bearer $CIPHERCANARY_TOKEN" \
    -H 'Content-Type: application/json' \
    --data-binary @- |
  sed -n 's/.*"@@member": *"\([^"]*\)".*/\1/p; /"detail":/w /dev/stderr'
)
echo "$@@variable"
"""
)
_CURL_VERIFY: Final = Program(
    r"""{
  printf '{"key_id": "@@key_id", @@fields"@@member": "%s", "message": "' "$@@variable"
  printf %s 'hello canary' | base64 | tr -d '\n'
  printf '"}'
} |
curl -sS --fail-with-body -w '\n' @@server/api/v1/@@verify \
  -H "Authorization: Bearer $CIPHERCANARY_TOKEN" \
  -H 'Content-Type: application/json' \
  --data-binary @- |
  sed -n 's/.*"valid": *\([a-z]*\).*/\1/p; /"detail":/w /dev/stderr'
"""
)
_CURL_ENCAPSULATE: Final = Program(
    r"""RESPONSE=$(
  printf '{"key_id": "@@key_id"}' |
  curl -sS --fail-with-body -w '\n' @@server/api/v1/encapsulate \
    -H "Authorization: Bearer $CIPHERCANARY_TOKEN" \
    -H 'Content-Type: application/json' \
    --data-binary @-
)
member() { printf '%s\n' "$RESPONSE" | sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p; /\"detail\":/w /dev/stderr"; }
CIPHERTEXT=$(member ciphertext) KEY_VERSION=$(member key_version)
member shared_secret
"""
)
_CURL_DECAPSULATE: Final = Program(
    r"""printf '{"key_id": "@@key_id", "key_version": %s, "ciphertext": "%s"}' "$KEY_VERSION" "$CIPHERTEXT" |
curl -sS --fail-with-body -w '\n' @@server/api/v1/decapsulate \
  -H "Authorization: Bearer $CIPHERCANARY_TOKEN" \
  -H 'Content-Type: application/json' \
  --data-binary @- |
  sed -n 's/.*"shared_secret": *"\([^"]*\)".*/\1/p; /"detail":/w /dev/stderr'
"""
)
_CURL_OTHER_KEY: Final = Program(
    r"""openssl genpkey @@genpkey -out other-party.pem
PUBLIC_KEY=$(openssl pkey -in other-party.pem -pubout -outform DER | base64 | tr -d '\n')
echo "$PUBLIC_KEY"
"""
)
_CURL_AGREE: Final = Program(
    r"""printf '{"key_id": "@@key_id", "public_key": "%s"}' "$PUBLIC_KEY" |
curl -sS --fail-with-body -w '\n' @@server/api/v1/shared-secret \
  -H "Authorization: Bearer $CIPHERCANARY_TOKEN" \
  -H 'Content-Type: application/json' \
  --data-binary @- |
  sed -n 's/.*"shared_secret": *"\([^"]*\)".*/\1/p; /"detail":/w /dev/stderr'
"""
)
_PYTHON_TOKEN: Final = Program(
    """import getpass
import json
import os
import sys
import urllib.error
import urllib.request

environment = os.environ
username = environment.get("CIPHERCANARY_USERNAME")
if not username:
    print("Username: ", end="", file=sys.stderr, flush=True)
    username = input()
password, code = environment.get("CIPHERCANARY_PASSWORD"), environment.get("CIPHERCANARY_CODE")
if not password:
    password = getpass.getpass("Password: ")
    code = code or getpass.getpass("One-time code, if you use one: ")
body = {"username": username, "password": password}
if code:
    body["totp_code"] = code
request = urllib.request.Request(
    "@@server/auth/login", json.dumps(body).encode(), {"Content-Type": "application/json"}
)
try:
    with urllib.request.urlopen(request) as response:
        print("export CIPHERCANARY_TOKEN=" + json.load(response)["access_token"])
except urllib.error.HTTPError as refusal:
    sys.exit(refusal.read().decode())
"""
)
_PYTHON_CALL: Final = '''import base64
import json
import os
import urllib.error
import urllib.request


def call(operation, **body):
    """One call of the API."""
    headers = {
        "Authorization": "Bearer " + os.environ.get("CIPHERCANARY_TOKEN", ""),
        "Content-Type": "application/json",
    }
    url = "@@server/api/v1/" + operation
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)
    except urllib.error.HTTPError as refusal:
        raise SystemExit(refusal.read().decode())


'''
_PYTHON_ENCRYPT: Final = Program(
    _PYTHON_CALL
    + """data = base64.b64encode("hello canary".encode()).decode()
ciphertext = call("encrypt", key_id="@@key_id", algorithm="@@mode", data=data)["ciphertext"]
print(ciphertext)
"""
)
_PYTHON_DECRYPT: Final = Program(
    """data = call("decrypt", ciphertext=ciphertext)["data"]
print(base64.b64decode(data).decode())
"""
)
_PYTHON_PROTECT: Final = Program(
    _PYTHON_CALL
    + """message = base64.b64encode("hello canary".encode()).decode()
body = {"key_id": "@@key_id", @@fields"message": message}
@@member = call("@@protect", **body)["@@member"]
print(@@member)
"""
)
_PYTHON_VERIFY: Final = Program(
    """response = call("@@verify", **body, @@member=@@member)
print(response["valid"])
"""
)
_PYTHON_ENCAPSULATE: Final = Program(
    _PYTHON_CALL
    + """response = call("encapsulate", key_id="@@key_id")
print(response["shared_secret"])
"""
)
_PYTHON_DECAPSULATE: Final = Program(
    """sent = {name: response[name] for name in ("key_id", "key_version", "ciphertext")}
print(call("decapsulate", **sent)["shared_secret"])
"""
)
_PYTHON_OTHER_KEY: Final = Program(
    _PYTHON_CALL
    + """import subprocess

subprocess.run(["openssl", "genpkey", *"@@genpkey".split(), "-out", "other-party.pem"], check=True)
export = ["openssl", "pkey", "-in", "other-party.pem", "-pubout", "-outform", "DER"]
public_key = base64.b64encode(subprocess.run(export, check=True, capture_output=True).stdout).decode()
print(public_key)
"""
)
_PYTHON_AGREE: Final = Program(
    """print(call("shared-secret", key_id="@@key_id", public_key=public_key)["shared_secret"])
"""
)
# By language: the program that gets a token.
TOKEN: Final = {"curl": _CURL_TOKEN, "python": _PYTHON_TOKEN}
# By language and purpose: the programs after it.
PROGRAMS: Final = {
    ("curl", "encrypt"): (_CURL_ENCRYPT, _CURL_DECRYPT),
    ("curl", "sign"): (_CURL_PROTECT, _CURL_VERIFY),
    ("curl", "mac"): (_CURL_PROTECT, _CURL_VERIFY),
    ("curl", "encapsulate"): (_CURL_ENCAPSULATE, _CURL_DECAPSULATE),
    ("curl", "agree"): (_CURL_OTHER_KEY, _CURL_AGREE),
    ("python", "encrypt"): (_PYTHON_ENCRYPT, _PYTHON_DECRYPT),
    ("python", "sign"): (_PYTHON_PROTECT, _PYTHON_VERIFY),
    ("python", "mac"): (_PYTHON_PROTECT, _PYTHON_VERIFY),
    ("python", "encapsulate"): (_PYTHON_ENCAPSULATE, _PYTHON_DECAPSULATE),
    ("python", "agree"): (_PYTHON_OTHER_KEY, _PYTHON_AGREE),
}
