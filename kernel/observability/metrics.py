"""The product's own Prometheus metrics. No label contains a key id, a user or an address."""

import collections
from bisect import bisect_left
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

SCRAPE_SECONDS = 0.5  # that a scrape waits for measurements; the rest of its second is for the export

encryption_operations_total = Counter(
    "encryption_operations_total", "Encryption operations by mode and outcome.", ["algorithm", "status"]
)
encryption_duration_seconds = Histogram(
    "encryption_duration_seconds",
    "Time from the decision to the durable audit record, by mode.",
    ["algorithm"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
key_use_refusals_total = Counter(
    "key_use_refusals_total", "Operations refused because of the state of the key or its version.", ["reason"]
)
active_keys_total = Gauge("active_keys_total", "Keys that can encrypt.", multiprocess_mode="mostrecent")
keys_overdue_for_rotation = Gauge(
    "keys_overdue_for_rotation", "Active keys whose next rotation is past.", multiprocess_mode="mostrecent"
)
key_rotation_overdue_seconds = Gauge(
    "key_rotation_overdue_seconds", "Age of the oldest overdue rotation.", multiprocess_mode="mostrecent"
)
keys_expiring = Gauge(
    "keys_expiring", "Active keys that expire within so many days.", ["days"], multiprocess_mode="mostrecent"
)
fast_path_responses_total = Counter(
    "fast_path_responses_total", "Responses of the fast path, by route of the request.", ["way", "status"]
)
protocol_refusals_total = Counter(
    "protocol_refusals_total", "Requests refused before Django: limits, overload, invalid HTTP.", ["code"]
)
rsa_requests_total = Counter(
    "rsa_requests_total", "Requests to generate or check an RSA key, by result.", ["result"]
)
throttled_total = Counter("throttled_total", "Requests refused by a rate limit.", ["scope"])
audit_alarms_total = Counter("audit_alarms_total", "Audit alarms that were raised.", ["kind"])
audit_alarms_open = Gauge("audit_alarms_open", "Audit alarms that are open.", multiprocess_mode="mostrecent")
audit_anchor_failures_total = Counter(
    "audit_anchor_failures_total", "Checkpoints that an anchor did not accept.", ["anchor"]
)
audit_lag_seconds = Gauge(
    "audit_lag_seconds", "Age of the oldest entry not yet sequenced.", multiprocess_mode="mostrecent"
)
audit_pending_entries = Gauge(
    "audit_pending_entries", "Entries not yet sequenced.", multiprocess_mode="mostrecent"
)
audit_tree_size = Gauge("audit_tree_size", "Sequenced entries.", multiprocess_mode="mostrecent")
audit_checkpoint_size = Gauge(
    "audit_checkpoint_size", "Entries that the latest checkpoint covers.", multiprocess_mode="mostrecent"
)
audit_batch_size = Histogram(
    "audit_batch_size",
    "Records per committed transaction of an audit writer.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
audit_commit_seconds = Histogram(
    "audit_commit_seconds",
    "Duration of one transaction of an audit writer, from taking the epoch lock to the commit.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
jobs = Gauge("jobs", "Jobs by kind and status.", ["kind", "status"], multiprocess_mode="mostrecent")
job_queue_age_seconds = Gauge(
    "job_queue_age_seconds", "How long the oldest job has been due.", ["kind"], multiprocess_mode="mostrecent"
)
job_failures_total = Counter("job_failures_total", "Jobs that failed.", ["kind"])
kek_age_seconds = Gauge(
    "kek_age_seconds", "Age of the primary key-encryption key.", multiprocess_mode="mostrecent"
)
keys_to_rewrap = Gauge(
    "keys_to_rewrap",
    "Stored keys that are wrapped under an older key-encryption key.",
    multiprocess_mode="mostrecent",
)
notification_attempts_total = Counter(
    "notification_attempts_total", "Attempts to deliver notifications.", ["channel", "result"]
)
notifications_pending = Gauge(
    "notifications_pending", "Deliveries of notifications that wait.", multiprocess_mode="mostrecent"
)
notification_oldest_pending_seconds = Gauge(
    "notification_oldest_pending_seconds",
    "How long the oldest delivery, or the oldest notification without deliveries, has waited.",
    multiprocess_mode="mostrecent",
)
notification_deliveries_failed = Gauge(
    "notification_deliveries_failed",
    "Deliveries of notifications that were given up within a day.",
    multiprocess_mode="mostrecent",
)
log_target_lag_entries = Gauge(
    "log_target_lag_entries",
    "Entries of the log that a log target does not have yet.",
    ["target"],
    multiprocess_mode="mostrecent",
)
log_target_lag_seconds = Gauge(
    "log_target_lag_seconds",
    "Age of the oldest entry that a log target does not have yet.",
    ["target"],
    multiprocess_mode="mostrecent",
)
log_target_failures_total = Counter(
    "log_target_failures_total", "Failed deliveries to a log target.", ["target"]
)
backup_last_success_timestamp_seconds = Gauge(
    "backup_last_success_timestamp_seconds",
    "Time of the last backup; 0 before the first.",
    multiprocess_mode="mostrecent",
)
audit_last_pass_timestamp_seconds = Gauge(
    "audit_last_pass_timestamp_seconds",
    "Time of the last full pass of the continuous verification without findings; 0 before the first.",
    multiprocess_mode="mostrecent",
)
loop_last_turn_timestamp_seconds = Gauge(
    "loop_last_turn_timestamp_seconds",
    "When a loop of the sequencer or a worker last turned.",
    ["loop"],
    multiprocess_mode="mostrecent",
)
health_check = Gauge(
    "health_check",
    "Whether a health check succeeds (1) or not (0).",
    ["check"],
    multiprocess_mode="mostrecent",
)
clock_skew_seconds = Gauge(
    "clock_skew_seconds",
    "Seconds by which the clock of this node is ahead of the database's.",
    multiprocess_mode="mostrecent",
)
trace_spans_dropped_total = Counter(
    "trace_spans_dropped_total", "Spans of traces that were not delivered to the collector.", ["reason"]
)
token_refusals_total = Counter("token_refusals_total", "Access tokens refused.", ["reason"])
# Gauges whose values come from the database.
DATABASE_GAUGES = (
    active_keys_total,
    keys_overdue_for_rotation,
    key_rotation_overdue_seconds,
    audit_lag_seconds,
    audit_pending_entries,
    audit_tree_size,
    audit_checkpoint_size,
    audit_alarms_open,
    audit_last_pass_timestamp_seconds,
    kek_age_seconds,
    keys_to_rewrap,
    notifications_pending,
    notification_oldest_pending_seconds,
    notification_deliveries_failed,
    backup_last_success_timestamp_seconds,
)


def observe_many(histogram: Histogram, values: Sequence[float]) -> None:
    """``histogram.observe`` for each of the values. prometheus_client has no method for this."""
    histogram._sum.inc(sum(values))  # noqa: SLF001 - see above
    bounds = histogram._upper_bounds  # noqa: SLF001 - see above
    places = collections.Counter([bisect_left(bounds, value) for value in values])
    for place, count in places.items():
        histogram._buckets[place].inc(count)  # noqa: SLF001 - see above


def observe_commits(commits: Sequence[tuple[int, float]]) -> None:
    """Count the commits of an event-loop writer. Each commit: its number of entries, and its seconds."""
    entries, seconds = zip(*commits, strict=True)
    observe_many(audit_batch_size, entries)
    observe_many(audit_commit_seconds, seconds)
