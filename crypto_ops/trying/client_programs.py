"""The programs of ``snippets`` with our Python client and its command, as templates. They contain no secret.

They need ``CIPHERCANARY_URL`` and ``CIPHERCANARY_TOKEN``. The token needs no permission but the operations: the programs
name the mode, because the client would read the key to find it.
"""

from typing import Final

from crypto_ops.trying.programs import Program

_CLIENT: Final = """from ciphercanary_client import Client

client = Client()
"""
_CLIENT_ENCRYPT: Final = Program(
    _CLIENT
    + """ciphertext = client.encrypt("@@key_id", b"hello canary", mode="@@mode")
print(ciphertext)
"""
)
_CLIENT_DECRYPT: Final = Program("""print(client.decrypt(ciphertext).decode())
""")
_CLIENT_SIGN: Final = Program(
    _CLIENT
    + """signature = client.sign("@@key_id", b"hello canary", "@@mode")
print(signature.hex())
"""
)
_CLIENT_VERIFY: Final = Program("""print(client.verify("@@key_id", b"hello canary", signature))
""")
_CLIENT_MAC: Final = Program(
    _CLIENT
    + """mac = client.mac("@@key_id", b"hello canary")
print(mac.hex())
"""
)
_CLIENT_VERIFY_MAC: Final = Program("""print(client.verify_mac("@@key_id", b"hello canary", mac))
""")
_COMMAND_ENCRYPT: Final = Program("""printf 'hello canary' | ciphercanary encrypt @@key_id --mode @@mode > ciphertext.txt
""")
_COMMAND_DECRYPT: Final = Program("""ciphercanary decrypt ciphertext.txt
""")
_COMMAND_SIGN: Final = Program("""printf 'hello canary' > message.txt
ciphercanary sign @@key_id message.txt --mode @@mode > message.sig
""")
_COMMAND_VERIFY: Final = Program("""ciphercanary verify @@key_id message.sig message.txt --mode @@mode
""")
ENVIRONMENT: Final = Program("""export CIPHERCANARY_URL=@@server
read -rs CIPHERCANARY_TOKEN && export CIPHERCANARY_TOKEN
""")
# By language and purpose.
CLIENT_PROGRAMS: Final = {
    ("client", "encrypt"): (_CLIENT_ENCRYPT, _CLIENT_DECRYPT),
    ("client", "sign"): (_CLIENT_SIGN, _CLIENT_VERIFY),
    ("client", "mac"): (_CLIENT_MAC, _CLIENT_VERIFY_MAC),
    ("command", "encrypt"): (_COMMAND_ENCRYPT, _COMMAND_DECRYPT),
    ("command", "sign"): (_COMMAND_SIGN, _COMMAND_VERIFY),
}
