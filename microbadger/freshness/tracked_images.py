"""Lists the tracked images: those in ``data/images.txt`` and in the settings, and those that the database holds.

``images.txt`` belongs to the operator: it is read and never written. A line is ``name``, or ``name:tag`` to keep that
tag regardless of the limit. ``private`` after the name publishes an image that only credentials can read.
``hook=<token>`` also accepts this token in the address of its webhook, as microbadger.com made it. An invalid line is
reported and does not affect the others. Byte order marks and other invisible characters are ignored.

A crash or a full disk may leave the file empty, or full of bytes that are not text. In this case, and while the file
cannot be read, its earlier lines still count; the database remembers them. Operators who want to track no images leave
a comment in the file.
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
_BYTE_ORDER_MARK = re.compile(b"(" + b"|".join(map(re.escape, _ENCODINGS)) + b")")  # the longer marks come first
_SETTLED_AFTER_SECONDS = 10
_NO_LETTER = re.compile(r"[^a-z0-9]+")
_LONGEST_LINE = 500
_ALIKE = 0.75  # of 1 for equal names; this allows for a few letters that are wrong or cannot be decoded
_SEPARATORS = re.compile(r"[\s,]+")
_REMEMBERED = "images.txt"
_NAMED_REGISTRY = "named_registry {}"
_EMPTIED = (
    "images.txt is empty, perhaps after a crash, so the images that it listed before stay tracked. To track no images,"
    " leave a comment line in it."
)
_UNREADABLE = "images.txt cannot be read ({}), so the images that it listed before stay tracked."
_GARBLED = "images.txt is not text, perhaps after a crash, so the images that it listed before stay tracked."


class NotTracked(LookupError):
    """The image is not tracked, or cannot be untracked here. The message says why and what to do."""


@dataclass(frozen=True)
class _Listing:
    """The images in the file and in the settings."""

    stamp: tuple[int, ...] | None = None
    images: dict[Repository, TrackedImage] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    """The invalid lines."""
    is_lost: bool = False
    """Whether the file could not be read at all, so these are the images that it listed before."""

    @cached_property
    def registries(self) -> frozenset[str]:
        """The registries of the images."""
        return frozenset(repository.registry for repository in self.images)


class TrackedImages:
    """The tracked images. Every method sees the latest edit of the file."""

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
        """Return the images in the file and in the settings."""
        return list(self._listed().images)

    def __contains__(self, repository: Repository) -> bool:
        """Return whether an image is tracked, without a query if the file or the settings list it."""
        return repository in self._listed().images or self.get(repository) is not None

    def get(self, repository: Repository) -> TrackedImage | None:
        """Return the tracked image, or None if it is not tracked."""
        with self._database.read() as connection:
            return self.read(connection, repository)

    def read(self, connection: Connection, repository: Repository) -> TrackedImage | None:
        """Do the same as `get` within a transaction."""
        listed, other = self._listed().images.get(repository), stored(connection, repository)
        return listed.merged_with(other) if listed else other

    def old_tokens(self, repository: Repository) -> frozenset[str]:
        """Return the old webhook tokens of an image; only the file can list them."""
        listed = self._listed().images.get(repository)
        return listed.old_tokens if listed else NONE

    def names_registry(self, registry: str) -> bool:
        """Return whether the operator named a registry, or one of its images in the file, the settings or a command.

        Only such a registry may be on a private network. A tracked image does not prove it, because administrators
        track images over the network, and on some instances anybody can.
        """
        if registry in self._open_registries or registry in self._listed().registries:
            return True
        with self._database.read() as connection:
            return read_value(connection, _NAMED_REGISTRY.format(registry)) is not None

    def at_path(self, path: str) -> Sequence[Repository]:
        """Return the tracked images with this path, from all registries."""
        listing = self._listed()
        if self._by_path[0] is not listing:  # built on first use, because most instances never need it
            by_path: dict[str, tuple[Repository, ...]] = {}
            for repository in listing.images:
                by_path[repository.path] = (*by_path.get(repository.path, ()), repository)
            self._by_path = listing, by_path
        with self._database.read() as connection:
            others = [image.repository for image in stored_at_path(connection, path)]
        return list(dict.fromkeys([*self._by_path[1].get(path, ()), *others]))

    @property
    def stamp(self) -> tuple[object, object]:
        """A value that differs after each change of the tracked images, in the file or in the database."""
        with self._database.read() as connection:
            return self._listed().stamp, last_change(connection)

    @property
    def is_trusted(self) -> bool:
        """Whether every line is valid and the file is complete; an editor may write it in two steps."""
        return not self._listed().problems and self._is_settled()

    def may_be_removed(self, repository: Repository) -> bool:
        """Return whether an image that is not listed may be removed.

        It may not if an invalid line may have been meant to name it, or while the file may be half written. If the file
        is lost, or missing without any image in the settings, the images that were listed last are kept.
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
        """Whether the operator has listed images, in a file that is not empty or, without a file, in the settings.

        Without a list, nothing says which images a lost database held.
        """
        if self._listed().stamp is None:
            return bool(self._named)
        return bool(_text_of(read_if_any(self._file) or b"").strip())

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each invalid line or name, and for a file that cannot be read."""
        return self._listed().problems

    def take_over(self) -> None:
        """Forget that readers requested images that the file or the settings now list. Raises StoreError."""
        listed = self._listed().images
        with self._database.read() as connection:
            named = [repository for repository in requested(connection) if repository in listed]
        if named:
            with self._database.write() as connection:
                remove_requested(connection, named)

    def remember(self) -> None:
        """Store the lines of the file in the database, in case the file is lost."""
        if not self._listed().is_lost and (text := _text_of(read_if_any(self._file) or b"")):
            with self._database.write() as connection:
                write_value(connection, _REMEMBERED, text)

    def track(self, image: TrackedImage) -> bool:
        """Track an image for the operator, and return whether that changed anything.

        The kept tags and the privacy are added to those that the image already has.
        """
        with self._database.write(durable=True) as connection:
            write_value(connection, _NAMED_REGISTRY.format(image.repository.registry), "")
            known = self.read(connection, image.repository)
            if known and known.merged_with(image) == known:
                return False
            store(connection, image.merged_with(stored(connection, image.repository)))
        return True

    def put(self, image: TrackedImage) -> None:
        """Track an image with exactly these kept tags and this privacy, besides those in the file and the settings."""
        with self._database.write(durable=True) as connection:
            store(connection, image)

    def untrack(self, repository: Repository, tag: str | None = None) -> None:
        """Stop tracking an image or, with a tag, stop keeping that tag.

        Raise NotTracked if it is not tracked or kept, or if the file or the settings list it.
        """
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
        """Return whether the last write of the file is long enough ago for it to be complete."""
        try:
            # A time in the future is also old: it is from before somebody set the clock back.
            return abs(time.time() - self._file.stat().st_mtime) > _SETTLED_AFTER_SECONDS
        except FileNotFoundError:
            return bool(self._named)  # if the settings list no images either, the file may be about to appear

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
        """Return the images that the file listed when it was last read, and those in the settings.

        Return None if the file was never read.
        """
        with self._database.read() as connection:
            content = read_value(connection, _REMEMBERED)
        return None if content is None else _listing_of(None, content.splitlines(), self._named)

    def _without_loss(self, emptied: _Listing, loss: str) -> _Listing:
        """Return the images that the file listed before, because it cannot be read now."""
        before = self._remembered() or _listing_of(emptied.stamp, [], self._named)
        if loss == _EMPTIED and before.images.keys() == emptied.images.keys():
            return emptied
        problems = *dict.fromkeys([*emptied.problems, *before.problems]), loss
        return _Listing(emptied.stamp, before.images, problems, before.unread, is_lost=True)


def parse_line(line: str) -> TrackedImage | None:
    """Return the image in a line of ``images.txt``, or None for an empty line. Raises InvalidReference."""
    name, *words = without_invisible(line).partition("#")[0].split() or [""]
    if not name:
        return None
    old_tokens = [word.removeprefix(_HOOK) for word in words if word.startswith(_HOOK)]
    others = [word for word in words if not word.startswith(_HOOK)]
    if others not in ([], [_PRIVATE]):  # the message does not quote them, because they may hold part of a token
        raise InvalidReference(f"Only '{_PRIVATE}' and '{_HOOK}' with a token can follow {name!r}.")
    if not all(map(_OLD_TOKEN.fullmatch, old_tokens)):
        raise InvalidReference(f"Invalid '{_HOOK}' after {name!r}: write 8 to 128 letters, digits, or '-_+/='.")
    image = parse_image(name, private=bool(others))
    return replace(image, old_tokens=frozenset(old_tokens)) if old_tokens else image


def parse_image(name: str, *, private: bool = False) -> TrackedImage:
    """Return the image for a name, which may end in a tag to keep. Raises InvalidReference."""
    reference = Reference.parse(name)
    if reference.digest:
        raise InvalidReference(f"{name!r} names a digest, which never changes: track the image or one of its tags.")
    if not has_own_paths(reference.repository):
        raise InvalidReference(f"{name!r} cannot be published: its files would replace those of another image.")
    return TrackedImage(reference.repository, frozenset([reference.tag]) if reference.tag else NONE, private)


def without_invisible(text: str) -> str:
    """Return a text without invisible characters, such as a byte order mark or a zero-width space."""
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def _text_of(content: bytes) -> str:
    """Return the text of a file. Each byte order mark sets the encoding of the text after it.

    A file that was joined from several files can have several byte order marks.
    """
    unmarked, *marked = _BYTE_ORDER_MARK.split(content)
    texts = [part.decode(_ENCODINGS[mark], "replace") for mark, part in zip(marked[::2], marked[1::2], strict=True)]
    return unmarked.decode("utf-8", "replace") + "".join(texts)


def _loss_of(content: bytes | None) -> str:
    """Return a sentence about why this content does not count as an edit by the operator; empty if it does."""
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
            problems.append(Redaction().of(f"{source} is left out: {reason}"))  # this sentence is published
            unread.append(line)
            continue
        if image:
            images[image.repository] = image.merged_with(images.get(image.repository))
    return _Listing(stamp, images, tuple(problems), tuple(unread))


def _is_in(listing: _Listing, repository: Repository, tag: str | None) -> bool:
    """Return whether a listing has an image or, with a tag, keeps that tag of it."""
    image = listing.images.get(repository)
    return image is not None and (tag is None or tag in image.kept_tags)


def _may_name(line: str, repository: Repository) -> bool:
    """Return whether an invalid line may have been meant to name an image."""
    words = _NO_LETTER.sub("", line.lower())[:_LONGEST_LINE]
    last_part = _NO_LETTER.sub("", repository.path.rpartition("/")[2])
    if last_part in words:
        return True
    names = {_NO_LETTER.sub("", name) for name in (repository.path, repository.familiar, image_name(repository))}
    return any(SequenceMatcher(None, words, name, autojunk=False).ratio() >= _ALIKE for name in names)
