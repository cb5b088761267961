"""An attacker who owns the database alters the log in many ways, and the verifier must detect each.

``python -m campaigns.tampering.campaign`` is the long run; ``tests/tampering/test_tampering.py`` a short one.
"""
