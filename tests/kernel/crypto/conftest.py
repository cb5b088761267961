import uuid

import pytest

from kernel.crypto.algorithms import find_key_algorithm
from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing.aead import Cipher

AEAD_MODES = [mode for mode in SEALING_MODES.values() if not (mode.is_public_key or mode.is_foreign)]


@pytest.fixture(params=AEAD_MODES, ids=lambda mode: mode.name)
def mode(request):
    return request.param


@pytest.fixture
def cipher(mode):
    return new_cipher(mode)


@pytest.fixture
def key_id():
    return uuid.UUID("6f1c1a4e-0d5b-4c57-9a53-2b7f1f0c9e11")


def new_cipher(mode):
    return Cipher(KeyMaterial.generate(find_key_algorithm(mode.key_algorithm).key_size // 8), mode)
