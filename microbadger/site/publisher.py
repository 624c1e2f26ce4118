"""Writes the public tree: whole files or nothing, and nothing where nothing changed."""

import json
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from microbadger.image import ImageDocument, Repository, VersionDocument
from microbadger.site.paths import ImagePaths
from microbadger.store import PUBLIC_MODE, read_if_any, remove_file, replace_file, replace_if_other


class PublishError(Exception):
    """A file could not be written; the sentence names it and the cause, and the old file still stands."""


class Publisher:
    """The folder ``public/``, addressed by the paths of `microbadger.site.paths`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, path: str) -> bytes | None:
        """Return the bytes published at a path, or None."""
        return read_if_any(f"{self.folder}/{path}")

    def write(self, path: str, content: bytes) -> bool:
        """Publish these bytes at a path; False, and no write, where they stand there already."""
        with _translated("write", path):
            if self.read(path) == content:
                return False
            self._put(path, content)
        return True

    def write_parts(self, path: str, parts: Iterable[bytes]) -> bool:
        """Do the same with a content that comes in parts because it may be long."""
        with _translated("write", path):
            return replace_if_other(self.folder / path, parts, PUBLIC_MODE)

    def remove(self, path: str) -> bool:
        """Take a path out of the public tree, with the folders this leaves empty."""
        with _translated("remove", path):
            return remove_file(self.folder / path, self.folder)

    def find(self, patterns: Iterable[str]) -> list[str]:
        """Return the published paths that fit one of these patterns."""
        found = (path for pattern in patterns for path in self.folder.glob(pattern))
        return sorted(str(path.relative_to(self.folder)) for path in found if path.is_file())

    def has(self, path: str) -> bool:
        """Tell whether something is published at a path; no byte, as a power failure may leave a file, is nothing."""
        try:
            status = os.stat(f"{self.folder}/{path}")  # noqa: PTH116 - of many files, in half the time of a `Path`
        except OSError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size > 0

    def replace(self, new: Mapping[str, bytes], gone: Collection[str]) -> list[str]:
        """Publish ``new`` in its order and take away what is ``gone``; return the paths that changed.

        The last file of ``new`` is written after everything else is in place: it is the record of what was published,
        so a process that dies before it leaves a record that leads to the same work again.
        """
        *first, last = new
        changed = [path for path in first if self.write(path, new[path])]
        changed += [path for path in sorted(gone) if self.remove(path)]
        return changed + [path for path in [last] if self.write(path, new[path])]

    def overwrite(self, new: Mapping[str, bytes]) -> set[str]:
        """Publish ``new`` in its order, in the place of what is known to be other, and return its paths."""
        for path, content in new.items():
            with _translated("write", path):
                self._put(path, content)
        return set(new)

    def read_image(self, repository: Repository) -> ImageDocument | None:
        """Return the published document of an image; None where there is none, or none that can be read."""
        document = self._read_document(ImagePaths.of(repository).metadata)
        if not _has_fields(document, ImageDocument.__required_keys__) or not isinstance(document["Versions"], list):
            return None
        is_whole = all(_has_fields(version, VersionDocument.__required_keys__) for version in document["Versions"])
        return cast(ImageDocument, document) if is_whole else None

    def read_version(self, repository: Repository, sha: str) -> VersionDocument | None:
        """Return the published document of a version; None where there is none, or none that can be read."""
        document = self._read_document(ImagePaths.of(repository).version(sha))
        return cast(VersionDocument, document) if _has_fields(document, VersionDocument.__required_keys__) else None

    def _put(self, path: str, content: bytes) -> None:
        replace_file(self.folder / path, content, PUBLIC_MODE)

    def _read_document(self, path: str) -> Any:
        try:
            return json.loads(self.read(path) or b"null")
        except (ValueError, RecursionError):
            return None


@contextmanager
def _translated(what: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = "into" if what == "write" else "from"
        raise PublishError(f"cannot {what} {path} {where} the public folder: {error.strerror}") from error


def _has_fields(value: object, names: frozenset[str]) -> bool:
    return isinstance(value, dict) and names <= value.keys()
