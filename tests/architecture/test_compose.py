"""The containers of compose.yaml have only the rights, the secrets and the neighbours that they need."""

import re

import pytest
import yaml

from tests.architecture.sources import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = {"secrets", "prepare", "web", "sequencer", "worker", "beat"}
CONSUMERS = {
    "kek": OURS,
    "application-secrets": OURS,
    "postgres-secrets": {"secrets", "postgres"},
    "redis-secrets": {"secrets", "redis"},
    "tls": {"secrets", "nginx"},
    "grafana-secrets": {"secrets", "grafana"},
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
    assert not service.keys() & {"cap_add", "privileged", "pid", "ipc"}
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["pids_limit"] <= 256
    assert service["mem_limit"] == ("512m" if name in OURS else service["mem_limit"])
    assert service["logging"]["options"]["max-size"]


def test_each_secret_has_its_consumers_and_only_one_container_can_change_it():
    found = {name: set() for name in CONSUMERS}
    for name, service in SERVICES.items():
        for volume, target in volumes_of(service).items():
            if volume in CONSUMERS:
                found[volume].add(name)
                assert target.endswith(":ro") == (name != "secrets"), (name, volume)
    assert found == CONSUMERS


def test_no_secret_is_in_the_environment():
    for service in SERVICES.values():
        for name in service.get("environment", {}):
            assert (
                not re.search("PASSWORD|SECRET|KEK|_URL$", name)
                or name.endswith("FILE")
                or name == "CC_PUBLIC_URL"
            )


def test_only_nginx_is_published_and_it_does_not_reach_the_database():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"nginx", "grafana"}
    assert published["grafana"][0].startswith("127.0.0.1:")
    internal = {name for name, network in COMPOSE["networks"].items() if network and network.get("internal")}
    assert {name for name in SERVICES if networks_of(name) - internal} == set(published)
    assert networks_of("postgres") == {"database"}
    assert not networks_of("nginx") & {"database", "broker", "metrics"}


def test_the_roles_start_after_the_preparation_and_nginx_after_the_web_server():
    for role in OURS - {"secrets", "prepare"}:
        assert SERVICES[role]["depends_on"]["prepare"] == {"condition": "service_completed_successfully"}
        assert SERVICES[role]["command"] == [role]
    assert SERVICES["nginx"]["depends_on"] == {"web": {"condition": "service_healthy"}}


def test_every_file_that_is_mounted_exists():
    files = {
        source for service in SERVICES.values() for source in volumes_of(service) if source.startswith("./")
    }
    assert files
    assert {file for file in files if not (ROOT / file).exists()} <= set()
