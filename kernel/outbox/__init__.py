"""The outbox: notifications that an app writes in the transaction of the event, and that another app delivers later.

``publish`` makes no network request. Topics are registered as data, so any app can add its own.
"""

from kernel.outbox.publishing import Announcement, publish, publish_all
from kernel.outbox.topics import Severity, Topic, register, selectable_topics, topic_of, words_of

__all__ = [
    "Announcement",
    "Severity",
    "Topic",
    "publish",
    "publish_all",
    "register",
    "selectable_topics",
    "topic_of",
    "words_of",
]
