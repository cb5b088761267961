"""Request bodies, read as leniently as OpenBao does: no media type, texts for numbers, members that it does not know."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from crypto_ops.requests import MAX_ITEMS
from kernel.errors import Invalid

type Text = str | UnsetType | None
type _Number = int | UnsetType | None
type _Flag = bool | UnsetType | None

_REPLACED: Final = (
    "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: "
)
_IGNORED: Final = "Endpoint ignored these unrecognized parameters: "


class Body(Struct):
    """``repr`` shows no values."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Item(Body):
    """A message. ``batch_input`` of the same names repeats these members."""

    plaintext: Text = UNSET
    ciphertext: Text = UNSET
    input: Text = UNSET
    signature: Text = UNSET
    hmac: Text = UNSET
    context: Text = UNSET
    associated_data: Text = UNSET
    key_version: _Number = UNSET
    reference: Text = UNSET


class Encrypt(Body):
    plaintext: Text = UNSET
    context: Text = UNSET
    associated_data: Text = UNSET
    key_version: _Number = UNSET
    type: Text = UNSET
    convergent_encryption: _Flag = UNSET
    partial_failure_response_code: _Number = UNSET
    batch_input: list[Item] | UnsetType | None = UNSET


class Decrypt(Body):
    ciphertext: Text = UNSET
    context: Text = UNSET
    associated_data: Text = UNSET
    partial_failure_response_code: _Number = UNSET
    batch_input: list[Item] | UnsetType | None = UNSET


class Rewrap(Body):
    ciphertext: Text = UNSET
    context: Text = UNSET
    key_version: _Number = UNSET
    batch_input: list[Item] | UnsetType | None = UNSET


class DataKey(Body):
    context: Text = UNSET
    associated_data: Text = UNSET
    key_version: _Number = UNSET
    bits: _Number = UNSET


class Signatures(Body):
    """To sign and to verify."""

    input: Text = UNSET
    signature: Text = UNSET
    hmac: Text = UNSET
    context: Text = UNSET
    key_version: _Number = UNSET
    hash_algorithm: Text = UNSET
    algorithm: Text = UNSET
    signature_algorithm: Text = UNSET
    marshaling_algorithm: Text = UNSET
    salt_length: str | int | UnsetType | None = UNSET
    prehashed: _Flag = UNSET
    batch_input: list[Item] | UnsetType | None = UNSET


class Hmac(Body):
    input: Text = UNSET
    key_version: _Number = UNSET
    algorithm: Text = UNSET
    batch_input: list[Item] | UnsetType | None = UNSET


class Hash(Body):
    input: Text = UNSET
    algorithm: Text = UNSET
    format: Text = UNSET


class Random(Body):
    bytes: _Number = UNSET
    format: Text = UNSET
    source: Text = UNSET


class CreateKey(Body):
    type: Text = UNSET
    derived: _Flag = UNSET
    convergent_encryption: _Flag = UNSET
    exportable: _Flag = UNSET
    allow_plaintext_backup: _Flag = UNSET
    auto_rotate_period: str | int | UnsetType | None = UNSET
    key_size: _Number = UNSET


class ImportVersion(Body):
    ciphertext: Text = UNSET
    hash_function: Text = UNSET
    public_key: Text = UNSET
    version: _Number = UNSET


class ImportKey(ImportVersion):
    type: Text = UNSET
    derived: _Flag = UNSET
    convergent_encryption: _Flag = UNSET
    exportable: _Flag = UNSET
    allow_plaintext_backup: _Flag = UNSET
    allow_rotation: _Flag = UNSET
    auto_rotate_period: str | int | UnsetType | None = UNSET


class Configure(Body):
    min_decryption_version: _Number = UNSET
    min_encryption_version: _Number = UNSET
    deletion_allowed: _Flag = UNSET
    exportable: _Flag = UNSET
    allow_plaintext_backup: _Flag = UNSET
    auto_rotate_period: str | int | UnsetType | None = UNSET


class Restore(Body):
    backup: Text = UNSET
    force: _Flag = UNSET


class Trim(Body):
    min_available_version: _Number = UNSET


class Token(Body):
    token: Text = UNSET


class AppRoleLogin(Body):
    role_id: Text = UNSET
    secret_id: Text = UNSET


class Mount(Body):
    type: Text = UNSET
    description: Text = UNSET


class Nothing(Body):
    pass


class Capabilities(Body):
    paths: list[str] | str | UnsetType | None = UNSET
    path: list[str] | str | UnsetType | None = UNSET


class Received[B: Body](Struct):
    """A body, and OpenBao's warnings about it."""

    body: B
    warnings: Sequence[str] = field(default_factory=list)


def read[B: Body](octets: bytes, kind: type[B], *, of_path: Sequence[str] = ()) -> Received[B]:
    """``of_path``: the parameters that the path has, which a body may repeat. Raises Invalid."""
    try:
        members = msgspec.json.decode(octets) if octets.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("failed to decode JSON input") from None
    members = {} if members is None else members
    if not isinstance(members, dict):
        raise Invalid("failed to decode JSON input: the body is no JSON object")
    try:
        body = msgspec.convert(members, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _unconverted(str(error)) from None
    known = {each.encode_name for each in msgspec.structs.fields(kind)}
    warnings = []
    if unknown := sorted(members.keys() - known - set(of_path)):
        warnings.append(f"{_IGNORED}[{' '.join(unknown)}]")
    if replaced := sorted(members.keys() & set(of_path)):
        warnings.append(f"{_REPLACED}[{' '.join(replaced)}]")
    return Received(body, warnings)


def batch_of(body: Any) -> Sequence[Item] | None:
    """The items of a batch; None for a request with one message. Raises Invalid."""
    items: list[Item] | None = present(body.batch_input)
    if items is None:
        return None
    if not items:
        raise Invalid("missing batch input to process")
    if len(items) > MAX_ITEMS:
        raise Invalid(f"a batch has at most {MAX_ITEMS} items")
    return items


def present[T](value: T | UnsetType) -> T | None:
    """The value of a member, None if it was not sent."""
    return None if value is UNSET else value


def text(value: Text) -> str:
    """The text of a member; null is the empty text."""
    return value if isinstance(value, str) else ""


def number(value: _Number) -> int:
    return value if isinstance(value, int) else 0


def flag(value: _Flag) -> bool:
    return value is True


def _unconverted(message: str) -> Invalid:
    """The refusal of a member of another type. The message contains no value."""
    reason, _, place = message.partition(" - at `$.")
    return Invalid(f'error converting input for field "{place.rstrip("`")}": {reason}')
