"""Redaction of text: anything that resembles a credential or key bytes is replaced, and paths stay readable."""

import re

REDACTED = "[redacted]"
# A JWT, a service or refresh token, a password hash, a private key, a self-describing ciphertext, an Authorization
# value, and what follows a redacted run: the value after a long ``…_password=``, the other parts of a JWT in a path.
_CREDENTIAL = (
    r"eyJ[\w-]++\.[\w-]++\.[\w-]*"
    r"|cc[rst]_[\w-]+"
    r"|cc1\.[\w-]+"
    r"|\$?argon2\S+"
    r"|-----BEGIN[^-]*-----.*?(?:-----END[^-]*-----|$)"
    r"|(?i:bearer|basic)\s+\S+"
    r"|(?i:password|secret|passwd|token|otp)\w{0,64}+['\"]?\s*+[=:]\s*\S+"
    r"|\[redacted\][=.]\S*"
)
# Key bytes in base64, base64url or hex look like a run of these, and so does a long path.
_FIRST_PASS = re.compile(_CREDENTIAL + r"|(?P<run>[A-Za-z0-9+/_-]{40,})", re.DOTALL)
_SECOND_PASS = re.compile(_CREDENTIAL, re.DOTALL)
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Words of names. Random bytes in base64 mix upper case, lower case and digits, and in hex they are longer.
_WORD = (
    r"(?:[a-z]{1,24}|[a-z0-9]{1,16}"  # backups, 5c1d7af0
    r"|[A-Z]{1,16}|[0-9]{8}T[0-9]{4,6}Z?"  # README, 20261130T082652Z
    r"|[a-z]{2,12}(?:[A-Z][a-z]{1,12}){1,4}|(?:[A-Z][a-z]{1,12}){1,4})"  # camelCase, CipherCanary
)
# A name in a path: words, joined with hyphens or underscores. Without backtracking, which would be exponential.
_NAME = re.compile(rf"(?:[_-]*+(?>(?:{_UUID}|{_WORD})(?![A-Za-z0-9])))*+[_-]*+")
# An id. A name has one at most, because several in a row are a secret in groups.
_ID = re.compile(rf"{_UUID}|[a-z0-9]*(?:[a-z][0-9]|[0-9][a-z])[a-z0-9]*")


def redact(text: str) -> str:
    """The text with everything that resembles a credential redacted."""
    # The second pass finds credentials next to a path or in it, which the first one has left alone.
    return _SECOND_PASS.sub(REDACTED, _FIRST_PASS.sub(_redact_match, text))


def _redact_match(match: re.Match[str]) -> str:
    """A run of names stays. Of another one, only the beginning of an absolute path stays.

    A slash is also a digit of base64. So a secret may begin before the first part that is no name, and everything
    after it may belong to it.
    """
    run = match["run"]
    if not run:
        return REDACTED
    names = run.split("/")
    count = next((index for index, name in enumerate(names) if not _is_name(name)), len(names))
    if count == len(names):
        return run
    return "/".join([*names[: max(count - 1, 1)], REDACTED]) if run.startswith("/") else REDACTED


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None and len(_ID.findall(text)) <= 1
