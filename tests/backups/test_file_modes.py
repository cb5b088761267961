"""The commands that copy an installation write files for their owner alone, under the usual umask."""

import shutil
import stat

import pytest

from tests.product import Product

pytestmark = pytest.mark.process


def open_to_others(folder):
    return {str(path) for path in folder.rglob("*") if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)}


def test_a_backup_a_copy_of_the_keys_and_a_restored_database_are_private(tmp_path, usual_umask):
    source, copy = (
        Product(tmp_path / name, database="", redis=False, is_new=name == "copy")
        for name in ("source", "copy")
    )
    (tmp_path / "keys").mkdir()
    commands = (("backup", tmp_path / "backup"), ("backup_kek", tmp_path / "keys" / "ring"))
    for name, folder in commands:
        done = source.manage(name, str(folder))
        assert done.returncode == 0, done.stderr
        assert open_to_others(folder) == set()
    shutil.copytree(tmp_path / "keys" / "ring", copy.home)
    done = copy.manage("restore", str(tmp_path / "backup"), "--verify")
    assert done.returncode == 0, done.stderr
    assert copy.sqlite_file.exists()
    assert open_to_others(copy.home) == set()
