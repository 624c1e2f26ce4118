"""Keeps refreshes that were asked for on disk until one that began later has ended.

A request is a note: *look at this image*, perhaps *at this tag*. It waits in ``pending``, in a folder for the image and
under the name of the tag, so that a storm of equal requests is one note. Whoever holds the image's lock moves its notes
to ``running`` before the first look at the registry and removes them after the last file is written; a request that
comes in between is a new note, and leads to one more refresh. If the process dies, the notes are still there.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from microbadger.image import InvalidReference, Reference, Repository, is_tag
from microbadger.logs import EventLog, also, current_id, is_id
from microbadger.store import make_folder, read_if_any, remove_file, remove_if_empty, replace_file

log = EventLog(__name__)

_NO_TAG = "-"  # no tag begins with it
_MOST_TAGS = 50  # of one image; whoever pushes more gets a look at the image as a whole
_MOST_ASKERS = 5  # are named in the log
_PENDING, _RUNNING = "pending", "running"


@dataclass(frozen=True, slots=True)
class RefreshRequests:
    """The notes below ``data/requests/``, shared by all processes."""

    folder: Path
    tracked: Callable[[], Iterable[Repository]] = tuple
    """Tells the images one of which a note is about that was damaged."""

    def add(self, reference: Reference) -> bool:
        """Keep a request; False where an equal one waits, which is as good. On disk when this returns."""
        waiting = self._notes(_PENDING, reference.repository)
        tag = reference.tag if reference.tag and len(waiting) < _MOST_TAGS else _NO_TAG
        note = self._folder(_PENDING, reference.repository) / tag
        if note in waiting:
            return False
        lines = filter(None, [reference.repository.familiar, current_id("request")])
        replace_file(note, "\n".join(lines).encode())
        return True

    def begin(self, repository: Repository) -> set[str | None]:
        """Mark every request for an image as begun and return what they name: a tag, or None for the image as a whole.

        The caller holds the image's lock.
        """
        if waiting := self._notes(_PENDING, repository):
            begun = self._folder(_RUNNING, repository)
            make_folder(begun)
            for note in waiting:
                with suppress(FileNotFoundError):
                    note.replace(begun / note.name)
            remove_if_empty(self._folder(_PENDING, repository))
        running = self._notes(_RUNNING, repository)
        _say_who_asked(running)
        return {note.name if is_tag(note.name) else None for note in running}

    def end(self, repository: Repository) -> None:
        """Forget the requests that were begun; the caller holds the image's lock."""
        for note in self._notes(_RUNNING, repository):
            remove_file(note, self.folder / _RUNNING)

    def is_waiting(self, repository: Repository) -> bool:
        """Tell whether a request for the image has not begun."""
        return bool(self._notes(_PENDING, repository))

    def is_open(self, repository: Repository) -> bool:
        """Tell whether a request for the image waits or was begun and not ended."""
        return self.is_waiting(repository) or bool(self._notes(_RUNNING, repository))

    def repositories(self) -> Iterator[Repository]:
        """Yield every image for which a request waits or was begun and not ended, perhaps by a process that died."""
        notes: dict[str, list[Path]] = {}
        for folder in [*_entries(self.folder / _PENDING), *_entries(self.folder / _RUNNING)]:
            notes.setdefault(folder.name, []).extend(_entries(folder))
        kept = {key: [lines for note in notes[key] if (lines := _lines_of(note))] for key in notes}
        told = {key: _first_told(key, lines) for key, lines in kept.items() if lines}
        yield from filter(None, told.values())
        if damaged := [key for key, repository in told.items() if repository is None]:
            yield from self._mend({key: notes[key] for key in damaged})

    def _mend(self, damaged: Mapping[str, Iterable[Path]]) -> Iterator[Repository]:
        """Yield the tracked images that notes are about which tell none any more; forget a note about no such image."""
        keys = {_key(repository): repository for repository in self.tracked()}
        for key, notes in damaged.items():
            if repository := keys.get(key):
                yield repository
                continue
            for note in notes:
                if remove_file(note, note.parents[1]):  # else it was done meanwhile
                    log.warning("damaged_request_removed", file=note)

    def _notes(self, state: str, repository: Repository) -> list[Path]:
        return _entries(self._folder(state, repository))

    def _folder(self, state: str, repository: Repository) -> Path:
        return self.folder / f"{state}/{_key(repository)}"


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder, but for what is about to become a note."""
    try:
        return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _first_told(key: str, notes: Iterable[list[str]]) -> Repository | None:
    """Return the image of this key that one of the notes tells; None where none does."""
    for name, *_ in notes:
        with suppress(InvalidReference):
            repository = Repository.parse(name)
            if _key(repository) == key:
                return repository
    return None


def _say_who_asked(notes: Iterable[Path]) -> None:
    """Have what is logged of the look that begins bear the ids of the requests that asked for it."""
    ids = {asked_by for note in notes for asked_by in _lines_of(note)[1:] if is_id(asked_by)}
    if ids:
        also(asked_by=",".join(sorted(ids)[:_MOST_ASKERS]))


def _key(repository: Repository) -> str:
    return hashlib.sha256(str(repository).encode()).hexdigest()[:32]


def _lines_of(note: Path) -> list[str]:
    """Return the name of the image and, of a note made for an HTTP request, that one's id; nothing where it is gone."""
    content = read_if_any(note)
    return [] if content is None else content.decode("utf-8", "replace").split("\n")

