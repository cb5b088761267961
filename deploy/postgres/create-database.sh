#!/usr/bin/env bash
# Creates the role and the database of CipherCanary when PostgreSQL starts with an empty data folder.
set -euo pipefail

# psql reads the password itself, because other processes can read its arguments.
psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 <<'SQL'
\set password `cat "$CIPHERCANARY_PASSWORD_FILE"`
CREATE ROLE ciphercanary LOGIN PASSWORD :'password';
CREATE DATABASE ciphercanary OWNER ciphercanary;
REVOKE ALL ON DATABASE ciphercanary FROM PUBLIC;
SQL
