"""Signatures, MACs, JWTs and certificate signing requests."""
