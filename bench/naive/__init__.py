"""The usual Django implementation, as a good developer writes it in an afternoon. For comparison only.

It uses views and serializers of Django REST framework, simplejwt, rows through the ORM, and gunicorn with
threads.
"""
