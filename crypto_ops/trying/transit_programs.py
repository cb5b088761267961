"""The programs of ``snippets`` for transit keys, with clients of Vault and OpenBao. They contain no secret.

They need ``VAULT_ADDR`` and ``VAULT_TOKEN``. SOPS reads the token, and ``bao`` reads both unless its own variables are set.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from crypto_ops.trying.programs import Program
from kernel.crypto.encoding import encode_base64
from kernel.crypto.modes import TransitOperation
from kernel.crypto.transit_types import TransitType

ENVIRONMENT: Final = Program("""unset BAO_ADDR BAO_TOKEN
export VAULT_ADDR=@@server
read -rs VAULT_TOKEN && export VAULT_TOKEN
""")
_HVAC_PROTECT: Final = Program("""import base64

import hvac

transit = hvac.Client().secrets.transit
message = base64.b64encode(b"hello canary").decode()
answer = transit.@@method("@@name", message, mount_point="@@mount"@@python_context)
@@result = answer["data"]["@@result"]
print(@@result)
""")
_HVAC_DECRYPT: Final = Program(
    """answer = transit.decrypt_data("@@name", ciphertext, mount_point="@@mount"@@python_context)
print(base64.b64decode(answer["data"]["plaintext"]).decode())
"""
)
_HVAC_VERIFY: Final = Program(
    """answer = transit.verify_signed_data(
    "@@name", message, @@result=@@result, mount_point="@@mount"@@python_context
)
print(answer["data"]["valid"])
"""
)
_BAO_PROTECT: Final = Program("""MESSAGE=$(printf 'hello canary' | base64)
@@variable=$(bao write -field=@@result @@mount/@@path/@@name @@member="$MESSAGE"@@bao_context)
echo "$@@variable"
""")
_BAO_DECRYPT: Final = Program(
    """bao write -field=plaintext @@mount/decrypt/@@name ciphertext="$CIPHERTEXT"@@bao_context | base64 --decode
echo
"""
)
_BAO_VERIFY: Final = Program(
    """bao write -field=valid @@mount/verify/@@name input="$MESSAGE" @@result="$@@variable"@@bao_context
"""
)
_CURL: Final = r"""curl -sS --fail-with-body -w '\n' "$VAULT_ADDR/v1/@@mount/@@call/@@name" \
  -H "X-Vault-Token: $VAULT_TOKEN" --data-binary @- |
  sed -n 's/.*"@@found": *"\{0,1\}\([^",}]*\).*/\1/p; /"errors":/w /dev/stderr'"""


def _curl(call: str, found: str) -> str:
    return _CURL.replace("@@call", call).replace("@@found", found)


_CURL_PROTECT: Final = Program(
    r"""MESSAGE=$(printf 'hello canary' | base64)
@@variable=$(
  printf '{"@@member": "%s"@@json_context}' "$MESSAGE" |
  """
    + _curl("@@path", "@@result").replace("\n", "\n  ")
    + """
)
echo "$@@variable"
"""
)
_CURL_DECRYPT: Final = Program(
    r"""printf '{"ciphertext": "%s"@@json_context}' "$CIPHERTEXT" |
"""
    + _curl("decrypt", "plaintext")
    + """ |
  base64 --decode
echo
"""
)
_CURL_VERIFY: Final = Program(
    r"""printf '{"input": "%s", "@@result": "%s"@@json_context}' "$MESSAGE" "$@@variable" |
"""
    + _curl("verify", "valid")
    + "\n"
)
_SOPS_ENCRYPT: Final = Program(
    r"""printf 'password: hello canary\n' |
  sops encrypt --filename-override canary.yaml --hc-vault-transit "$VAULT_ADDR/v1/@@mount/keys/@@name" >canary.yaml
cat canary.yaml
"""
)
_SOPS_DECRYPT: Final = Program("sops decrypt canary.yaml\n")
# By language and operation, which is also the purpose of other keys with the same two steps.
_PROGRAMS: Final[Mapping[tuple[str, TransitOperation], tuple[Program, Program]]] = {
    ("hvac", "encrypt"): (_HVAC_PROTECT, _HVAC_DECRYPT),
    ("hvac", "sign"): (_HVAC_PROTECT, _HVAC_VERIFY),
    ("hvac", "mac"): (_HVAC_PROTECT, _HVAC_VERIFY),
    ("bao", "encrypt"): (_BAO_PROTECT, _BAO_DECRYPT),
    ("bao", "sign"): (_BAO_PROTECT, _BAO_VERIFY),
    ("bao", "mac"): (_BAO_PROTECT, _BAO_VERIFY),
    ("curl", "encrypt"): (_CURL_PROTECT, _CURL_DECRYPT),
    ("curl", "sign"): (_CURL_PROTECT, _CURL_VERIFY),
    ("curl", "mac"): (_CURL_PROTECT, _CURL_VERIFY),
    ("sops", "encrypt"): (_SOPS_ENCRYPT, _SOPS_DECRYPT),
}
# Of the first program: the method of hvac, and the path, member and result of the call.
_CALLS: Final[Mapping[TransitOperation, tuple[str, str, str, str]]] = {
    "encrypt": ("encrypt_data", "encrypt", "plaintext", "ciphertext"),
    "sign": ("sign_data", "sign", "input", "signature"),
    "mac": ("generate_hmac", "hmac", "input", "hmac"),
}
_CONTEXT: Final = encode_base64(b"customer 42")  # of a derived key


def operations_shown(kind: TransitType) -> Sequence[TransitOperation]:
    """The operations that the programs show. A MAC only if the keys have no other use."""
    return [operation for operation in kind.modes if operation != "mac"] or ["mac"]


def programs_of(language: str, kind: TransitType, operation: TransitOperation) -> Sequence[Program]:
    """Empty if the client does not do this: SOPS only encrypts, and sends no context for a derived key."""
    if language == "sops" and kind.is_derived:
        return ()
    return _PROGRAMS.get((language, operation), ())


def placeholders_of(kind: TransitType, transit_name: str, operation: TransitOperation) -> Mapping[str, str]:
    """``transit_name``: the mount and name of the key."""
    mount, _, name = transit_name.rpartition("/")
    method, path, member, result = _CALLS[operation]
    has_context = kind.is_derived and operation != "mac"
    return {
        "mount": mount,
        "name": name,
        "method": method,
        "path": path,
        "member": member,
        "result": result,
        "variable": result.upper(),
        "python_context": f', context="{_CONTEXT}"' if has_context else "",
        "bao_context": f" context={_CONTEXT}" if has_context else "",
        "json_context": f', "context": "{_CONTEXT}"' if has_context else "",
    }
