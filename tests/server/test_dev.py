"""``bin/dev``, in a copy of the clone whose files change while it runs."""

import contextlib
import shutil
import signal

import pytest

from tests.product import ROOT, Product
from tests.waiting import wait_until

NEEDLESS = shutil.ignore_patterns(
    ".*", "__pycache__", "campaigns", "clients", "docs", "node_modules", "tests", "var"
)


class DevServer(Product):
    greets = False

    @property
    def command(self):
        return [str(self.clone / "bin" / "dev")]

    @property
    def clone(self):
        return self.folder / "clone"

    def change(self, name, old, new):
        file = self.clone / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def shows(self, path, text):
        with contextlib.suppress(OSError):  # it starts again
            return text in self.send("GET", path).content.decode()
        return False


@pytest.fixture
def server(tmp_path):
    server = DevServer(tmp_path, database="")
    shutil.copytree(ROOT, server.clone, ignore=NEEDLESS)
    with server:
        yield server


@pytest.mark.process
def test_a_developers_server_writes_and_shows_changed_files_without_a_new_start(server):
    key = {"name": "first", "algorithm": "aes-256"}
    created = server.send("POST", "/api/v1/keys", key, token=server.token())
    assert created.status == 201, created.content
    assert server.query_log("SELECT 1 FROM audit_logs WHERE action = 'keys.key.created'")

    server.change("static/css/app.css", "{", "{ /* changed */")
    assert server.shows("/static/css/app.css", "/* changed */")
    server.change("templates/accounts/sign_in.html", "block title %}Sign in", "block title %}Changed")
    wait_until(lambda: server.shows("/login/", "<title>Changed"))
    server.change(
        "ciphercanary/urls.py", 'path("livez"', 'path("alive", monitoring.livez),\n    path("livez"'
    )
    wait_until(lambda: server.shows("/alive", "ok"))

    server.stop(signal.SIGTERM, whole_group=True)
    wait_until(lambda: not server.processes())
