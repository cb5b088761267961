"""Date and time formats of pages. Auditors compare timestamps, so they have seconds and show that they are UTC."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = r"Y-m-d H:i:s\Z"
