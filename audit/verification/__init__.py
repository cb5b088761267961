"""Verification of the stored log, as a library. ``bin/manage verify_audit_log`` is the command."""

from audit.verification.findings import Finding, FindingKind, Report
from audit.verification.fsck import verify_log
from audit.verification.heads import OutsideCheckpoint
from audit.verification.recording import verify_and_record

__all__ = ["Finding", "FindingKind", "OutsideCheckpoint", "Report", "verify_and_record", "verify_log"]
