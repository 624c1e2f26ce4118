"""Knows which images are tracked: the lines of ``data/images.txt`` and those the settings name.

A line is ``name``, or ``name:tag`` to keep that tag fresh whatever the limit, then perhaps ``private``: publish it
although only credentials can read it. A line that cannot be read is reported and leaves the others alone.

A file of no byte is no edit but what a crash or a full disk may leave: then the images that were named stay tracked,
and the file is written anew. Whoever wants none leaves a comment in it.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from microbadger.image import InvalidReference, Reference, Repository
from microbadger.logs import EventLog, Redaction
from microbadger.site import has_own_paths
from microbadger.store import PUBLIC_MODE, lock_file, read_if_any, replace_file, stamp_of

log = EventLog(__name__)

_PRIVATE = "private"
_SETTLED_AFTER_SECONDS = 10
_SEPARATORS = re.compile(r"[\s,]+")
_NO_TAGS: frozenset[str] = frozenset()  # one for all: there can be very many images
_KEEP_BYTES = "surrogateescape"  # a comment in another encoding is as it was after a line is added
_NONE = ["# no image is tracked"]
_EMPTIED = (
    "images.txt is empty, as a crash may leave it: what it named stays tracked and is soon written into it again."
    " If no image is to be tracked, leave a comment line in it."
)


@dataclass(frozen=True, slots=True)
class TrackedImage:
    """An image that is kept fresh, with the tags kept whatever the limit."""

    repository: Repository
    kept_tags: frozenset[str] = _NO_TAGS
    private: bool = False

    def merged_with(self, other: "TrackedImage") -> "TrackedImage":
        return TrackedImage(self.repository, self.kept_tags | other.kept_tags, self.private or other.private)


class NotTracked(LookupError):
    """The image is not tracked, or cannot be untracked here; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    stamp: tuple[int, ...] | None = None
    images: dict[Repository, TrackedImage] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    is_emptied: bool = False


class TrackedImages:
    """The tracked images, in the order they are listed; an edited file is seen at the next question."""

    def __init__(
        self, file: Path, named_by_settings: str = "", published: Callable[[], Iterable[Repository]] = tuple
    ) -> None:
        self._file = file
        self._published = published
        self._named = list(filter(None, _SEPARATORS.split(named_by_settings)))
        self._snapshot = _Snapshot(stamp=())
        self._by_path: tuple[_Snapshot, dict[str, tuple[Repository, ...]]] = (self._snapshot, {})

    def __iter__(self) -> Iterator[TrackedImage]:
        return iter(list(self._read().images.values()))

    def __len__(self) -> int:
        return len(self._read().images)

    def get(self, repository: Repository) -> TrackedImage | None:
        """Return the tracked image, or None."""
        return self._read().images.get(repository)

    def at_path(self, path: str) -> Sequence[Repository]:
        """Return the tracked images of every registry that have this path there."""
        snapshot = self._read()
        if self._by_path[0] is not snapshot:  # made when the first one asks: most installations name no path
            by_path: dict[str, tuple[Repository, ...]] = {}
            for repository in snapshot.images:
                by_path[repository.path] = (*by_path.get(repository.path, ()), repository)
            self._by_path = snapshot, by_path
        return [*self._by_path[1].get(path, ())]

    @property
    def stamp(self) -> object:
        """What tells the list from one that was read before it was edited."""
        return self._read().stamp

    def is_settled(self) -> bool:
        """Tell whether the file was last written long enough ago to be taken for whole."""
        return not self._read().is_emptied and self._is_old()

    def restore(self) -> None:
        """Write a file that lost all it held anew: what it named as far as is known here, else what is published."""
        if not self._read().is_emptied or not self._is_old():
            return
        with self._locked():
            known = self._read()
            if known.is_emptied:
                self._replace(_lines_for_all(known.images.values()))
                log.warning("empty_list_of_images_written_anew", file=self._file, images=len(known.images))

    def _is_old(self) -> bool:
        try:
            # Either way: what was written in the future was written before somebody set the clock back.
            return abs(time.time() - self._file.stat().st_mtime) > _SETTLED_AFTER_SECONDS
        except FileNotFoundError:
            return bool(self._named)  # then the settings alone name images; else the file may be on its way

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each entry that names no image."""
        return self._read().problems

    def track(self, image: TrackedImage) -> bool:
        """Add an image to the file; False where it stands there already, with the same tags and privacy."""
        with self._locked():
            known = self.get(image.repository)
            if known and known.merged_with(image) == known:
                return False
            lines = self._lines_to_edit()
            self._replace([*lines, *_lines_for(image)])
            return True

    def put(self, image: TrackedImage) -> None:
        """Make the file say just this of an image, whatever it said before."""
        with self._locked():
            lines = self._lines_to_edit()
            new = [*(line for line in lines if not _is_line_of(line, image.repository)), *_lines_for(image)]
            if new != lines:
                self._replace(new)

    def untrack(self, repository: Repository) -> None:
        """Take every line of an image out of the file, or raise NotTracked."""
        with self._locked():
            lines = self._lines_to_edit()
            kept = [line for line in lines if not _is_line_of(line, repository)]
            if kept != lines:
                self._replace(kept)
            if self.get(repository):
                raise NotTracked(f"{repository.familiar} is named in MICROBADGER_IMAGES: take it out there.")
            if kept == lines:
                raise NotTracked(f"{repository.familiar} is not tracked.")

    def _read(self) -> _Snapshot:
        stamp = stamp_of(self._file)
        if stamp != self._snapshot.stamp:
            snapshot = _snapshot(stamp, self._lines(), self._named)
            self._snapshot = self._without_loss(snapshot) if stamp and not stamp[1] else snapshot
        return self._snapshot

    def _without_loss(self, emptied: _Snapshot) -> _Snapshot:
        """Return what is tracked while the file has no byte: what was read from it last, else what is published.

        Where settings name images, those that are published may be of settings that were changed.
        """
        images = self._snapshot.images
        if self._snapshot.stamp == () and not self._named:
            images = {repository: TrackedImage(repository) for repository in self._published()}
        if not images.keys() - emptied.images.keys():
            return emptied
        return _Snapshot(emptied.stamp, images, (*emptied.problems, _EMPTIED), is_emptied=True)

    def _lines(self) -> list[str]:
        return (read_if_any(self._file) or b"").decode("utf-8", _KEEP_BYTES).splitlines()

    def _lines_to_edit(self) -> list[str]:
        known = self._read()
        return _lines_for_all(known.images.values()) if known.is_emptied else self._lines()

    def _replace(self, lines: list[str]) -> None:
        content = "".join(f"{line}\n" for line in lines or _NONE).encode("utf-8", _KEEP_BYTES)
        replace_file(self._file, content, PUBLIC_MODE, is_durable=True)

    def _locked(self) -> AbstractContextManager[None]:
        return lock_file(self._file.with_name(f".{self._file.name}.lock"))


def parse_line(line: str) -> TrackedImage | None:
    """Return what a line of ``images.txt`` tracks, or None for an empty one; raise InvalidReference for any other."""
    name, *words = line.partition("#")[0].split() or [""]
    if not name:
        return None
    if words not in ([], [_PRIVATE]):
        raise InvalidReference(f"{' '.join(words)!r} stands after {name!r}, where only '{_PRIVATE}' can stand.")
    return parse_image(name, private=bool(words))


def parse_image(name: str, *, private: bool = False) -> TrackedImage:
    """Return the image that a name with perhaps a tag to keep means; raise InvalidReference where it means none."""
    reference = Reference.parse(name)
    if reference.digest:
        raise InvalidReference(f"{name!r} names a digest, which never changes: track the image or one of its tags.")
    if not has_own_paths(reference.repository):
        raise InvalidReference(f"{name!r} cannot be published: its files would stand where those of another image do.")
    return TrackedImage(reference.repository, frozenset([reference.tag]) if reference.tag else _NO_TAGS, private)


def _snapshot(stamp: tuple[int, ...] | None, lines: list[str], named: list[str]) -> _Snapshot:
    images: dict[Repository, TrackedImage] = {}
    problems: list[str] = []
    sources: Iterable[tuple[str, str]] = [
        *((f"images.txt line {number}", line) for number, line in enumerate(lines, start=1)),
        *(("MICROBADGER_IMAGES", name) for name in named),
    ]
    for source, line in sources:
        try:
            image = parse_line(line)
        except InvalidReference as error:
            problems.append(Redaction().of(f"{source} is left out: {error}"))  # it is published
            continue
        if image:
            known = images.get(image.repository)
            images[image.repository] = known.merged_with(image) if known else image
    for problem in problems:
        log.warning("not_tracked", reason=problem)
    return _Snapshot(stamp, images, tuple(problems))


def _lines_for_all(images: Iterable[TrackedImage]) -> list[str]:
    return [line for image in images for line in _lines_for(image)]


def _lines_for(image: TrackedImage) -> list[str]:
    suffix = f" {_PRIVATE}" if image.private else ""
    name = image.repository.familiar
    return [f"{name}:{tag}{suffix}" for tag in sorted(image.kept_tags)] or [f"{name}{suffix}"]


def _is_line_of(line: str, repository: Repository) -> bool:
    try:
        image = parse_line(line)
    except InvalidReference:
        return False
    return image is not None and image.repository == repository
