"""Backups of OpenBao are read in full, and refused in words if we could not do the same with the key."""

import base64
import copy
import json
from contextlib import suppress
from datetime import timedelta

import pytest

from kernel.crypto.errors import Invalid
from kernel.crypto.transit.backup import read_backup
from tests.kernel.crypto.transit.recorded import VECTORS

BACKUPS = {recorded["name"]: recorded["backup"] for recorded in VECTORS["backups"]}
ODD = (None, True, -1, 3, 10, 11, 12, 10**30, 1.5, "", "x", "AAAA", [], {}, [1])


def octets(size):
    return base64.b64encode(bytes(size)).decode()


def text_of(document):
    return base64.b64encode(json.dumps(document).encode()).decode()


def altered(name, **members):
    """The backup with other members of its policy."""
    document = copy.deepcopy(BACKUPS[name])
    document["policy"].update(members)
    return document


def with_entry(name, number, **members):
    """The backup with other members of one version, in its policy and in its archive."""
    document = copy.deepcopy(BACKUPS[name])
    policy, archive = document["policy"], document["archived_keys"]["keys"]
    policy["keys"][str(number)].update(members)
    archive[number - policy["archive_min_version"]].update(members)
    return document


def refusal_of(document):
    with pytest.raises(Invalid) as refused:
        read_backup(text_of(document))
    return refused.value.fields["backup"][0]


def places(value, *path):
    """The path of each member and item."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield (*path, name)
        yield from places(each, *path, name)


def test_a_trimmed_key_has_its_kept_versions_and_minimum_versions():
    found = read_backup(text_of(BACKUPS["Trimmed_key"]))
    assert (found.name, found.kind.algorithm) == ("Trimmed_key", "vault-aes256-gcm96")
    assert [version.number for version in found.versions] == [2, 3, 4]
    assert (found.min_decryption_version, found.min_encryption_version) == (3, 3)
    archived = BACKUPS["Trimmed_key"]["archived_keys"]["keys"]
    assert [base64.b64encode(version.secrets.key).decode() for version in found.versions] == [
        entry["key"] for entry in archived
    ]
    assert all(version.created_at for version in found.versions)
    assert not found.deletion_allowed


def test_settings_are_those_of_the_policy():
    found = read_backup(text_of(altered("derived", auto_rotate_period=172_800 * 10**9)))
    assert found.kind.algorithm == "vault-xchacha20-poly1305-derived"
    assert found.deletion_allowed
    assert found.rotation_period == timedelta(days=2)


@pytest.mark.parametrize(("number", "name"), [(10, "hmac"), (11, "hmac")])
def test_a_key_that_is_its_own_hmac_key_is_an_hmac_key_under_either_number(number, name):
    assert read_backup(text_of(altered("mac", type=number))).kind.name == name


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (altered("derived", kdf=0), "kdf 0"),
        (altered("convergent", convergent_version=2), "version 1 or 2"),
        (altered("convergent", convergent_version=0), "version 1 or 2"),
        (altered("Trimmed_key", version_template="v{{version}}"), "version_template"),
        (altered("Trimmed_key", soft_deleted=True), "deleted"),
        (altered("Trimmed_key", type=10), "managed"),
        (altered("Trimmed_key", type=12), "type 12"),
        (altered("Trimmed_key", type=8), "aes128-gcm96"),
        (altered("curve", type=7), "ecdsa-p521"),
        (altered("imported", type=4), "rsa-4096"),
        (altered("curve", derived=True, kdf=1), "not derived"),
        (altered("Trimmed_key", latest_version=5), "version 5"),
        (altered("Trimmed_key", min_available_version=1), "version 1"),
        (altered("Trimmed_key", latest_version=10**9), "10000"),
        (altered("Trimmed_key", min_encryption_version=2), "minimum"),
        (altered("Trimmed_key", archive_min_version=1), "different versions"),
        (altered("Trimmed_key", min_encryption_version=5), "minimum"),
        (altered("Trimmed_key", min_decryption_version=5, min_encryption_version=0), "minimum"),
        (altered("Trimmed_key", min_decryption_version=1, min_encryption_version=0), "minimum"),
        (altered("Trimmed_key", latest_version=1), "from 1 to"),
        (altered("Trimmed_key", latest_version=10_001), "from 1 to"),
        (altered("derived", auto_rotate_period=10**30), "auto_rotate_period"),
        (with_entry("Trimmed_key", 3, external_key_ref="kms"), "another system"),
        (with_entry("Trimmed_key", 3, hmac_key=octets(48)), "hmac_key"),
        (with_entry("mac", 1, key=octets(31), hmac_key=octets(31)), "hmac_key"),
        (with_entry("mac", 1, key=octets(513), hmac_key=octets(513)), "hmac_key"),
        (with_entry("Trimmed_key", 3, key="?" + octets(32)), "malformed"),
        (with_entry("signer", 1, key=octets(64)), "no private key"),
        (with_entry("Trimmed_key", 3, creation_time=10**30), "creation_time"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_keys_that_we_cannot_serve_as_openbao_does_are_refused(document, words):
    assert words in refusal_of(document)


@pytest.mark.parametrize(
    ("name", "member"), [("mac", "key"), ("signer", "hmac_key"), ("curve", "ec_d"), ("imported", "rsa_key")]
)
def test_the_archive_has_the_secrets_of_the_policy(name, member):
    document = copy.deepcopy(BACKUPS[name])
    document["archived_keys"]["keys"][1][member] = None
    assert "different versions 1" in refusal_of(document)


def test_versions_have_numbers_up_to_10000():
    entry = BACKUPS["signer"]["policy"]["keys"]["1"]
    last = altered("signer", min_available_version=10_000, latest_version=10_000, keys={"10000": entry})
    last["policy"] |= {"min_decryption_version": 10_000, "min_encryption_version": 10_000}
    assert read_backup(text_of(last)).newest == 10_000


@pytest.mark.parametrize("size", [32, 512])
def test_an_hmac_key_has_the_size_that_openbao_allows(size):
    found = read_backup(text_of(with_entry("mac", 1, key=octets(size), hmac_key=octets(size))))
    assert len(found.versions[0].secrets.mac_key) == size


@pytest.mark.parametrize(("number", "name"), [(0, "aes256-gcm96"), (11, "xchacha20-poly1305")])
def test_one_version_with_equal_secrets_makes_no_hmac_key(number, name):
    secret = BACKUPS["Trimmed_key"]["policy"]["keys"]["4"]["key"]
    document = with_entry("Trimmed_key", 4, hmac_key=secret)
    document["policy"]["type"] = number
    assert read_backup(text_of(document)).kind.name == name
    equal = with_entry("signer", 1, key=octets(32), hmac_key=octets(32))
    equal["policy"]["type"] = 5
    assert read_backup(text_of(equal)).kind.name == "chacha20-poly1305"


SETTINGS = {
    "name": "",
    "min_decryption_version": 1,
    "min_encryption_version": 0,
    "deletion_allowed": False,
    "rotation_period": timedelta(0),
    "exportable": False,
    "allow_plaintext_backup": False,
    "newest": 2,
}


@pytest.mark.parametrize("is_null", [False, True])
def test_missing_members_and_null_are_the_defaults_of_openbao(is_null):
    document = copy.deepcopy(BACKUPS["curve"])
    policy = document["policy"]
    for name in policy.keys() - {"type", "latest_version", "keys"}:
        policy |= {name: None}
        if not is_null:
            del policy[name]
    found = read_backup(text_of(document))
    assert {name: getattr(found, name) for name in SETTINGS} == SETTINGS
    assert (found.kind.is_derived, found.kind.is_convergent) == (False, False)
    del policy["keys"]["1"]["creation_time"]
    assert read_backup(text_of(document)).versions[0].created_at is None


def test_a_text_has_digits_and_spaces_only():
    text = text_of(BACKUPS["signer"])
    assert read_backup(f"{text[:76]}\n{text[76:]} ").name == "signer"
    with pytest.raises(Invalid, match="backup"):
        read_backup(f"{text[:76]}!{text[76:]}")


def test_a_pair_with_numbers_of_another_is_refused():
    curve = altered("curve")
    for entry in (curve["policy"]["keys"]["1"], curve["archived_keys"]["keys"][1]):
        entry["ec_x"] += 1
    pair = altered("imported")
    for entry in (pair["policy"]["keys"]["1"], pair["archived_keys"]["keys"][1]):
        entry["rsa_key"]["D"] += 2
    for document in (curve, pair):
        assert "no private key" in refusal_of(document)


@pytest.mark.parametrize("text", ["", "é", "[]", "e30=", "eyJwb2xpY3kiOltdfQ==", "A" * 9, "\ud800"])
def test_a_text_that_is_no_backup_is_refused(text):
    with pytest.raises(Invalid, match="backup"):
        read_backup(text)


def test_a_nested_document_is_refused():
    with pytest.raises(Invalid, match="backup"):
        read_backup(base64.b64encode(b"[" * 100_000).decode())


@pytest.mark.parametrize("name", ["Trimmed_key", "convergent", "curve", "mac"])
def test_malformed_members_raise_nothing_else(name):
    for *path, last in places(BACKUPS[name]):
        for value in ODD:
            document = copy.deepcopy(BACKUPS[name])
            at = document
            for member in path:
                at = at[member]
            at[last] = value
            with suppress(Invalid):
                read_backup(text_of(document))
