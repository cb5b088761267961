"""gunicorn's configuration, where a hook does more than set a value."""

import os
import subprocess
import sys

import pytest

from tests.product import ROOT

LOAD = """
import sys, threading
from ciphercanary.server import gunicorn
gunicorn.on_starting(None)
from django.db import connection
print("keys.reading.api" in sys.modules, threading.active_count(), connection.connection)
"""


@pytest.mark.process
def test_the_code_is_loaded_before_the_port_opens_and_nothing_that_a_fork_must_not_inherit(tmp_path):
    environment = os.environ | {"CC_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "ciphercanary.settings"}
    command = [sys.executable, "-c", LOAD]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "True 1 None\n", done.stderr
