import os
import stat
from pathlib import Path

from kernel import home

NOBODY = 65534


def mode(folder):
    return stat.S_IMODE(folder.stat().st_mode)


def test_an_own_folder_becomes_private(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    home.create_private_folder(folder)
    assert mode(folder) == 0o700


def test_a_mounted_volume_of_another_user_keeps_its_mode(tmp_path):
    """Kubernetes mounts a volume that root owns and the group of the pod may write. Only root could change its mode."""
    folder = tmp_path
    if os.geteuid() == 0:
        folder.chmod(0o777)
        os.chown(folder, NOBODY, NOBODY)
    else:
        folder = Path("/")
    before = mode(folder)
    home.create_private_folder(folder)
    assert mode(folder) == before != 0o700
