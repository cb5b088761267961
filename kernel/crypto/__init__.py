"""The pure cryptographic core: the standard library and ``cryptography``, no Django, no database, no clock.

It holds an allow-list (``algorithms``) and the few operations on it. Nothing outside this package imports
``cryptography`` to encrypt, and nothing inside it invents a construction.
"""
