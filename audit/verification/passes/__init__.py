"""The continuous verification: passes over the whole log, in small steps."""
