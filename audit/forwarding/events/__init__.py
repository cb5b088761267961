"""Entries as events of receivers: canonical JSON, ECS, OCSF, CEF."""
