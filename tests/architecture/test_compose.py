"""The containers of compose.yaml and its profile have only the rights, secrets and neighbours that they need."""

import re

import pytest
import yaml

from tests.architecture.sources import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
ELK = yaml.safe_load((ROOT / "deploy" / "elk" / "compose.yaml").read_text())
SERVICES = COMPOSE["services"] | ELK["services"]
NETWORKS = COMPOSE["networks"] | ELK["networks"]
OURS = {"secrets", "prepare", "web", "sequencer", "worker", "beat"}
ROLES = OURS - {"secrets", "prepare"}
# Elasticsearch and Kibana write to their own installation at the start.
WRITABLE_ROOT = {"elasticsearch", "kibana"}
MANY_THREADS = {"elasticsearch"}
ADDED_RIGHTS = {"elk-secrets": ["CHOWN"]}
MEMORY = {
    **dict.fromkeys(OURS, "512m"),
    "postgres": "1g",
    "redis": "256m",
    "nginx": "256m",
    "prometheus": "512m",
    "grafana": "512m",
    "elasticsearch": "2g",
    "kibana": "1g",
    "filebeat": "256m",
    **dict.fromkeys(("elk-secrets", "elk-accounts", "elk-objects"), "128m"),
}
CREATORS = {"secrets", "elk-secrets"}
CONSUMERS = {
    "kek": OURS,
    "application-secrets": OURS,
    "postgres-secrets": {"secrets", "postgres"},
    "redis-secrets": {"secrets", "redis"},
    "tls": {"secrets", "nginx"},
    "grafana-secrets": {"secrets", "grafana"},
    "elk-elastic": {"elk-secrets", "elasticsearch", "elk-accounts", "elk-objects"},
    "elk-kibana": {"elk-secrets", "kibana", "elk-accounts"},
    "elk-filebeat": {"elk-secrets", "filebeat", "elk-accounts"},
}


def volumes_of(service):
    """``{volume or path: the rest}``."""
    return dict(volume.split(":", 1) for volume in service.get("volumes", []))


def networks_of(name):
    return set(SERVICES[name].get("networks", []))


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_right_that_it_does_not_need_and_a_limit_of_everything(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add") == ADDED_RIGHTS.get(name)
    assert not service.keys() & {"privileged", "pid", "ipc"}
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only", False) == (name not in WRITABLE_ROOT)
    assert service["pids_limit"] <= (1024 if name in MANY_THREADS else 256)
    assert service["mem_limit"] == MEMORY[name]
    assert service["logging"]["options"]["max-size"]


def test_each_secret_has_its_consumers_and_only_one_container_can_change_it():
    found = {name: set() for name in CONSUMERS}
    for name, service in SERVICES.items():
        for volume, target in volumes_of(service).items():
            if volume in CONSUMERS:
                found[volume].add(name)
                assert target.endswith(":ro") == (name not in CREATORS), (name, volume)
    assert found == CONSUMERS


def test_no_secret_is_in_the_environment():
    for service in SERVICES.values():
        for name in service.get("environment", {}):
            assert (
                not re.search("PASSWORD|SECRET|KEK|_URL$", name)
                or name.endswith("FILE")
                or name in {"CC_PUBLIC_URL", "CC_ADMIN_PASSWORD"}
            )


def test_only_the_preparation_gets_the_password_of_the_first_administrator():
    passwords = {name: SERVICES[name]["environment"]["CC_ADMIN_PASSWORD"] for name in ROLES | {"prepare"}}
    assert passwords == {"prepare": "${CC_ADMIN_PASSWORD:-}", **dict.fromkeys(ROLES, "")}


def test_only_nginx_is_published_and_it_does_not_reach_the_database():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"nginx", "grafana", "kibana"}
    assert all(published[name][0].startswith("127.0.0.1:") for name in ("grafana", "kibana"))
    internal = {name for name, network in NETWORKS.items() if network and network.get("internal")}
    assert {name for name in SERVICES if networks_of(name) - internal} == set(published)
    assert networks_of("postgres") == {"database"}
    assert not networks_of("nginx") & {"database", "broker", "metrics"}


def test_the_roles_start_after_the_preparation_and_nginx_after_the_web_server():
    for role in ROLES:
        assert SERVICES[role]["depends_on"]["prepare"] == {"condition": "service_completed_successfully"}
        assert SERVICES[role]["command"] == [role]
    assert SERVICES["nginx"]["depends_on"] == {"web": {"condition": "service_healthy"}}


@pytest.mark.parametrize(("compose", "folder"), [(COMPOSE, ROOT), (ELK, ROOT / "deploy" / "elk")])
def test_every_file_that_is_mounted_exists(compose, folder):
    services = compose["services"].values()
    files = {source for service in services for source in volumes_of(service) if source.startswith("./")}
    assert files
    assert not [file for file in files if not (folder / file).exists()]
