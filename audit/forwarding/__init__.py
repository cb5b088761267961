"""Forwarding: the entries of the log go to log targets (a SIEM, a file, a syslog server), in order, at least once."""
