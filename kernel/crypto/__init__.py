"""The pure cryptographic core: the standard library and ``cryptography``; no Django, no database, no clock.

It contains an allow list (``algorithms``) and the few operations on it. Code outside this package does not import
``cryptography`` to encrypt, and this package invents no construction.
"""
