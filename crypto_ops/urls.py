from crypto_ops.algorithms import urls as algorithms
from crypto_ops.encryption import urls as encryption
from crypto_ops.files import urls as files
from crypto_ops.reencryption import urls as reencryption
from crypto_ops.secrets import urls as secrets
from crypto_ops.signatures import urls as signatures
from crypto_ops.streaming import urls as streaming
from crypto_ops.trying import urls as trying

api = [
    *encryption.api,
    *signatures.api,
    *secrets.api,
    *reencryption.api,
    *streaming.api,
    *files.api,
    *algorithms.api,
]

pages = [*files.pages, *reencryption.pages, *trying.pages]
