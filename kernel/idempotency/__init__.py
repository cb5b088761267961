"""Idempotency keys: a retry of a completed request gets the stored response instead of a second change."""
