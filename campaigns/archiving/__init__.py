"""Kill the archiving of the audit log at every step while others write: nothing may be lost or doubled."""
