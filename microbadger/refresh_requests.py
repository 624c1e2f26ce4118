"""Keeps refreshes that were asked for on disk until one that began later has ended.

A request is a note: *look at this image*, perhaps *at this tag*. It waits in ``pending`` under a name made of the image
and the tag, so that a storm of equal requests is one note. Whoever holds the image's lock moves its notes to
``running`` before the first look at the registry and removes them after the last file is written; a request that comes
in between is a new note, and leads to one more refresh. If the process dies, the notes are still there.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from microbadger.files import make_folder, read_if_any, replace_file
from microbadger.reference import InvalidReference, Reference, Repository, is_tag

log = logging.getLogger(__name__)

_NO_TAG = "-"  # no tag begins with it
_MOST_TAGS = 50  # of one image; whoever pushes more gets a look at the image as a whole
_ANY_NOTE = "[0-9a-f]*.*"  # not the file that is about to become one


@dataclass(frozen=True, slots=True)
class RefreshRequests:
    """The notes below ``data/requests/``, shared by all processes."""

    folder: Path
    tracked: Callable[[], Iterable[Repository]] = tuple
    """Tells the images one of which a note is about that was damaged."""

    def add(self, reference: Reference) -> bool:
        """Keep a request; False where an equal one waits, which is as good. On disk when this returns."""
        key = _key(reference.repository)
        tag = reference.tag if reference.tag and self._count(key) < _MOST_TAGS else _NO_TAG
        note = self._pending / f"{key}.{tag}"
        if note.exists():
            return False
        replace_file(note, reference.repository.familiar.encode())
        return True

    def begin(self, repository: Repository) -> set[str | None]:
        """Mark every request for an image as begun and return what they name: a tag, or None for the image as a whole.

        The caller holds the image's lock.
        """
        make_folder(self._running)
        for note in self._pending.glob(f"{_key(repository)}.*"):
            with suppress(FileNotFoundError):
                note.replace(self._running / note.name)
        return {_tag_of(note) for note in self._running.glob(f"{_key(repository)}.*")}

    def end(self, repository: Repository) -> None:
        """Forget the requests that were begun; the caller holds the image's lock."""
        for note in self._running.glob(f"{_key(repository)}.*"):
            note.unlink()

    def is_waiting(self, repository: Repository) -> bool:
        """Tell whether a request for the image has not begun."""
        return any(self._pending.glob(f"{_key(repository)}.*"))

    def is_open(self, repository: Repository) -> bool:
        """Tell whether a request for the image waits or was begun and not ended."""
        return self.is_waiting(repository) or any(self._running.glob(f"{_key(repository)}.*"))

    def repositories(self) -> Iterator[Repository]:
        """Yield every image for which a request waits or was begun and not ended, perhaps by a process that died."""
        notes: dict[str, list[Path]] = {}
        for note in [*self._pending.glob(_ANY_NOTE), *self._running.glob(_ANY_NOTE)]:
            notes.setdefault(note.name.partition(".")[0], []).append(note)
        repositories = {key: _first_told(key, told) for key, told in notes.items()}
        yield from filter(None, repositories.values())
        if damaged := [key for key, repository in repositories.items() if repository is None]:
            yield from self._mend({key: notes[key] for key in damaged})

    def _mend(self, damaged: Mapping[str, Iterable[Path]]) -> Iterator[Repository]:
        """Yield the tracked images that notes are about which tell none any more; forget a note about no such image."""
        keys = {_key(repository): repository for repository in self.tracked()}
        for key, notes in damaged.items():
            if repository := keys.get(key):
                yield repository
                continue
            for note in notes:
                if read_if_any(note) is not None:  # one that is merely gone was done meanwhile
                    log.warning("damaged note of a request removed file=%s", note)
                    note.unlink(missing_ok=True)

    def _count(self, key: str) -> int:
        return sum(1 for _ in self._pending.glob(f"{key}.*"))

    @property
    def _pending(self) -> Path:
        return self.folder / "pending"

    @property
    def _running(self) -> Path:
        return self.folder / "running"


def _first_told(key: str, notes: Iterable[Path]) -> Repository | None:
    """Return the image of this key that one of the notes tells; None where none does."""
    for note in notes:
        with suppress(InvalidReference):
            repository = Repository.parse((read_if_any(note) or b"").decode("utf-8", "replace"))
            if _key(repository) == key:
                return repository
    return None


def _key(repository: Repository) -> str:
    return hashlib.sha256(str(repository).encode()).hexdigest()[:32]


def _tag_of(note: Path) -> str | None:
    tag = note.name.partition(".")[2]
    return tag if is_tag(tag) else None
