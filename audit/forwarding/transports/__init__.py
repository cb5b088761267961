"""The transports to receivers: HTTPS, RELP, syslog, files."""
