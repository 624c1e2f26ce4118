"""Writes the public tree: whole files or nothing, and nothing where nothing changed."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import cast

from microbadger.documents import ImageDocument
from microbadger.files import PUBLIC_MODE, read_if_any, remove_file, replace_file
from microbadger.public_tree import ImagePaths
from microbadger.reference import Repository


class PublishError(Exception):
    """A file could not be written; the sentence names it and the cause, and the old file still stands."""


class Publisher:
    """The folder ``public/``, addressed by the paths of `microbadger.public_tree`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, path: str) -> bytes | None:
        """Return the bytes published at a path, or None."""
        return read_if_any(self.folder / path)

    def write(self, path: str, content: bytes) -> bool:
        """Publish these bytes at a path; False, and no write, where they stand there already."""
        try:
            if self.read(path) == content:
                return False
            replace_file(self.folder / path, content, PUBLIC_MODE)
        except OSError as error:
            raise PublishError(f"cannot write {path} into the public folder: {error.strerror}") from error
        return True

    def remove(self, path: str) -> bool:
        """Take a path out of the public tree, with the folders this leaves empty."""
        try:
            return remove_file(self.folder / path, self.folder)
        except OSError as error:
            raise PublishError(f"cannot remove {path} from the public folder: {error.strerror}") from error

    def has(self, path: str) -> bool:
        """Tell whether something is published at a path."""
        return (self.folder / path).is_file()

    def replace(self, new: Mapping[str, bytes], gone: Collection[str]) -> list[str]:
        """Publish ``new`` in its order and take away what is ``gone``; return the paths that changed.

        The last file of ``new`` is written after everything else is in place: it is the record of what was published,
        so a process that dies before it leaves a record that leads to the same work again.
        """
        *first, last = new
        changed = [path for path in first if self.write(path, new[path])]
        changed += [path for path in sorted(gone) if self.remove(path)]
        return changed + [path for path in [last] if self.write(path, new[path])]

    def read_image(self, repository: Repository) -> ImageDocument | None:
        """Return the published document of an image; None where there is none, or none that can be read."""
        content = self.read(ImagePaths.of(repository).metadata)
        try:
            document = json.loads(content or b"null")
        except ValueError:
            return None
        is_image = isinstance(document, dict) and ImageDocument.__required_keys__ <= document.keys()
        return cast(ImageDocument, document) if is_image else None
