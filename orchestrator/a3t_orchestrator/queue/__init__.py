"""The queue: Celery on Redis. It only carries work; what is to be done stands in the database."""
