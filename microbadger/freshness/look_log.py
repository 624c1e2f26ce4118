"""Tells every process which images were looked at since it asked last."""

from contextlib import suppress
from pathlib import Path

from microbadger.freshness.news_log import NewsLog, NewsReader
from microbadger.image import InvalidReference, Repository


class LookLog:
    """The log that whoever ends a look writes into."""

    def __init__(self, file: Path) -> None:
        self.log = NewsLog(file)

    def add(self, repository: Repository) -> None:
        """Tell that a look at an image ended."""
        self.log.add([str(repository)])


class LookReader:
    """One reader of the log, which remembers how far it has read."""

    def __init__(self, looks: LookLog) -> None:
        self._reader = NewsReader(looks.log)

    def news(self) -> set[Repository] | None:
        """Return the images looked at since this was asked last; None where that cannot be told, as at first."""
        words = self._reader.news()
        return None if words is None else _repositories(words)


def _repositories(words: set[str]) -> set[Repository]:
    found = set()
    for word in words:
        with suppress(InvalidReference):  # a full disk cut it short
            found.add(Repository.parse(word))
    return found
