"""Background jobs: a row with a lease holds the state (``job``), and the lease holder runs it (``running``).

An app defines a table of ``Job``, registers a task for it in ``AppConfig.ready``, and calls ``submit`` and
``cancel``. The transport of job ids does not matter: the embedded worker polls (``worker``), and Celery is notified
(``notifier``).
"""
