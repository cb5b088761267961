"""How pages write dates and times: what an auditor compares has seconds, and says that it is UTC."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = r"Y-m-d H:i:s\Z"
