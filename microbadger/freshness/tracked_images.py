"""Knows which images are tracked: those of ``data/images.txt`` and the settings, and those tracked by a command.

``images.txt`` belongs to the operator: it is read, and never written. A line is ``name``, or ``name:tag`` to keep that
tag whatever the limit. After it can stand ``private``: publish the image although only credentials can read it; and
``hook=<token>``: also accept this token in the address of its webhook, as microbadger.com made it. A line that cannot
be read is reported and leaves the others alone. Byte order marks and other invisible characters are ignored.

A crash or a full disk may leave the file empty, or full of bytes that are not text. Then, and while the file cannot be
read, the lines that it had before still count, as the database remembers them. An operator who wants to track nothing
leaves a comment in the file.
"""

import re
import time
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection

from microbadger.freshness.stored_images import (
    NONE,
    TrackedImage,
    all_stored,
    last_change,
    remove_requested,
    remove_stored,
    requested,
    store,
    stored,
    stored_at_path,
)
from microbadger.image import InvalidReference, Reference, Repository, image_name
from microbadger.logs import EventLog, Redaction
from microbadger.site import has_own_paths
from microbadger.store import Database, read_if_any, read_value, stamp_of, write_value

log = EventLog(__name__)

_PRIVATE, _HOOK = "private", "hook="
_OLD_TOKEN = re.compile(r"[A-Za-z0-9_=+/-]{8,128}", re.ASCII)
_OLD_TOKEN_ANYWHERE = re.compile(r"\bhook\s*=\s*[^\s'\"]+", re.IGNORECASE)
_ENCODINGS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\0\0": "utf-32-le",
    b"\0\0\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
_BYTE_ORDER_MARK = re.compile(b"(" + b"|".join(map(re.escape, _ENCODINGS)) + b")")  # the longer ones first
_SETTLED_AFTER_SECONDS = 10
_NO_LETTER = re.compile(r"[^a-z0-9]+")
_LONGEST_LINE = 500
_ALIKE = 0.75  # of 1 for the same name: one with a few letters that are wrong or cannot be decoded
_SEPARATORS = re.compile(r"[\s,]+")
_REMEMBERED = "images.txt"
_NAMED_REGISTRY = "named_registry {}"
_EMPTIED = (
    "images.txt is empty, as a crash may leave it: the images that it named before stay tracked. To track none, leave a"
    " comment line in it."
)
_UNREADABLE = "images.txt cannot be read ({}): the images that it named before stay tracked."
_GARBLED = "images.txt holds no text, as a crash may leave it: the images that it named before stay tracked."


class NotTracked(LookupError):
    """The image is not tracked, or cannot be untracked here; the sentence says why and what to do."""


@dataclass(frozen=True)
class _Listing:
    """What the file and the settings name."""

    stamp: tuple[int, ...] | None = None
    images: dict[Repository, TrackedImage] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    """The lines that cannot be read."""
    is_lost: bool = False
    """Whether nothing could be read of the file, so that the images are those that it named before."""

    @cached_property
    def registries(self) -> frozenset[str]:
        """The registries of the images."""
        return frozenset(repository.registry for repository in self.images)


class TrackedImages:
    """The tracked images; an edited file is seen at the next question."""

    def __init__(
        self, file: Path, named_by_settings: str, database: Database, open_registries: Collection[str] = ()
    ) -> None:
        self._file = file
        self._open_registries = open_registries
        self._named = list(filter(None, _SEPARATORS.split(without_invisible(named_by_settings))))
        self._database = database
        self._listing = _Listing(stamp=())
        self._by_path: tuple[_Listing, dict[str, tuple[Repository, ...]]] = (self._listing, {})

    def __iter__(self) -> Iterator[TrackedImage]:
        with self._database.read() as connection:
            others = {image.repository: image for image in all_stored(connection)}
        listed = self._listed().images
        yield from (image.merged_with(others.pop(repository, None)) for repository, image in listed.items())
        yield from others.values()

    def listed(self) -> list[Repository]:
        """Return the images that the file and the settings name."""
        return list(self._listed().images)

    def __contains__(self, repository: Repository) -> bool:
        """Return whether an image is tracked. For those that the file names, the database is not asked."""
        return repository in self._listed().images or self.get(repository) is not None

    def get(self, repository: Repository) -> TrackedImage | None:
        """Return the tracked image, or None."""
        with self._database.read() as connection:
            return self.read(connection, repository)

    def read(self, connection: Connection, repository: Repository) -> TrackedImage | None:
        """Return the same within a transaction."""
        listed, other = self._listed().images.get(repository), stored(connection, repository)
        return listed.merged_with(other) if listed else other

    def old_tokens(self, repository: Repository) -> frozenset[str]:
        """Return the old tokens of the webhook of an image, which only the file names."""
        listed = self._listed().images.get(repository)
        return listed.old_tokens if listed else NONE

    def names_registry(self, registry: str) -> bool:
        """Return whether the operator named a registry, or an image of it in the file, the settings or a command.

        Only then it may be a private one. That an image is tracked does not say it: administrators do that over the
        network, and strangers where anybody may.
        """
        if registry in self._open_registries or registry in self._listed().registries:
            return True
        with self._database.read() as connection:
            return read_value(connection, _NAMED_REGISTRY.format(registry)) is not None

    def at_path(self, path: str) -> Sequence[Repository]:
        """Return the tracked images of every registry that have this path there."""
        listing = self._listed()
        if self._by_path[0] is not listing:  # made at the first question: most installations never ask
            by_path: dict[str, tuple[Repository, ...]] = {}
            for repository in listing.images:
                by_path[repository.path] = (*by_path.get(repository.path, ()), repository)
            self._by_path = listing, by_path
        with self._database.read() as connection:
            others = [image.repository for image in stored_at_path(connection, path)]
        return list(dict.fromkeys([*self._by_path[1].get(path, ()), *others]))

    @property
    def stamp(self) -> tuple[object, object]:
        """What is another object each time that the list has changed, or the images that commands track."""
        with self._database.read() as connection:
            return self._listed().stamp, last_change(connection)

    @property
    def is_trusted(self) -> bool:
        """Whether every line was read, and the file is whole: an editor may write it in two steps."""
        return not self._listed().problems and self._is_settled()

    def may_be_removed(self, repository: Repository) -> bool:
        """Return whether an image that is not named may be removed: no line that cannot be read may have named it.

        Where there is no file, or it is lost, what it named when it was last read stays, and nothing else.
        """
        listing = self._listed()
        is_missing = listing.stamp is None and not self._named
        if is_missing or listing.is_lost:
            remembered = self._remembered()
            if remembered is None:
                return is_missing
            listing = remembered
        elif not self._is_settled():
            return False
        return repository not in listing.images and not any(_may_name(line, repository) for line in listing.unread)

    @property
    def has_list(self) -> bool:
        """Whether there is a list at all; without one, or with an empty file, nobody knows what a lost database had."""
        if self._listed().stamp is None:
            return bool(self._named)
        return bool(_text_of(read_if_any(self._file) or b"").strip())

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each entry that names no image."""
        return self._listed().problems

    def take_over(self) -> None:
        """Track no longer for readers what the file and the settings name by now. Raises StoreError."""
        listed = self._listed().images
        with self._database.read() as connection:
            named = [repository for repository in requested(connection) if repository in listed]
        if named:
            with self._database.write() as connection:
                remove_requested(connection, named)

    def remember(self) -> None:
        """Keep the lines of the file in the database, for the case that they are lost."""
        if not self._listed().is_lost and (text := _text_of(read_if_any(self._file) or b"")):
            with self._database.write() as connection:
                write_value(connection, _REMEMBERED, text)

    def track(self, image: TrackedImage) -> bool:
        """Track an image, for the operator, with these tags and this privacy besides those it has.

        Return False where that changes nothing.
        """
        with self._database.write(durable=True) as connection:
            write_value(connection, _NAMED_REGISTRY.format(image.repository.registry), "")
            known = self.read(connection, image.repository)
            if known and known.merged_with(image) == known:
                return False
            store(connection, image.merged_with(stored(connection, image.repository)))
        return True

    def put(self, image: TrackedImage) -> None:
        """Track an image with just these tags and this privacy, besides what the file and the settings say of it."""
        with self._database.write(durable=True) as connection:
            store(connection, image)

    def untrack(self, repository: Repository, tag: str | None = None) -> None:
        """Stop tracking an image, or only keeping a tag of it; raise NotTracked if neither was so, or it is listed."""
        name = f"{image_name(repository)}:{tag}" if tag else image_name(repository)
        if _is_in(self._listed(), repository, tag):
            by_settings = _is_in(_listing_of(None, [], self._named), repository, tag)
            where = "MICROBADGER_IMAGES" if by_settings else "data/images.txt"
            raise NotTracked(f"{name} is listed in {where}: remove it there.")
        with self._database.write(durable=True) as connection:
            image = stored(connection, repository)
            if image is None or (tag and tag not in image.kept_tags):
                kept = "a tag that is kept by name; the newest tags are kept anyway" if tag else "tracked"
                raise NotTracked(f"{name} is not {kept}.")
            left = replace(image, kept_tags=image.kept_tags - {tag})
            if tag and (left.kept_tags or left.private or repository not in self._listed().images):
                store(connection, left)
            else:
                remove_stored(connection, repository)

    def _is_settled(self) -> bool:
        """Return whether the file was last written long enough ago to be whole."""
        try:
            # Either way: what was written in the future was written before somebody set the clock back.
            return abs(time.time() - self._file.stat().st_mtime) > _SETTLED_AFTER_SECONDS
        except FileNotFoundError:
            return bool(self._named)  # then the settings alone name images; else the file may be on its way

    def _listed(self) -> _Listing:
        try:
            stamp: tuple[int, ...] | None = stamp_of(self._file)
            if stamp == self._listing.stamp:
                return self._listing
            content = read_if_any(self._file)
            loss = _loss_of(content)
        except OSError as error:
            stamp, content, loss = (error.errno or 0,), b"", _UNREADABLE.format(error.strerror)
        if stamp != self._listing.stamp:
            listing = _listing_of(stamp, _text_of(content or b"").splitlines(), self._named)
            self._listing = self._without_loss(listing, loss) if loss else listing
            for problem in self._listing.problems:
                log.warning("not_tracked", reason=problem)
        return self._listing

    def _remembered(self) -> _Listing | None:
        """Return what the file and the settings named when the file was last read; None if it never was."""
        with self._database.read() as connection:
            content = read_value(connection, _REMEMBERED)
        return None if content is None else _listing_of(None, content.splitlines(), self._named)

    def _without_loss(self, emptied: _Listing, loss: str) -> _Listing:
        """Return what is tracked while nothing can be read of the file: what it named before."""
        before = self._remembered() or _listing_of(emptied.stamp, [], self._named)
        if loss == _EMPTIED and before.images.keys() == emptied.images.keys():
            return emptied
        problems = *dict.fromkeys([*emptied.problems, *before.problems]), loss
        return _Listing(emptied.stamp, before.images, problems, before.unread, is_lost=True)


def parse_line(line: str) -> TrackedImage | None:
    """Return what a line of ``images.txt`` tracks, or None for an empty one; raise InvalidReference for any other."""
    name, *words = without_invisible(line).partition("#")[0].split() or [""]
    if not name:
        return None
    old_tokens = [word.removeprefix(_HOOK) for word in words if word.startswith(_HOOK)]
    others = [word for word in words if not word.startswith(_HOOK)]
    if others not in ([], [_PRIVATE]):  # these are not shown: a part of a token can be among them
        raise InvalidReference(f"Only '{_PRIVATE}' and '{_HOOK}' with a token can follow {name!r}.")
    if not all(map(_OLD_TOKEN.fullmatch, old_tokens)):
        raise InvalidReference(f"Invalid '{_HOOK}' after {name!r}: write 8 to 128 letters, digits, or '-_+/='.")
    image = parse_image(name, private=bool(others))
    return replace(image, old_tokens=frozenset(old_tokens)) if old_tokens else image


def parse_image(name: str, *, private: bool = False) -> TrackedImage:
    """Return the image that a name with perhaps a tag to keep means; raise InvalidReference where it means none."""
    reference = Reference.parse(name)
    if reference.digest:
        raise InvalidReference(f"{name!r} names a digest, which never changes: track the image or one of its tags.")
    if not has_own_paths(reference.repository):
        raise InvalidReference(f"{name!r} cannot be published: its files would replace those of another image.")
    return TrackedImage(reference.repository, frozenset([reference.tag]) if reference.tag else NONE, private)


def without_invisible(text: str) -> str:
    """Return a text without what has no shape, such as a byte order mark or a zero-width space."""
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def _text_of(content: bytes) -> str:
    """Return the text of a file, or of several in one: each byte order mark says how what follows is encoded."""
    unmarked, *marked = _BYTE_ORDER_MARK.split(content)
    texts = [part.decode(_ENCODINGS[mark], "replace") for mark, part in zip(marked[::2], marked[1::2], strict=True)]
    return unmarked.decode("utf-8", "replace") + "".join(texts)


def _loss_of(content: bytes | None) -> str:
    """Return why the content of a file does not count as an edit, in a sentence; empty if it does."""
    text = "#" if content is None else _text_of(content)
    if text == "":
        return _EMPTIED
    is_written = all(char.isprintable() or char.isspace() for char in without_invisible(text))
    if (is_written and "\N{REPLACEMENT CHARACTER}" not in text) or _listing_of(None, text.splitlines(), []).images:
        return ""
    return _GARBLED


def _listing_of(stamp: tuple[int, ...] | None, lines: Iterable[str], named: Iterable[str]) -> _Listing:
    images: dict[Repository, TrackedImage] = {}
    problems: list[str] = []
    unread: list[str] = []
    sources = [
        *((f"images.txt line {number}", line) for number, line in enumerate(lines, start=1)),
        *(("MICROBADGER_IMAGES", name) for name in named),
    ]
    for source, line in sources:
        try:
            image = parse_line(line)
        except InvalidReference as error:
            reason = _OLD_TOKEN_ANYWHERE.sub(f"{_HOOK}[hidden]", str(error))
            problems.append(Redaction().of(f"{source} is left out: {reason}"))  # it is published
            unread.append(line)
            continue
        if image:
            images[image.repository] = image.merged_with(images.get(image.repository))
    return _Listing(stamp, images, tuple(problems), tuple(unread))


def _is_in(listing: _Listing, repository: Repository, tag: str | None) -> bool:
    """Return whether a listing names an image, or a tag of it."""
    image = listing.images.get(repository)
    return image is not None and (tag is None or tag in image.kept_tags)


def _may_name(line: str, repository: Repository) -> bool:
    """Return whether a line that cannot be read may have been meant to name an image."""
    words = _NO_LETTER.sub("", line.lower())[:_LONGEST_LINE]
    last_part = _NO_LETTER.sub("", repository.path.rpartition("/")[2])
    if last_part in words:
        return True
    names = {_NO_LETTER.sub("", name) for name in (repository.path, repository.familiar, image_name(repository))}
    return any(SequenceMatcher(None, words, name, autojunk=False).ratio() >= _ALIKE for name in names)
