"""Encrypting and decrypting data of any size, piece by piece."""
