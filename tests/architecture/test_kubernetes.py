"""Rules for the manifests in deploy/kubernetes."""

import re

import pytest
import yaml
from django.conf import settings

import kernel
from ciphercanary.server.fast_path_worker import GRACE
from crypto_ops.streaming.endpoint import MAX_STREAMS
from kernel.http import outgoing
from tests.architecture.sources import ROOT
from tests.architecture.test_settings import example

FOLDER = ROOT / "deploy" / "kubernetes"
SETTINGS = dict(
    line.split("=", 1)
    for line in (FOLDER / "base" / "settings.env").read_text().splitlines()
    if not line.startswith("#")
)
SECRETS = {"SECRET_KEY", "CC_KEK", "CC_ADMIN_PASSWORD", "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"}
MOUNTED = "/run/secrets/ciphercanary/"
OTHER_VARIABLES = {"POD_IP", "POD_NAME", "PUBLIC_HOST"}
ROLES = {"prepare", "web", "sequencer", "worker", "beat", "manage"}
FILES = [
    *FOLDER.glob("base/*.yaml"),
    *FOLDER.glob("components/*/*.yaml"),
    *FOLDER.glob("overlays/*/[pr]*.yaml"),
]
OBJECTS = [
    found
    for path in sorted(FILES)
    if path.name not in {"kustomization.yaml", "networks.yaml"}
    for found in yaml.safe_load_all(path.read_text())
]
UNITS = {"Mi": 1024**2, "Gi": 1024**3}


def pod_template(found):
    spec = found.get("spec", {})
    return (spec.get("jobTemplate", {}).get("spec") or spec).get("template")


PODS = {found["metadata"]["name"]: pod for found in OBJECTS if (pod := pod_template(found))}
OURS = {name: pod for name, pod in PODS.items() if name.startswith("ciphercanary-")}
PROGRAMS = [found["metadata"]["name"] for found in OBJECTS if found["kind"] in {"Deployment", "StatefulSet"}]


def of_kind(kind):
    return [found for found in OBJECTS if found["kind"] == kind]


def containers(pod):
    assert not {"initContainers", "ephemeralContainers"} & pod["spec"].keys()
    return pod["spec"]["containers"]


def environment(container):
    return {variable["name"]: variable for variable in container["env"]}


def size(text):
    return int(text[:-2]) * UNITS[text[-2:]]


def volume(pod, name):
    return next(each for each in pod["spec"]["volumes"] if each["name"] == name)


def test_the_manifests_have_the_pods_of_an_installation():
    workloads = ("web", "worker", "beat", "sequencer", "prepare")
    assert {f"ciphercanary-{name}" for name in workloads} <= OURS.keys()
    assert {"postgresql", "redis"} <= PODS.keys()


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_a_pod_has_no_rights_that_it_does_not_need(pod):
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert size(container["resources"]["limits"]["memory"]) <= 1024**3


@pytest.mark.parametrize("pod", OURS.values(), ids=OURS)
def test_our_containers_are_the_user_of_the_image_with_512_mib(pod):
    context = pod["spec"]["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (10001, 10001, 10001)
    [container] = containers(pod)
    assert size(container["resources"]["limits"]["memory"]) <= 512 * 1024**2
    assert container["args"][0] in ROLES


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_secrets_are_files_and_never_variables(pod):
    for container in containers(pod):
        assert "secretKeyRef" not in str(container)
        assert "secretRef" not in str(container)
        assert not SECRETS & environment({"env": [], **container}).keys()
    assert not SECRETS & SETTINGS.keys()


@pytest.mark.parametrize("pod", OURS.values(), ids=OURS)
def test_a_secret_is_mounted_where_its_variable_points(pod):
    sources = volume(pod, "secrets")["projected"]["sources"]
    mounted = {MOUNTED + item["path"] for source in sources for item in source["secret"]["items"]}
    [container] = containers(pod)
    named = {each["value"] for name, each in environment(container).items() if name.endswith("_FILE")}
    assert named == mounted - {f"{MOUNTED}ca.crt"}
    assert volume(pod, "secrets")["projected"]["defaultMode"] == 0o440


@pytest.mark.parametrize("pod", OURS.values(), ids=OURS)
def test_every_variable_is_a_setting(pod):
    [container] = containers(pod)
    names = {name.removesuffix("_FILE") for name in environment(container)} | SETTINGS.keys()
    assert names - OTHER_VARIABLES <= example().keys()


@pytest.mark.parametrize("pod", OURS.values(), ids=OURS)
def test_every_mount_has_its_volume(pod):
    [container] = containers(pod)
    claims = {
        claim["metadata"]["name"]
        for found in of_kind("StatefulSet")
        if found["spec"]["template"] is pod
        for claim in found["spec"]["volumeClaimTemplates"]
    }
    volumes = {each["name"] for each in pod["spec"]["volumes"]} | claims
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    assert all("sizeLimit" in each["emptyDir"] for each in pod["spec"]["volumes"] if "emptyDir" in each)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name in OURS])
def test_a_program_has_probes(name):
    [container] = containers(OURS[name])
    assert {"startupProbe", "livenessProbe"} <= container.keys()
    # Only the readiness of web pods depends on the database. A slow database must not restart a pod.
    assert container.get("readinessProbe", {}).get("httpGet", {}).get("path") == (
        "/readyz" if name == "ciphercanary-web" else None
    )
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"


def test_a_web_pod_has_time_to_sleep_and_to_drain():
    spec = OURS["ciphercanary-web"]["spec"]
    [container] = containers(OURS["ciphercanary-web"])
    sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert sleep >= 10
    assert spec["terminationGracePeriodSeconds"] >= sleep + GRACE + 10


def test_the_streams_of_a_web_pod_fit_into_its_spool():
    spool = volume(OURS["ciphercanary-web"], "spool")["emptyDir"]["sizeLimit"]
    assert MAX_STREAMS * int(SETTINGS["CC_MAX_STREAM_BYTES"]) < size(spool)


def test_the_first_policy_denies_everything():
    policies = {found["metadata"]["name"]: found["spec"] for found in of_kind("NetworkPolicy")}
    deny = policies["ciphercanary-default-deny"]
    assert sorted(deny) == ["podSelector", "policyTypes"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    selected = deny["podSelector"]["matchLabels"].items()
    assert all(selected <= pod["metadata"]["labels"].items() for pod in OURS.values())
    assert all(rule.get("to") for policy in policies.values() for rule in policy.get("egress", []))
    ingress = [rule for policy in policies.values() for rule in policy.get("ingress", [])]
    assert ingress
    # Another pod in the namespace of an ingress controller must not choose X-Forwarded-For.
    assert all("podSelector" in peer for rule in ingress for peer in rule["from"])


def test_neither_the_codes_of_links_nor_requests_of_officers_are_logged():
    [setup] = [found for found in of_kind("Ingress") if found["metadata"]["name"] == "ciphercanary-setup"]
    [rule] = setup["spec"]["rules"]
    paths = [path["path"] for path in rule["http"]["paths"]]
    assert paths == ["/setup/", "/invitation/", "/password-reset/", "/canaries", "/api/v1/canaries"]
    assert setup["metadata"]["annotations"]["nginx.ingress.kubernetes.io/enable-access-log"] == "false"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("jobs/*.yaml")), ids=lambda path: path.stem)
def test_a_job_changes_only_what_the_job_of_a_backup_has(path):
    """``kubectl patch`` adds an unknown container or volume instead of changing one."""
    changed, pod = yaml.safe_load(path.read_text())["spec"]["template"]["spec"], OURS["ciphercanary-backups"]
    [container], [own] = changed["containers"], containers(pod)
    assert container["name"] == own["name"]
    mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
    volumes = {each["name"]: each for each in changed.get("volumes", [])}
    assert volumes.keys() - mounted <= {each["name"] for each in pod["spec"]["volumes"]}
    claims = {
        each["persistentVolumeClaim"]["claimName"]
        for each in volumes.values()
        if "persistentVolumeClaim" in each
    }
    assert claims <= {"home-ciphercanary-sequencer-0"}
    assert "args" in container  # those of the backup


def test_apply_creates_each_object_in_one_of_its_steps():
    script = (FOLDER / "apply").read_text()
    last = re.search(r"component in \((.*)\)'", script)[1].split(", ")
    labels = [found["metadata"].get("labels", {}) for found in OBJECTS]
    components = {
        each["app.kubernetes.io/component"] for each in labels if "app.kubernetes.io/component" in each
    }
    assert components == {"prepare", *last}
    assert 'component=prepare"' in script
    assert '"!app.kubernetes.io/component"' in script


def test_the_overlays_alone_name_a_version_and_it_is_that_of_the_package():
    tags = [
        image["newTag"]
        for path in FOLDER.glob("overlays/*/kustomization.yaml")
        for image in yaml.safe_load(path.read_text())["images"]
    ]
    assert set(tags) == {kernel.__version__}
    assert {container["image"] for pod in OURS.values() for container in containers(pod)} == {"ciphercanary"}


def test_prometheus_scrapes_a_port_of_every_program():
    """The definitions of the operator's kinds are not part of Kubernetes, so kubernetes-validate skips them."""
    [service] = of_kind("ServiceMonitor")
    [pod] = of_kind("PodMonitor")
    assert [each["port"] for each in service["spec"]["endpoints"]] == ["http"]
    assert [each["port"] for each in pod["spec"]["podMetricsEndpoints"]] == ["metrics"]
    [component] = pod["spec"]["selector"]["matchExpressions"]
    for name in PROGRAMS:
        if name in OURS:
            [container] = containers(OURS[name])
            role = container["args"][0]
            expected = "http" if role == "web" else "metrics"
            assert [port["name"] for port in container["ports"]] == [expected]
            assert role == "web" or role in component["values"]


def test_the_rules_of_the_operator_are_those_of_prometheus():
    files = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    assert [rule["spec"]["groups"] for rule in of_kind("PrometheusRule")] == [groups]


def test_the_proxies_wait_longer_than_the_longest_response():
    waits = settings.CC_LOCK_WAIT_SECONDS + outgoing.TOTAL_SECONDS + float(example()["CC_DB_POOL_TIMEOUT"])
    found = re.search(
        r"^    proxy_read_timeout (\d+)s;", (ROOT / "deploy/nginx/nginx.conf").read_text(), re.MULTILINE
    )
    assert found
    assert waits * 1.5 <= int(found[1])
    name = "nginx.ingress.kubernetes.io/proxy-read-timeout"
    seconds = {each["metadata"]["name"]: each["metadata"]["annotations"][name] for each in of_kind("Ingress")}
    others = (found[1], found[1])
    assert seconds == dict(
        zip(("ciphercanary", "ciphercanary-setup", "ciphercanary-streams"), (*others, "600"), strict=True)
    )
