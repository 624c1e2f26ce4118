"""Logs one line per event, without secrets."""

from microbadger.logs.events import (
    EventLog,
    LineFormatter,
    adopt,
    also,
    current_id,
    identified,
    is_id,
    log_to_stdout,
    new_id,
    work,
    work_seconds,
)
from microbadger.logs.redaction import Redaction

__all__ = [
    "EventLog",
    "LineFormatter",
    "Redaction",
    "adopt",
    "also",
    "current_id",
    "identified",
    "is_id",
    "log_to_stdout",
    "new_id",
    "work",
    "work_seconds",
]
