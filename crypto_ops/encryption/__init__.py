"""Encrypting and decrypting messages, alone and in batches."""
