from uuid import UUID

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from canaries.documents import HOST, Exemption, Kind, Level
from canaries.sealed.store import read_set
from canaries.services.planting import TABLES, plant_canary, remove_canary, suggest_names
from kernel.errors import Conflict, NotFound

ID = "2f1e8f6e-0f5e-4c53-9d07-6d3f6cf0a1b2"


@pytest.mark.usefixtures("sealed")
def test_the_command_plants_what_exists_and_says_where_to_put_it(key, token, capsys):
    expected = f"{token['id'].upper()},crypto.message.encrypted,10,192.0.2.7"
    call_command(
        "plant_canary",
        "ciphertext",
        "payroll",
        "--note=the wiki",
        f"--expect={expected}",
        "--level=quarantine",
    )
    [canary] = read_set().canaries
    assert (canary.kind, canary.object_id, canary.name, canary.note) == (
        Kind.CIPHERTEXT,
        key["id"],
        "payroll",
        "the wiki",
    )
    assert (canary.level, canary.planted_by) == (Level.QUARANTINE, HOST)
    [exemption] = canary.exemptions
    assert exemption == Exemption(
        token_id=token["id"], operation="crypto.message.encrypted", client_ip="192.0.2.7", per_hour=10
    )
    text = capsys.readouterr().out
    assert text.startswith(f"payroll is a canary, ID {canary.id}. Encrypt a text")
    assert text.endswith("The expected use is no touch.\n")


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "--expect={token},crypto.message.encrypted,1"
            + 8 * "|--expect={token},crypto.message.encrypted,1",
            "8 exemptions at most",
        ),
        ("--expect=deploy,crypto.message.encrypted,1", "token_id: .* ID, not its name"),
        (f"--expect={ID},crypto.message.encrypted,1", "token_id: No service token has this ID"),
        ("--expect={hex},crypto.message.encrypted,1", "token_id: No service token has this ID"),
        ("--expect={token},crypto.encrypt,1", "operation: There is no such action"),
        ("--expect={token},crypto.message.encrypted,0", "a number"),
        ("--expect={token},crypto.message.encrypted,1,here", "one address"),
        ("--note= ", "printable characters"),
    ],
)
def test_options_that_cover_nothing_are_refused(option, message, key, token):
    arguments = [
        "key",
        "payroll",
        "--note=the wiki",
        *option.format(token=token["id"], hex=UUID(token["id"]).hex).split("|"),
    ]
    with pytest.raises(CommandError, match=message):
        call_command("plant_canary", *arguments)
    assert read_set().canaries == []


@pytest.mark.usefixtures("sealed")
def test_a_canary_needs_a_note(key):
    with pytest.raises(CommandError, match="required: --note"):
        call_command("plant_canary", "key", "payroll")


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize(("kind", "name"), [("key", "orders"), ("service_token", "payroll"), ("user", ID)])
def test_an_object_that_does_not_exist_is_refused(kind, name, key):
    with pytest.raises(CommandError, match="Create it first"):
        call_command("plant_canary", kind, name, "--note=the wiki")
    assert read_set().canaries == []


def test_an_object_is_a_canary_once_and_can_be_an_ordinary_one_again(planted, key):
    with pytest.raises(Conflict):
        plant_canary(by=HOST, kind=Kind.CIPHERTEXT, object_id=key["id"], note="")
    remove_canary(by=HOST, canary_id=planted.id)
    assert read_set().canaries == []
    with pytest.raises(NotFound):
        remove_canary(by=HOST, canary_id=planted.id)


@pytest.mark.parametrize("kind", TABLES)
def test_names_of_each_kind_can_be_suggested(kind, developer, key):
    developer.api.post("/api/v1/keys", {"name": "invoices", "algorithm": "aes-256"})
    assert isinstance(suggest_names(kind), list)
