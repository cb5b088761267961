"""The usual way to do it with Django: what a good developer writes in an afternoon. For comparison only.

Django REST framework's view and serializers, simplejwt, rows through the ORM, gunicorn with threads.
"""
