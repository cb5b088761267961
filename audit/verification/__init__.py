"""Verification of the stored log, as a library. ``bin/manage verify_audit_log`` is the command."""
