"""The service's worker for those who cannot wait."""

from microbadger.gunicorn_worker import Worker


class HastyWorker(Worker):
    """A worker that gives clients little time."""

    head_seconds = 1.0
    write_seconds = 1.0
    request_seconds = 2.0
