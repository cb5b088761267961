"""Deciding and settling: common to every operation with keys."""
