"""An attacker who owns the database alters the log in every way we can think of; the verifier must detect
each.

``python -m campaigns.tampering.campaign`` is the long run; ``tests/tampering/test_tampering.py`` a short one.
"""
