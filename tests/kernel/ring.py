"""A ring of key-encryption keys of one test, in a data folder of its own."""

import shutil

import pytest
from django.conf import settings as current

from kernel import runtime
from kernel.trust import kek


@pytest.fixture
def ring(tmp_path, settings):
    """The data folder, with a copy of the ring."""
    folder = tmp_path / "ring"
    folder.mkdir(mode=0o700)
    for file in kek.ring_files():
        shutil.copy(file, folder)
    settings.CC_HOME = folder
    runtime.fresh()
    return folder


def like_another_process(home=None):
    """Drop everything that this process has cached, and use another data folder if one is given."""
    if home is not None:
        current.CC_HOME = home
    runtime.fresh()
