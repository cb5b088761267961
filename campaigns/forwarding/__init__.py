"""Deliver the log to a receiver that fails, from workers that are killed: nothing may be lost, and all of it verified."""
