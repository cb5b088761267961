"""Ready-to-run programs that use one key. Pages show exactly the text that the tests run.

No program contains a secret. The first step of each prompts for name and password, or takes them from the
environment, and gets a token. The next steps need only ``CIPHERCANARY_TOKEN``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Final

from django.conf import settings


class _Program(Template):
    """Placeholders are ``@@server``, ``@@key_id`` …, which have no meaning in shells or Python."""

    delimiter = "@@"


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    text: str
    code: str


LANGUAGES: Final[Mapping[str, str]] = {"curl": "curl", "python": "Python"}

_LOG_IN_TEXT: Final = (
    "Sign in once. Set CIPHERCANARY_USERNAME, CIPHERCANARY_PASSWORD and, if you use one-time codes, CIPHERCANARY_CODE, "
    "or enter the values at the prompts. The token is valid for {minutes} minutes. With a service "
    "token, set CIPHERCANARY_TOKEN to it instead, and go to the next step."
)

_CURL_TOKEN: Final = _Program(
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
_CURL_ENCRYPT: Final = _Program(
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
_CURL_DECRYPT: Final = _Program(
    r"""printf '{"ciphertext": "%s"}' "$CIPHERTEXT" |
curl -sS --fail-with-body -w '\n' @@server/api/v1/decrypt \
  -H "Authorization: Bearer $CIPHERCANARY_TOKEN" \
  -H 'Content-Type: application/json' \
  --data-binary @- |
  sed -n 's/.*"data": *"\([^"]*\)".*/\1/p; /"detail":/w /dev/stderr' | base64 --decode
echo
"""
)
_CURL_PROTECT: Final = _Program(
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
_CURL_VERIFY: Final = _Program(
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
_PYTHON_TOKEN: Final = _Program(
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
    with urllib.request.urlopen(request) as answer:
        print("export CIPHERCANARY_TOKEN=" + json.load(answer)["access_token"])
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
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        raise SystemExit(refusal.read().decode())


'''
_PYTHON_ENCRYPT: Final = _Program(
    _PYTHON_CALL
    + """data = base64.b64encode("hello canary".encode()).decode()
ciphertext = call("encrypt", key_id="@@key_id", algorithm="@@mode", data=data)["ciphertext"]
print(ciphertext)
"""
)
_PYTHON_DECRYPT: Final = _Program(
    """data = call("decrypt", ciphertext=ciphertext)["data"]
print(base64.b64decode(data).decode())
"""
)
_PYTHON_PROTECT: Final = _Program(
    _PYTHON_CALL
    + """message = base64.b64encode("hello canary".encode()).decode()
body = {"key_id": "@@key_id", @@fields"message": message}
@@member = call("@@protect", **body)["@@member"]
print(@@member)
"""
)
_PYTHON_VERIFY: Final = _Program(
    """answer = call("@@verify", **body, @@member=@@member)
print(answer["valid"])
"""
)
# By language and purpose: the programs after the first step.
_PROGRAMS: Final = {
    ("curl", "encrypt"): (_CURL_ENCRYPT, _CURL_DECRYPT),
    ("curl", "sign"): (_CURL_PROTECT, _CURL_VERIFY),
    ("curl", "mac"): (_CURL_PROTECT, _CURL_VERIFY),
    ("python", "encrypt"): (_PYTHON_ENCRYPT, _PYTHON_DECRYPT),
    ("python", "sign"): (_PYTHON_PROTECT, _PYTHON_VERIFY),
    ("python", "mac"): (_PYTHON_PROTECT, _PYTHON_VERIFY),
}
_TITLES: Final = {
    "encrypt": ("Encrypt", "Decrypt"),
    "sign": ("Sign", "Verify"),
    "mac": ("Compute a MAC", "Verify"),
}
# What the programs that verify call and send, besides the key and the message.
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "encrypt": {},
    "sign": {"protect": "sign", "verify": "verify", "member": "signature", "variable": "SIGNATURE"},
    "mac": {"protect": "mac", "verify": "mac/verify", "member": "mac", "variable": "MAC"},
}


def steps_of(language: str, *, purpose: str, key_id: str, mode: str) -> list[Step]:
    """The steps in one of ``LANGUAGES`` for one key."""
    fields = f'"signing_algorithm": "{mode}", ' if purpose == "sign" else ""
    sent = {"server": settings.CC_PUBLIC_URL, "key_id": key_id, "mode": mode, "fields": fields}
    sent |= _WORDS[purpose]
    log_in_text = _LOG_IN_TEXT.format(minutes=settings.CC_ACCESS_TOKEN_MINUTES)
    if language == "python":
        token = _PYTHON_TOKEN
        texts = (
            f'{log_in_text} Save the code as sign_in.py, then run in a shell: eval "$(python3 sign_in.py)"',
            "Needs Python 3 only, no other packages.",
            "Add this to the same program.",
        )
    else:
        token = _CURL_TOKEN
        texts = (
            f"Run this in bash. {log_in_text}",
            "Needs CIPHERCANARY_TOKEN from step 1.",
            "Run this in the same shell.",
        )
    programs = (token, *_PROGRAMS[language, purpose])
    titles = ("Get a token", *_TITLES[purpose])
    return [
        Step(title, text, program.substitute(sent))
        for title, text, program in zip(titles, texts, programs, strict=True)
    ]
