"""The outbox: notifications that an app writes in the transaction of the event, and that another app delivers later.

``publish`` makes no network request. Topics are registered as data, so any app can add its own.
"""
