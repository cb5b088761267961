"""Dangerous constructs may appear only in the files listed here."""

import ast
import sys

from tests.architecture.sources import (
    APPS,
    calls,
    functions,
    imported_modules,
    is_interface,
    name,
    nodes,
    product_files,
    tree,
)

# ``expose`` returns key bytes: outside the core, only where another library needs them.
MAY_EXPOSE = {
    "keys/services/exporting.py": "the export of a key",
    "accounts/one_time_codes.py": "a TOTP seed becomes the text and the codes of RFC 6238",
    "accounts/signing_keys.py": "an RSA private key becomes the object that signs",
    "crypto_ops/data_keys.py": "the caller gets the private key of a new pair",
    "kernel/rsa_process/__init__.py": "the RSA process checks an imported key",
    "kernel/rsa_program.py": "the parent gets the new private key",
}
# Visibility is enforced by a queryset. Each exception gives the reason why users still see only their own
# keys.
MAY_READ_ALL_KEYS = {
    ("console/services/facts.py", "_key_counts"): "the parts of visible_parts",
    ("keys/services/reading.py", "ids_of_own_keys"): "the parts of visible_parts",
    ("keys/services/clock_changes.py", "expire_keys"): "the schedule records every expiry",
    ("keys/services/clock_changes.py", "record_activations"): "the schedule records every activation",
    ("keys/services/creation.py", "_find_default"): "asks for the caller's own default key",
    ("keys/services/creation.py", "store_key"): "a name is taken whoever has the key",
    ("keys/services/deletion.py", "_find_due"): "the schedule destroys whatever is due",
    ("keys/services/policies.py", "_move_rotations"): "a policy moves the dates of all its keys",
    ("keys/services/reading.py", "measure_keys"): "numbers, for the gauges",
    ("keys/services/succession.py", "succeed_key"): "a name is taken whoever has the key",
    ("keys/services/used_up.py", "mark_used_up"): "the schedule makes every used-up key due",
}
MAY_READ_ALL_VERSIONS = {
    (
        "keys/key_loading.py",
        "_load",
    ): "the ring is shared; each find asks whether its caller may see the entry",
    ("keys/services/deletion.py", "_find_due"): "the schedule destroys whatever is due",
    ("keys/services/public_keys.py", "_rows"): "joined to the keys that the caller may see",
    ("keys/services/policies.py", "_graceless"): "a condition on the keys that the caller may see",
    ("keys/services/used_up.py", "find_used_up"): "the schedule makes every used-up key due",
    ("keys/invocations.py", "_reserve"): "raises a counter of a version that was found already",
}
# These files use Django's own write methods, for tables without a MAC or for columns that no MAC covers.
MAY_WRITE_WITHOUT_MAC = {
    "audit/sequencing/daily_usage.py": "usage_days, which the roll-ups prove: old ones go",
    "audit/services/alarms.py": "a forged row gets another evidence and stays forged",
    "audit/services/resolving.py": "a forged row is replaced by what its entry says",
    "accounts/services/invitations.py": "invitations: used and revoked ones go",
    "accounts/services/login_attempts.py": "login_attempts",
    "accounts/services/own_sessions.py": "browser_sessions, whose data is signed: ended ones go",
    "accounts/services/passkeys.py": "passkeys: removed ones go",
    "accounts/services/recovery_codes.py": "recovery_codes: replaced ones go",
    "accounts/services/service_accounts.py": "client_secrets: expired ones go",
    "accounts/services/service_tokens.py": "service_tokens: expired ones that a client was issued go",
    "accounts/services/sessions.py": "refresh_tokens.used_at, by compare-and-set; where a family was used last; expired ones go",
    "accounts/services/totp.py": "totp_devices.last_step, recovery_codes.used_at, by compare-and-set; a removal",
    "accounts/session_engine.py": "browser_sessions, whose data it signs: a new key for the same row; ended ones go",
    "kernel/databases/releases.py": "applied_releases, which only words a refusal",
    "kernel/freshness/epoch.py": "entity_epochs, by whoever holds the lock of the epoch",
    "kernel/idempotency/requests.py": "completed_requests: expired ones go",
    "audit/sequencing/anchors.py": "audit_receipts, which prove nothing by themselves",
    "audit/log/bundles.py": "audit_bundles: each has a MAC of its own",
    "audit/sequencing/appending.py": "audit_tiles, audit_tree: compared with what was signed",
    "audit/sequencing/checkpointing.py": "audit_checkpoints: signed notes; old ones go",
    "audit/services/recording.py": "audit_trail: entries, which have a MAC, name its rows",
    "audit/services/saved_filters.py": "saved_filters: words to look for, which decide nothing",
    "kernel/jobs/delivery.py": "jobs: a row asks for work, and what the task does is decided when it runs",
    "kernel/jobs/leases.py": "jobs, by compare-and-set",
    "kernel/trust/kek.py": "instance",
    "kernel/trust/kek_records.py": "key_encryption_keys",
    "kernel/trust/rewrapping.py": "system_keys, which their wrapping authenticates",
    "kernel/trust/row_mac.py": "save_with_mac itself",
    "kernel/trust/system_keys.py": "system_keys",
    "kernel/outbox/publishing.py": "notifications, which decide nothing",
    "notifications/services/claims.py": "deliveries, by compare-and-set",
    "notifications/services/cleanup.py": "notifications: old ones go",
    "notifications/services/distribution.py": "deliveries; notifications.distributed_at",
    "notifications/services/testing.py": "deliveries and notifications of tests",
    "notifications/services/webhooks.py": "webhooks: deleted ones go; deliveries of inactive ones",
    "crypto_ops/reencryptions.py": "reencryptions and encryption_operations: the progress, which nothing reads",
    "crypto_ops/files/task.py": "file_jobs: the key of an upload is erased",
    "keys/invocations.py": "key_versions.uses_reserved, which many processes raise without a lock",
    "keys/services/grants.py": "key_grants: removed ones go",
    "keys/services/policies.py": "encryption_policies: unused ones go; encryption_keys.next_rotation_at",
    "keys/services/import_parameters.py": "key_import_parameters: expired ones go",
    "keys/rotation_task.py": "key_rotations, key_rotation_jobs",
    "keys/services/rotation.py": "key_rotations; key_versions.is_primary, which nothing reads",
    "keys/services/rotation_jobs.py": "key_rotations, key_rotation_jobs",
    "keys/services/succession.py": "key_rotations",
    "keys/services/used_up.py": "encryption_keys.next_rotation_at",
}
# ``running_from`` sets the clock of its thread back. Import contracts also protect its module, and the demo itself.
MAY_MOVE_THE_CLOCK = {
    "console/services/demo.py": "load_demo, into an empty instance, after an entry that says so",
    "kernel/demo_clock.py": "defines it",
}
# ``commit_here`` does not wait for the sequencer.
MAY_COMMIT_IN_ITS_OWN_THREAD = {
    "console/services/demo.py": "the writer's thread has the actual time",
    "audit/commit/writer.py": "inside the transaction that a test rolls back",
}
MAY_OPEN_TRANSACTIONS = {
    "accounts/management/commands/update_user.py": "several changes, all of them or none"
}
PRINTERS = {
    "ciphercanary/server/roles.py": "the box on the terminal",
    "ciphercanary/server/serve.py": "the box on the terminal",
}
SAVING = {
    "save",
    "create",
    "bulk_create",
    "update",
    "bulk_update",
    "delete",
    "get_or_create",
    "update_or_create",
}


def attribute(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def places(paths, matches):
    """``(file, function)`` of each expression that matches; the innermost function counts."""
    return {
        (name(path), function.name)
        for path in paths
        for function in functions(tree(path))
        for node in ast.walk(function)
        if matches(node)
    }


def bypasses_visibility(model):
    """Match ``Key.objects.x`` unless x is ``visible_to`` or ``within_reach_of``, and ``unique_name(Key, …)``."""
    return lambda node: (
        (
            isinstance(node, ast.Attribute)
            and node.attr not in {"visible_to", "within_reach_of"}
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "objects"
            and isinstance(node.value.value, ast.Name)
            and node.value.value.id == model
        )
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "unique_name"
            and isinstance(node.args[0], ast.Name)
            and node.args[0].id == model
        )
    )


def test_key_bytes_are_exposed_in_the_core_and_where_a_reason_is_given():
    exposing = {name(path) for path in product_files() for call in calls(path) if attribute(call) == "expose"}
    assert {path for path in exposing if not path.startswith("kernel/crypto/")} == set(MAY_EXPOSE)


def test_only_the_demo_moves_the_clock():
    """No other file names what moves it, not even as the text of a late import."""
    files = {name(path): path.read_text() for path in product_files()}
    assert {path for path, text in files.items() if "running_from" in text} == set(MAY_MOVE_THE_CLOCK)
    assert {path for path, text in files.items() if "commit_here" in text} == set(
        MAY_COMMIT_IN_ITS_OWN_THREAD
    )


def test_keys_are_read_through_visible_to():
    assert places(product_files(), bypasses_visibility("Key")) == set(MAY_READ_ALL_KEYS)


def test_versions_and_rotations_are_read_through_their_key():
    found = places(product_files(), bypasses_visibility("KeyVersion"))
    assert {place[0] for place in found} == {place[0] for place in MAY_READ_ALL_VERSIONS}
    rotations = places(product_files(), bypasses_visibility("KeyRotation"))
    assert {place[0] for place in rotations} == {
        "keys/services/rotation.py",
        "keys/services/rotation_jobs.py",
    }


def test_the_log_is_read_through_visible_to():
    readers = places(product_files(), bypasses_visibility("AuditLog"))
    assert {place[0] for place in readers} == {
        "audit/services/reading.py",
        "audit/services/verifications.py",  # result of the last verification
        "audit/services/alarms.py",  # the entry of an alarm
        "audit/services/resolving.py",  # entries of alarms, to restore their rows
        "audit/services/showing.py",  # the entry of an alarm, to compare it again
        "console/services/demo_instance.py",  # whether this is a demo instance, or an empty one
        "audit/services/decisions.py",  # the time of a change; the rest only if the reader may see the entry
        "audit/verification/integrity.py",  # the entries of visible changed rows, to compare them
        "audit/sequencing/step.py",  # whether a row is in the way
        "audit/sequencing/timestamps.py",  # timestamps and counts only, no entry
        "audit/usage/of_key.py",  # the time of the last restore
        "audit/usage/queries.py",  # numbers of denials, with a time and a name as the roll-ups have them
        "audit/sequencing/checkpoint_keys.py",
        "audit/sequencing/continuity.py",
        "audit/sequencing/checkpointing.py",
    }
    assert {place[0] for place in places(product_files(), bypasses_visibility("AuditTrail"))} == {
        "audit/services/recording.py",
        "audit/services/showing.py",  # the changed rows of an alarm, to compare them again
    }


def test_rows_with_a_mac_are_written_with_their_mac():
    writing = {
        name(path)
        for path in product_files()
        for call in calls(path)
        if attribute(call) in SAVING and is_about_rows(call)
    }
    assert writing == set(MAY_WRITE_WITHOUT_MAC)


def is_about_rows(call):
    """Exclude methods of the same name on dicts, hashes and gauges, and our own services."""
    receiver = ast.unparse(call.func.value)
    return (
        "objects" in receiver or attribute(call) == "save" or ".filter(" in receiver or receiver == "device"
    )


def test_no_interface_writes_rows_or_opens_transactions():
    interfaces = [path for path in product_files() if is_interface(path)]
    assert {name(path).split("/")[0] for path in interfaces} == set(APPS)
    writing = [f"{name(path)}:{call.lineno}" for path in interfaces for call in calls(path) if writes(call)]
    assert writing == []
    opening = {name(path) for path in interfaces if "django.db.transaction" in imported_modules(path)}
    assert opening == set(MAY_OPEN_TRANSACTIONS)


def writes(call):
    return attribute(call) in {*SAVING, "save_with_mac"} and is_about_rows(call)


def test_no_signals_are_connected():
    listening = [
        name(path)
        for path in product_files()
        for module in imported_modules(path)
        if module in {"django.dispatch", "django.dispatch.receiver"} or module.endswith("signals")
    ]
    assert listening == []


def test_no_model_has_logic_in_save():
    models = [path for path in product_files() if "models" in name(path)]
    found = {function.name for path in models for function in functions(tree(path))}
    assert "mac_fields" in found
    assert not found & {"save", "delete", "clean", "full_clean"}


def test_only_commands_and_the_server_print():
    printing = {
        name(path)
        for path in product_files()
        for call in calls(path)
        if isinstance(call.func, ast.Name) and call.func.id == "print"
    }
    assert printing == set(PRINTERS)


def test_no_number_that_is_stored_or_answered_is_a_float():
    floating = [
        f"{name(path)}:{call.lineno}"
        for path in product_files()
        for call in calls(path)
        if attribute(call) == "FloatField"
    ]
    assert floating == []


def test_the_core_imports_the_standard_library_cryptography_and_base64_only():
    core = [path for path in product_files() if name(path).startswith("kernel/crypto/")]
    imported = {module.split(".")[0] for path in core for module in imported_modules(path)}
    assert imported - set(sys.stdlib_module_names) == {"kernel", "cryptography", "pybase64"}


def test_randomness_comes_from_the_operating_system():
    loose = [name(path) for path in product_files() if {"random", "uuid.uuid1"} & set(imported_modules(path))]
    assert loose == [
        "console/demo_schedule.py"
    ]  # the times of the demo, the same for each; no key or password


def test_the_environment_is_read_in_the_settings_only():
    may = {
        "audit/backups/other_database.py": "hands the environment on to a command on another database",
        "ciphercanary/asgi.py": "names the settings",
        "ciphercanary/celery.py": "names the settings",
        "kernel/environment.py": "finds the variables that the settings do not read",
        "kernel/observability/metrics_folder.py": "reads the name of the folder, which prometheus_client reads",
        "kernel/observability/standard_error.py": "reports that the settings cannot be read",
        "kernel/rsa_process/child.py": "hands a few variables on to its program",
        "ciphercanary/manage.py": "names the settings",
        "ciphercanary/server/programs.py": "hands the environment on to the programs",
        "ciphercanary/server/readiness.py": "finds the pipe to the process that supervises it",
        "ciphercanary/server/roles.py": "names the settings, and hands the environment on to its program",
        "ciphercanary/wsgi.py": "names the settings",
    }
    reading = {
        name(path)
        for path in product_files()
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}
    }
    assert reading <= set(may)
