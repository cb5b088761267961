"""How far log targets are behind the tree, and which of them need a decision."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from audit.forwarding.positions import lags_of
from audit.models import LogTarget
from audit.models.log_targets import TargetLag
from kernel.observability import metrics
from kernel.runtime import ProcessState

_LATE: Final = timedelta(minutes=5)
_ALTERED: Final = "The row of the log target {} was altered, and it delivers nothing. Run verify_audit_log."
_known = ProcessState(set[str])  # the names of targets with metrics


def late_targets(at: datetime) -> list[tuple[LogTarget, str]]:
    """The targets that need a decision, each with the reason: those whose rows were altered, and enabled ones."""
    targets = list(LogTarget.objects.all())
    altered = [target for target in targets if not target.is_authentic]
    found = [(target, _ALTERED.format(target.name)) for target in altered]
    intact = [target for target in targets if target.is_enabled and target not in altered]
    found += [(target, _problem(target, lag, at)) for target, lag in _with_lags(intact)]
    return [(target, problem) for target, problem in found if problem]


def set_gauges() -> None:
    """Update the metrics of the lags. A target that was deleted or disabled has none."""
    enabled, known = list(LogTarget.objects.filter(is_enabled=True)), _known.current
    lags = {target.name: lag for target, lag in _with_lags(enabled)}
    for name in known - lags.keys():
        _set(name, None)
    for name, lag in lags.items():
        _set(name, lag)
    known.clear()
    known.update(lags)


def invalidate_gauges() -> None:
    """The lags were not measured."""
    for name in _known.current:
        _set(name, None)


def _with_lags(targets: Sequence[LogTarget]) -> list[tuple[LogTarget, TargetLag]]:
    """Without any target, the tree is not read."""
    lags = lags_of(targets) if targets else {}
    return [(target, lags[target.id]) for target in targets]


def _set(name: str, lag: TargetLag | None) -> None:
    metrics.log_target_lag_entries.labels(name).set(math.nan if lag is None else lag.entries)
    metrics.log_target_lag_seconds.labels(name).set(math.nan if lag is None else lag.seconds)


def _problem(target: LogTarget, lag: TargetLag, at: datetime) -> str:
    """Why the target needs a decision, as a sentence; empty if it does not."""
    if target.stopped_reason:
        return f"The log target {target.name} has stopped. {target.stopped_reason}"
    if target.failing_since is not None and at - target.failing_since >= _LATE:
        return f"Deliveries to the log target {target.name} fail. {target.last_error}"
    if lag.seconds >= _LATE.total_seconds():
        return f"The log target {target.name} is {lag.entries} entries behind the log."
    return ""
