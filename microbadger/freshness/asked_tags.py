"""Remembers which unknown tags a badge was asked for, so that each is looked for soon, but seldom.

Anyone can ask for any badge: a tag leads to one look an hour at most, and an image has twenty such tags at most.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from microbadger.image import Repository
from microbadger.logs import EventLog
from microbadger.store import lock_file, read_if_any, replace_file, set_aside

log = EventLog(__name__)

_LOOK_EVERY = timedelta(hours=1)
_MOST_TAGS = 20


class AskedTags:
    """The tags asked for in the last hour, one small file per image below ``data/``."""

    def __init__(self, data: Path, *, now: Callable[[], datetime]) -> None:
        self._folder = data / "images"
        self._now = now

    def is_worth_a_look(self, repository: Repository, tag: str) -> bool:
        """Tell whether this unknown tag should be looked for now, and remember that it was.

        What cannot be remembered is not looked for: it would be again and again.
        """
        if not self._is_new(self._read(repository) or {}, tag):
            return False
        try:
            return self._remember(repository, tag)
        except OSError as error:
            log.warning("asked_tag_not_kept", image=repository.familiar, tag=tag, error=error)
            return False

    def _remember(self, repository: Repository, tag: str) -> bool:
        file = self._file(repository)
        with lock_file(file.with_suffix(".lock")):
            asked = self._read(repository)
            if asked is None:
                set_aside(file)
                asked = {}
            if not self._is_new(asked, tag):
                return False
            asked[tag] = self._now()
            replace_file(file, json.dumps({tag: moment.isoformat() for tag, moment in asked.items()}).encode())
        return True

    def _is_new(self, asked: dict[str, datetime], tag: str) -> bool:
        return tag not in asked and len(asked) < _MOST_TAGS

    def _read(self, repository: Repository) -> dict[str, datetime] | None:
        """Return the tags and when they were asked for; None where the file is damaged."""
        since = self._now() - _LOOK_EVERY
        try:
            content = read_if_any(self._file(repository))
            texts = {} if content is None else json.loads(content)
            asked = {tag: datetime.fromisoformat(text).astimezone(UTC) for tag, text in texts.items()}
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return None
        return {tag: moment for tag, moment in asked.items() if since < moment <= self._now()}

    def _file(self, repository: Repository) -> Path:
        return self._folder / repository.familiar / "-" / "asked.json"
