"""Reads the published vector files of the package ``cryptography-vectors``."""

import re

import cryptography_vectors

_FIELD = re.compile(r"\[?(\w+) *= *(.*?)\]?$")


def read_vectors(path, *, first="count"):
    """The records of a file, as dicts of lower-case field name to text; a bare ``FAIL`` line becomes a field.

    A record begins with the field ``first``.

    A ``[Name = value]`` line of a NIST file is part of every record below it.
    """
    records, section = [], {}
    with cryptography_vectors.open_vector_file(path, "r") as lines:
        for raw in lines:
            line = raw.strip()
            field = _FIELD.match(line)
            if line.startswith("["):
                section[field[1].lower()] = field[2]
            elif line.lower().startswith(first):
                records.append(dict(section))
            elif line == "FAIL":
                records[-1]["fail"] = ""
            elif field and records:
                records[-1][field[1].lower()] = field[2]
    return records


def octets(text):
    """Bytes of a field: hexadecimal, or characters in quotes."""
    return text[1:-1].encode() if text.startswith('"') else bytes.fromhex(text)


def read_lines(path, *, keeps_empty=False):
    """The lines that are no comments. ``keeps_empty``: also the empty ones."""
    with cryptography_vectors.open_vector_file(path, "r") as lines:
        return [
            text for line in lines if not line.startswith("#") and ((text := line.strip()) or keeps_empty)
        ]
