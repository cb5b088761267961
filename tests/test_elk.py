"""The files of deploy/elk agree with the fields that our logs have, and with each other."""

import json
import os
import re
import shutil
import subprocess
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
import yaml

from kernel.observability import logs
from tests.product import ROOT

ELK = ROOT / "deploy" / "elk"
NGINX = ROOT / "deploy" / "nginx" / "nginx.conf"
ADDED_BY_FILEBEAT = {"host.name"}
# Elastic Common Schema 9; the fields under ``nginx`` are not part of it.
ECS_TYPES = {
    "@timestamp": "date",
    "client.ip": "ip",
    "ecs.version": "keyword",
    "error.stack_trace": "wildcard",
    "error.type": "keyword",
    "event.dataset": "keyword",
    "host.name": "keyword",
    "http.request.id": "keyword",
    "http.request.method": "keyword",
    "http.response.body.bytes": "long",
    "http.response.status_code": "long",
    "http.version": "keyword",
    "log.level": "keyword",
    "log.logger": "keyword",
    "message": "match_only_text",
    "service.name": "keyword",
    "service.version": "keyword",
    "span.id": "keyword",
    "tls.version": "keyword",
    "trace.id": "keyword",
    "url.path": "wildcard",
}


def flat(properties, prefix=""):
    """``{"log.level": "keyword"}`` of a mapping."""
    found = {}
    for name, field in properties.items():
        found |= flat(field["properties"], f"{prefix}{name}.") if "properties" in field else {}
        found |= {f"{prefix}{name}": field["type"]} if "type" in field else {}
    return found


def template():
    return json.loads((ELK / "index-template.json").read_text())["template"]


def mapped():
    return flat(template()["mappings"]["properties"])


def fields_of_nginx():
    """The names in the JSON of nginx's log format ``ecs``."""
    log_format = re.search(r"log_format ecs .*?;\n", NGINX.read_text(), re.DOTALL)[0]
    return set(re.findall(r'"([\w.@]+)":', log_format))


def saved_objects():
    return [json.loads(line) for line in (ELK / "dashboard.ndjson").read_text().splitlines()]


@pytest.mark.skipif(not NGINX.exists(), reason="there is no nginx configuration")
def test_the_template_maps_exactly_the_fields_that_occur():
    assert set(mapped()) == logs.ALLOWED_FIELDS | fields_of_nginx() | ADDED_BY_FILEBEAT
    assert template()["mappings"]["dynamic"] is False


def test_every_field_of_our_logs_is_mapped():
    assert set(mapped()) >= logs.ALLOWED_FIELDS


def test_the_fields_have_the_types_of_the_elastic_common_schema():
    assert {name: kind for name, kind in mapped().items() if not name.startswith("nginx.")} == ECS_TYPES


def test_the_policy_of_the_template_is_the_one_that_the_set_up_installs():
    policy = template()["settings"]["index.lifecycle.name"]
    assert f"_ilm/policy/{policy} " in (ELK / "set-up").read_text()
    assert set(json.loads((ELK / "ilm-policy.json").read_text())["policy"]["phases"]) == {"hot", "delete"}


def test_filebeat_keeps_only_our_lines_and_writes_where_the_template_applies():
    config = yaml.safe_load((ELK / "filebeat.yml").read_text())
    [kept, _] = config["processors"]
    ours = {"equals": {"service.name": "${SERVICE_NAME:ciphercanary}"}}
    assert kept == {"drop_event.when.not.or": [ours, {"has_fields": ["nginx.request_seconds"]}]}
    assert config["output.elasticsearch"]["index"].startswith("logs-ciphercanary-")
    [containers] = config["filebeat.inputs"]
    assert [list(parser) for parser in containers["parsers"]] == [["container"], ["ndjson"]]
    assert containers["parsers"][1]["ndjson"]["overwrite_keys"] is False  # a line could name another index


def texts(value):
    """Every text in an object, also inside its JSON texts."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        value = json.loads(value)
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def test_the_references_of_the_dashboard_lead_to_its_own_objects():
    known = {(each["type"], each["id"]) for each in saved_objects()}
    used = {(each["type"], each["id"]) for saved in saved_objects() for each in saved["references"]}
    assert used == {each for each in known if each[0] != "dashboard"}
    [dashboard] = [each for each in saved_objects() if each["type"] == "dashboard"]
    names = {each["name"] for each in dashboard["references"]}
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    assert {f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels} <= names


def fields_used(saved):
    attributes = saved["attributes"]
    yield from attributes.get("columns", [])
    yield from (name for name, _ in attributes.get("sort", []))
    for text in texts(attributes):
        yield from re.findall(r"([\w.@]+) (?::|>=)", text)
    for aggregation in json.loads(attributes.get("visState", "{}")).get("aggs", []):
        yield from filter(None, [aggregation["params"].get("field")])
    controls = json.loads(attributes.get("controlGroupInput", {}).get("panelsJSON", "{}"))
    yield from (control["explicitInput"]["fieldName"] for control in controls.values())


def test_the_dashboard_names_only_mapped_fields():
    used = {name for saved in saved_objects() for name in fields_used(saved)}
    assert used - set(mapped()) == set()
    assert {"log.level", "nginx.request_seconds", "http.response.status_code", "http.request.id"} <= used


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root may change the owner of a file"
)
def test_passwords_are_created_once_and_for_their_readers_only(tmp_path):
    def create():
        # As the container: it may change owners, and nothing else of what root may do.
        subprocess.run(
            ["setpriv", "--bounding-set=-all,+chown", ELK / "create-secrets", tmp_path], check=True
        )
        return {path.parent.name: path.read_text() for path in tmp_path.glob("*/password")}

    first = create()
    assert create() == first
    assert {name: len(text) for name, text in first.items()} == {"elastic": 32, "kibana": 32, "filebeat": 32}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*/*")} == {0o400, 0o440}


class StandIn(BaseHTTPRequestHandler):
    """Accepts what the set-up sends to Elasticsearch and Kibana."""

    calls: ClassVar[dict[str, tuple[str, bytes]]] = {}

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.calls[f"{self.command} {self.path}"] = (self.headers["Authorization"], body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT  # noqa: N815 - the name that the base class calls

    def log_message(self, *_):
        pass


@pytest.mark.skipif(not shutil.which("curl"), reason="the set-up uses curl")
def test_the_set_up_installs_every_file_and_creates_the_accounts(tmp_path):
    for name in ("elastic", "kibana", "filebeat"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "password").write_text(f"password-of-{name}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    environment = {"PATH": os.environ["PATH"], "ELASTICSEARCH_URL": url, "KIBANA_URL": url}
    for step in ("accounts", "objects"):
        subprocess.run([ELK / "set-up", step, tmp_path], env=environment, check=True)
    server.shutdown()
    server.server_close()
    as_elastic = "Basic " + b64encode(b"elastic:password-of-elastic").decode()
    assert {authorization for authorization, _ in StandIn.calls.values()} == {as_elastic}
    sent = {call: body for call, (_, body) in StandIn.calls.items()}
    assert json.loads(sent["PUT /_security/user/kibana_system/_password"]) == {
        "password": "password-of-kibana"
    }
    assert json.loads(sent["PUT /_security/user/ciphercanary-filebeat"])["password"] == "password-of-filebeat"
    assert json.loads(sent["PUT /_security/role/ciphercanary-filebeat"])["cluster"] == ["monitor"]
    assert json.loads(sent["PUT /_index_template/ciphercanary-logs"])["template"] == template()
    assert "policy" in json.loads(sent["PUT /_ilm/policy/ciphercanary-logs"])
    imported = sent["POST /api/saved_objects/_import?overwrite=true"]
    assert (ELK / "dashboard.ndjson").read_bytes() in imported
    assert len(sent) == 6
