"""Fills a database as after years of use: users with sessions, keys with versions, and millions of log entries.

The server generates the rows from their numbers, so the same parameters give the same rows. The rows have
realistic widths and distributions, but no valid MACs: queries can scan and list them, but not use or verify them.
The feed of the sequencer is off during the filling. It would otherwise receive entries that no application wrote
and that have no leaf.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import psycopg

USERS = 1_000
KEYS = 100_000
CHUNK = 500_000  # entries in one transaction
DAYS = 365  # the period of the entries
WRITER_ROWS = 10_000  # entries per writer; eight writers write at a time

type Log = Callable[[str], None]

IDS = """
CREATE FUNCTION pg_temp.id_of(what text, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    AS $$ SELECT md5(what || '-' || number)::uuid $$;
CREATE FUNCTION pg_temp.mac_of(number bigint) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT '1.' || left(md5(number::text), 16) || '.' || left(md5('a' || number) || md5('b' || number), 43) $$
"""

USERS_AND_SESSIONS = """
INSERT INTO users (row_seq, row_mac, password, id, username, email, role, is_active, requires_second_factor,
    subject_version, created_at)
SELECT 1, pg_temp.mac_of(n), 'argon2$argon2id$v=19$m=65536,t=3,p=4$' || md5('salt' || n) || '$' || md5('hash' || n),
    pg_temp.id_of('user', n), 'user-' || n, 'user-' || n || '@example.com',
    (ARRAY['developer', 'developer', 'developer', 'operator', 'auditor'])[1 + n % 5], true, false, 1, now()
FROM generate_series(1, {users}) n;
INSERT INTO token_families (row_seq, row_mac, id, user_id, subject_version, auth_methods, auth_time, expires_at,
    client_ip, user_agent)
SELECT 1, pg_temp.mac_of(n), pg_temp.id_of('family', n), pg_temp.id_of('user', 1 + n % {users}), 1, 'password+totp',
    now() - interval '1 hour', now() + interval '7 days', '192.0.2.7', 'python-requests/2'
FROM generate_series(1, 10 * {users}) n;
INSERT INTO refresh_tokens (row_seq, row_mac, token_hash, family_id, created_at, used_at)
SELECT 1, pg_temp.mac_of(n), encode(sha256(n::text::bytea), 'hex'), pg_temp.id_of('family', 1 + n % (10 * {users})),
    now() - interval '1 hour', now()
FROM generate_series(1, 100 * {users}) n
"""

# The first key of each user is their default key. Every fourth key was rotated up to three times.
KEYS_AND_VERSIONS = """
INSERT INTO encryption_keys (row_seq, row_mac, id, name, description, tags, algorithm, purpose, modes, state,
    activates_at, expires_at, primary_version, rotation_period_days, next_rotation_at, is_default, searched_text,
    created_at, created_by_id)
SELECT 1, pg_temp.mac_of(n), pg_temp.id_of('key', n), name, description, jsonb_build_array(team, place),
    CASE WHEN n <= {users} THEN 'aes-256' ELSE (ARRAY['aes-256', 'aes-128', 'chacha20', 'aes-256-siv'])[1 + n % 4] END,
    'encrypt', '["aes-256-gcm", "aes-256-cbc", "aes-256-gcm-siv"]',
    CASE n % 50 WHEN 1 THEN 'suspended' WHEN 2 THEN 'deactivated' WHEN 3 THEN 'compromised' WHEN 4 THEN 'pre_activation'
        ELSE 'active' END,
    CASE n % 50 WHEN 4 THEN now() + interval '90 days' END,
    CASE WHEN n % 3 = 0 AND n % 50 <> 4 THEN now() + (n % 1000 - 100) * interval '1 day' END,
    CASE WHEN n % 4 = 0 THEN 2 + n / 4 % 3 ELSE 1 END,
    CASE WHEN n % 4 = 0 THEN 90 END, CASE WHEN n % 4 = 0 THEN now() + (n % 90 + 1) * interval '1 day' END,
    n <= {users}, name || chr(10) || description || chr(10) || team || chr(10) || place,
    now() - interval '2 years' + n * interval '1 minute', pg_temp.id_of('user', 1 + n % {users})
FROM generate_series(1, {keys}) n,
    LATERAL (SELECT 'team-' || n % 200 AS team, (ARRAY['production', 'staging', 'test'])[1 + n % 3] AS place) AS tags,
    LATERAL (SELECT 'service-' || n || '-' || (ARRAY['orders', 'invoices', 'sessions', 'backups'])[1 + n % 4] AS name,
        'Fields of records of ' || team || ', ' || place || ', number ' || n AS description) AS texts;
INSERT INTO key_versions (row_seq, row_mac, id, key_id, version, state, is_primary, kek_id, wrapped, uses_reserved,
    created_at)
SELECT 1, pg_temp.mac_of(v), gen_random_uuid(), id, v, 'enabled', v = primary_version, left(md5('kek'), 16),
    sha256(id::text::bytea) || sha256(name::bytea), 1000000, created_at
FROM encryption_keys, generate_series(1, primary_version) v WHERE NOT EXISTS
    (SELECT FROM key_versions WHERE key_id = encryption_keys.id);
INSERT INTO key_rotations (id, old_key_id, new_key_id, old_version, new_version, rotation_reason, rotated_by,
    rotated_at, status)
SELECT gen_random_uuid(), key_id, key_id, version - 1, version, 'period', created_by_id,
    key.created_at + version * interval '90 days', 'completed'
FROM key_versions JOIN encryption_keys key ON key.id = key_id WHERE version > 1;
INSERT INTO entity_epochs (entity, epoch)
SELECT 'key:' || id, 1 FROM encryption_keys WHERE primary_version > 1 ON CONFLICT DO NOTHING;
INSERT INTO audit_trail (event_id, table_name, record_id, action, new_values, changed_by, changed_at)
SELECT gen_random_uuid(), 'encryption_keys', id::text, 'insert', jsonb_build_object('name', name, 'algorithm', algorithm,
    'state', state, 'primary_version', 1), created_by_id, created_at
FROM encryption_keys
"""

# The kinds of entries: their share per thousand, and their values.
KINDS = """
CREATE TEMPORARY TABLE kinds AS SELECT *, sum(share) OVER (ORDER BY number) AS below FROM (VALUES
    (1, 540, 'crypto.message.encrypted', 'key', 'user', 'api', 'ok', '', '{"mode":"gcm"}'),
    (2, 400, 'crypto.message.decrypted', 'key', 'user', 'api', 'ok', '', '{"mode":"gcm"}'),
    (3, 20, 'accounts.session.refreshed', 'session', 'user', 'api', 'ok', '', '{}'),
    (4, 15, 'accounts.session.opened', 'session', 'user', 'api', 'ok', '', '{}'),
    (5, 10, 'crypto.message.decrypted', 'key', 'user', 'api', 'denied', 'not_found', '{}'),
    (6, 5, 'accounts.session.opened', 'session', 'anonymous', 'api', 'denied', 'authentication_failed', '{}'),
    (7, 4, 'audit.writer.heartbeat', '', 'system', 'scheduler', 'ok', '', '{"writers":{}}'),
    (8, 3, 'keys.key.rotated', 'key', 'user', 'api', 'ok', '', '{"new":2,"old":1,"reason":"period"}'),
    (9, 2, 'crypto.message.encrypted', 'key', 'user', 'api', 'error', 'validation_failed', '{}'),
    (10, 1, 'keys.key.disabled', 'key', 'user', 'admin', 'ok', '', '{"reason":"left the company"}')
) AS kind (number, share, action, object_type, actor_type, source, outcome, code, meta)
"""

# A few keys and users cause most entries, as in practice: the cube of a uniform distribution. Times rise with the IDs.
ENTRIES = """
INSERT INTO audit_logs (id, event_id, timestamp, user_id, actor_type, actor_name, auth_method, token_id, client_ip,
    user_agent, source, action, object_type, object_id, object_version, outcome, code, request_id, count, size, meta,
    writer, wseq, mac)
SELECT (SELECT size + id_shift FROM audit_tree) + 1 + n, gen_random_uuid(), {end}::timestamptz - ({entries} - n) * (interval '{days} days' / {entries}),
    CASE actor_type WHEN 'user' THEN pg_temp.id_of('user', own) END, actor_type,
    CASE actor_type WHEN 'user' THEN 'user-' || own WHEN 'system' THEN 'audit writer' ELSE '' END,
    CASE actor_type WHEN 'user' THEN 'password+totp' ELSE '' END,
    CASE actor_type WHEN 'user' THEN md5('token' || own || n / 10000) ELSE '' END,
    CASE actor_type WHEN 'system' THEN '' ELSE '192.0.2.' || own % 250 END,
    CASE actor_type WHEN 'system' THEN '' ELSE 'python-requests/2.32.5' END, source, action, object_type,
    CASE object_type WHEN 'key' THEN pg_temp.id_of('key', used)::text WHEN 'session' THEN gen_random_uuid()::text
        ELSE '' END,
    CASE WHEN action LIKE 'crypto.%' THEN 1 END, outcome, code, gen_random_uuid()::text, 1,
    CASE WHEN action LIKE 'crypto.%' THEN 64 END, meta,
    pg_temp.id_of('writer', n / (8 * {writer_rows}) * 8 + n % 8), n / 8 % {writer_rows} + 1, pg_temp.mac_of(n)
FROM (SELECT n, 1 + floor({keys} * random() ^ 3)::bigint AS used, random() * 1000 AS chance
        FROM generate_series({first}, {last}) n) AS numbers
    JOIN kinds ON chance >= below - share AND chance < below,
    LATERAL (SELECT 1 + used % {users} AS own) AS owner
ORDER BY n
"""

# Aggregates entries per hour, as ``audit.sequencing.rollups`` does.
ROLLUPS = """
INSERT INTO usage_rollups (key_id, version, principal, operation, outcome, hour, count, size, last_at)
SELECT object_id, coalesce(object_version, 0), coalesce(user_id::text, ''), action, outcome,
    date_trunc('hour', timestamp, 'UTC'), sum(count), sum(coalesce(size, 0)), max(timestamp)
FROM audit_logs WHERE object_type = 'key' AND action LIKE 'crypto.%' GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 6
ON CONFLICT DO NOTHING
"""

# Sums them up by day, as ``audit.sequencing.daily_usage`` does.
SUMS_OF_DAYS = """
INSERT INTO usage_days (day, kind, subject, allowed, denied, failed)
SELECT date_trunc('day', hour, 'UTC'), kind, CASE kind WHEN 'key' THEN key_id WHEN 'principal' THEN principal ELSE '' END,
    coalesce(sum(count) FILTER (WHERE outcome = 'ok'), 0), coalesce(sum(count) FILTER (WHERE outcome = 'denied'), 0),
    coalesce(sum(count) FILTER (WHERE outcome = 'error'), 0)
FROM usage_rollups, unnest(ARRAY['all', 'key', 'principal']) kind
WHERE hour >= date_trunc('day', now(), 'UTC') - interval '40 days' GROUP BY 1, 2, 3
ON CONFLICT (kind, subject, day) DO UPDATE
    SET allowed = EXCLUDED.allowed, denied = EXCLUDED.denied, failed = EXCLUDED.failed
"""


def key_id(number: int) -> UUID:
    """The ID of a key. Keys with lower numbers are used more."""
    return _id_of("key", number)


def user_id(number: int) -> UUID:
    """The ID of the user ``user-<number>``, who uses key ``number - 1`` and every thousandth key after it."""
    return _id_of("user", number)


def fill(database: str, entries: int, log: Log, keys: int = KEYS) -> int:
    """Add keys and entries to the database at this URL, and return the id before that of the first entry.

    No other process may write to it at the same time.
    """
    began = time.monotonic()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET work_mem = '256MB'")
        connection.execute(IDS)
        connection.execute(KINDS)
        (before,) = connection.execute("SELECT size + id_shift FROM audit_tree").fetchone() or (0,)
        connection.execute("SELECT setseed(0.5)")
        connection.execute(USERS_AND_SESSIONS.format(users=USERS))
        connection.execute(KEYS_AND_VERSIONS.format(users=USERS, keys=keys))
        for first, last in chunks(entries):
            connection.execute(_entries_of(entries, keys, first, last))
            log(f"{last + 1:>12,} entries after {time.monotonic() - began:,.0f} s")
        # The sequencer continues with larger ids. What was in the tree before has lost its place.
        connection.execute("UPDATE audit_tree SET id_shift = (SELECT max(id) FROM audit_logs) - size")
        connection.execute(ROLLUPS)
        connection.execute(SUMS_OF_DAYS)
        # As after an autovacuum. Write everything now, so that no filling work remains during the load.
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
    log(f"filled in {time.monotonic() - began:,.0f} s")
    return int(before)


def chunks(entries: int) -> Iterator[tuple[int, int]]:
    """The first and last number of each transaction, starting at 0, so that each writer's own numbers start at 1."""
    for first in range(0, entries, CHUNK):
        yield first, min(first + CHUNK, entries) - 1


def _entries_of(entries: int, keys: int, first: int, last: int) -> str:
    return ENTRIES.format(
        end="date_trunc('hour', now())",
        entries=entries,
        days=DAYS,
        first=first,
        last=last,
        keys=keys,
        users=USERS,
        writer_rows=WRITER_ROWS,
    )


def _id_of(what: str, number: int) -> UUID:
    return UUID(hashlib.md5(f"{what}-{number}".encode(), usedforsecurity=False).hexdigest())
