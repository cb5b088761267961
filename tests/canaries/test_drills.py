"""A drill goes the whole way, and a touch by another client does not pass for it."""

import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from audit.sequencing.catching_up import catch_up
from canaries.delivery.delivering import deliver
from canaries.documents import HOST, ChannelKind, Kind, Level, Status
from canaries.sealed import journal
from canaries.sealed.store import changing, read_incidents
from canaries.services import drilling
from canaries.services.channels import add_channel, send_test
from canaries.services.planting import plant_canary
from kernel.clock import database_now
from kernel.errors import Conflict, NotFound
from kernel.jobs.worker import run_periodic
from tests.audit.forwarding.conftest import in_thread
from tests.clocks import travel
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def keys(developer):
    """The ids of 12 keys."""
    names = [f"key-{number}" for number in range(12)]
    made = [developer.api.post("/api/v1/keys", {"name": name, "algorithm": "aes-256"}) for name in names]
    return [each.json["id"] for each in made]


@pytest.fixture
def running():
    """The sequencer and the worker."""
    stopping = threading.Event()

    def run():
        while not stopping.wait(0.1):
            catch_up()
            run_periodic("watch_log")
            run_periodic("deliver_notices")

    thread = threading.Thread(target=in_thread, args=[run])
    thread.start()
    yield
    stopping.set()
    thread.join()


def drill(**options):
    output = StringIO()
    call_command("drill_canaries", stdout=output, **options)
    return output.getvalue()


def test_a_drill_reports_each_stage_and_closes_its_incident(sealed, keys, receiver, mail_server, running):
    canary = plant_canary(by=HOST, kind="key", object_id=keys[0], note="the wiki", level=Level.OBSERVE)
    add_channel(by=HOST, kind=ChannelKind.WEBHOOK, target=f"https://localhost:{receiver.port}/a")
    add_channel(by=HOST, kind=ChannelKind.EMAIL, target="officer@example.org")
    lines = drill().splitlines()
    assert [line.split(" s  ")[1].split(" ")[:2] for line in lines[:3]] == [
        ["the", "request"],
        ["the", "sequencer"],
        ["the", "watcher"],
    ]
    assert len(lines) == 5
    [incident] = read_incidents().incidents
    assert (incident.status, incident.reason, incident.canary_ids) == (Status.CLOSED, "Drill", [canary.id])
    assert canary.id in read_incidents().drilled_at
    assert canary.id not in read_incidents().touched_at
    subjects = [message["Subject"] for _, message in mail_server.messages]
    assert "[CipherCanary] Drill. Canary touched: key key-0" in subjects
    rows = (
        log_rows().filter(actor_type="anonymous").values_list("action", "object_id", "source", "actor_name")
    )
    assert len(rows) >= 10
    assert len({(action, source, name) for action, _, source, name in rows}) == 1
    assert str(canary.object_id) in {object_id for _, object_id, _, _ in rows}


def test_a_drill_that_is_not_found_in_time_fails(planted):
    with pytest.raises(
        CommandError, match=r"Not within 0\.2 seconds: the sequencer added .*; the watcher found"
    ):
        drill(seconds=0.2)
    catch_up()
    run_periodic("watch_log")
    [incident] = read_incidents().incidents
    assert (incident.is_drill, incident.status, incident.reason) == (
        True,
        Status.CLOSED,
        "Drill: not in time",
    )
    assert read_incidents().drilled_at == {}
    assert drilling.begin_drill().canary == planted


@pytest.mark.parametrize("is_found", [True, False])
def test_requests_found_after_the_end_of_a_drill_belong_to_it(planted, key, keys, watch, stranger, is_found):
    other = plant_canary(by=HOST, kind="key", object_id=keys[3], note="")

    def request(begun, object_id):
        [mine] = [each for each, named in begun.requests.items() if named == object_id]
        stranger.api.get(f"/api/v1/keys/{object_id}", X_Request_ID=mine)
        log_rows()

    with changing(HOST) as change:
        change.incidents.crowds[planted.id] = [key["id"], keys[3]]
    first = drilling.begin_drill(key["name"])
    request(first, keys[3])
    if is_found:
        watch()
    drilling.end_drill(first, is_in_time=False)
    second = drilling.begin_drill(key["name"])
    request(first, key["id"])
    watch()
    [incident] = read_incidents().incidents
    assert (incident.canary_ids, incident.touches) == ([other.id, planted.id], 2)
    assert (incident.status, incident.reason) == (Status.CLOSED, "Drill: not in time")
    drilling.end_drill(second, is_in_time=True)
    assert [each.id for each in read_incidents().drills] == [second.id]


def test_a_drill_that_is_interrupted_ends(planted, monkeypatch):
    def interrupt(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        drill()
    assert [each.is_over for each in read_incidents().drills] == [True]


def test_a_canary_is_drilled_by_its_id_or_the_name_or_id_of_its_key(planted, key, developer):
    plant_canary(by=HOST, kind=Kind.USER, object_id=developer.user.id, note="")
    for reference in (str(planted.id), key["id"], "Payroll", "name:payroll"):
        begun = drilling.begin_drill(reference)
        assert begun.canary == planted
        drilling.end_drill(begun, is_in_time=False)
    with pytest.raises(NotFound):
        drilling.begin_drill("invoices")
    with pytest.raises(Conflict, match="only keys and ciphertexts"):
        drilling.begin_drill(developer.user.username)


def test_a_drill_needs_a_key(sealed, developer):
    plant_canary(by=HOST, kind=Kind.USER, object_id=developer.user.id, note="")
    with pytest.raises(Conflict, match="key or a ciphertext"):
        drilling.begin_drill()


def test_a_drill_without_an_end_is_replaced_after_ten_minutes(planted):
    first = drilling.begin_drill()
    with pytest.raises(Conflict, match="Another drill runs"):
        drilling.begin_drill()
    with travel(database_now() + timedelta(minutes=10, seconds=1)):
        second = drilling.begin_drill()
        drilling.end_drill(first, is_in_time=True)
        assert [each.id for each in read_incidents().drills if not each.is_over] == [second.id]
        drilling.end_drill(second, is_in_time=True)
    words = [record.word for each in journal.read() for record in each.page.records]
    assert [word for word in words if word.startswith("drill")] == ["drill.begun", "drill.ended"] * 2


def test_a_stage_is_reached_when_it_is(planted, key, receiver, mail_server, stranger, watch):
    webhook = add_channel(
        by=HOST, kind=ChannelKind.WEBHOOK, target=f"https://localhost:{receiver.port}/"
    ).channel
    email = add_channel(by=HOST, kind=ChannelKind.EMAIL, target="officer@example.org").channel
    log_rows()
    begun, reached = drilling.begin_drill(), []

    def note():
        stages = drilling.stages_of(begun)
        reached.append((stages.is_sequenced, stages.is_found, stages.delivered))

    note()
    [mine] = [each for each, object_id in begun.requests.items() if object_id == key["id"]]
    stranger.api.get(f"/api/v1/keys/{key['id']}", X_Request_ID=mine)
    log_rows()
    note()
    watch()
    note()
    for channel in (email, webhook):
        deliver(channel.id)
        send_test(by=HOST, channel_id=email.id)  # another notice does not matter
        note()
    assert reached == [
        (False, False, set()),
        (True, False, set()),
        (True, True, set()),
        (True, True, {email.id}),
        (True, True, {email.id, webhook.id}),
    ]


def test_a_request_with_the_id_of_a_drill_counts_once_and_for_its_key_only(
    planted, key, keys, watch, stranger
):
    other = plant_canary(by=HOST, kind="key", object_id=keys[3], note="")
    begun = drilling.begin_drill(str(planted.id))
    [mine] = [each for each, object_id in begun.requests.items() if object_id == key["id"]]
    for method, object_id in (("GET", keys[3]), ("GET", key["id"]), ("DELETE", key["id"])):
        stranger.api.send(method, f"/api/v1/keys/{object_id}", None, X_Request_ID=mine)
        watch()
    [by_stranger, drilled] = read_incidents().incidents
    assert (by_stranger.canary_ids, by_stranger.is_drill) == ([other.id, planted.id], False)
    assert (drilled.canary_ids, drilled.is_drill, drilled.touches) == ([planted.id], True, 1)


def test_drills_take_turns_and_those_of_a_canary_name_the_same_ten_keys(planted, key, keys):
    other = plant_canary(by=HOST, kind=Kind.CIPHERTEXT, object_id=keys[3], note="")
    drilled, crowds = [], []
    for _ in range(4):
        begun = drilling.begin_drill()
        with changing() as change:
            change.incidents.drilled_at[begun.canary.id] = change.at
        drilling.end_drill(begun, is_in_time=True)
        drilled.append(begun.canary.id)
        crowds.append(sorted(begun.requests.values()))
    assert drilled == [planted.id, other.id] * 2
    assert crowds[:2] == crowds[2:]
    assert (len(set(crowds[0])), key["id"] in crowds[0]) == (10, True)
