"""The product killed in the middle of its work: what it acknowledged must be there, and nothing half made.

``python -m tests.crash.campaign`` is the long run; ``tests/test_crash.py`` a short one.
"""
