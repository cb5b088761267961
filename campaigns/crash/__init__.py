"""Kill the product during its work: everything acknowledged must be stored, and nothing half done.

``python -m campaigns.crash.campaign`` is the long run; ``tests/test_crash.py`` a short one.
"""
