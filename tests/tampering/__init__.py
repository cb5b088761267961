"""Alterations of the log, as by an attacker who owns the database. ``campaigns.tampering`` tries them all."""
