"""The transparency log (C2SP tlog-tiles, tlog-checkpoint). Pure: bytes in, bytes out."""
