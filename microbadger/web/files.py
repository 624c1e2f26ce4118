"""Finds public files for requests, and reads names in URLs."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from flask import Response
from werkzeug.exceptions import NotFound
from werkzeug.routing import PathConverter

from microbadger.freshness import Freshness
from microbadger.image import InvalidReference, Reference
from microbadger.site import HOME, ImagePaths, PublicTree, image_in
from microbadger.web.answers import LARGEST_IN_MEMORY_BYTES, file_answer
from microbadger.web.large_files import LargeFile
from microbadger.web.visitors import Visitors

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PublicFiles:
    """The files below ``public/``; one that is missing or empty is made from the record."""

    freshness: Freshness
    publisher: PublicTree
    visitors: Visitors

    def find(self, path: str) -> bytes | None:
        """Return the content of the file at a path; None if there is no such file."""
        if _is_hidden(path):
            return None
        return self._noted(path, self.publisher.read(path) or self.freshness.make(path))

    def has(self, path: str) -> bool:
        """Return whether there is such a file, perhaps only since now."""
        is_there = self.publisher.has(path) or self.freshness.make(path) is not None
        return bool(self._noted(path, is_there))

    def answer(self, path: str) -> Response:
        """Answer with the file at a path, or with the page of the folder there. Raise NotFound if there is none."""
        for found in (path, f"{path.removesuffix('/')}/{HOME}"):
            if answer := self._answer(found):
                return answer
        raise NotFound

    def answer_of(self, name: str, path_of: Callable[[ImagePaths], str]) -> Response | None:
        """Answer with a file of the image that a part of a URL names; None if there is no such file."""
        reference = parse_name(name)
        path = path_of(paths_of(name, reference)) if reference else ""
        return self._answer(path) if path else None

    def _answer(self, path: str) -> Response | None:
        """Answer with the file at exactly this path; None if there is none."""
        if _is_hidden(path):
            return None
        if content := self._noted(path, self._published(path)):
            return file_answer(content, path)
        made = self._noted(path, self.freshness.make(path))
        if made and len(made) > LARGEST_IN_MEMORY_BYTES:
            return file_answer(self._published(path) or made, path)  # a full disk does not have it
        return file_answer(made, path) if made else None

    def _published(self, path: str) -> bytes | LargeFile | None:
        """Return what is published at a path, a large file as one that is still to be read."""
        file = self.publisher.open(path)
        if file is None:
            return None
        size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes > LARGEST_IN_MEMORY_BYTES:
            return LargeFile(file, size_bytes)
        with file:
            return file.read(size_bytes)

    def _noted(self, path: str, found: T) -> T:
        """Return what was found at a path, after noting that its image was asked for."""
        if found and self.freshness.admissions.is_open and (repository := image_in(path)):
            self.visitors.note(repository, is_page=path.startswith("images/"))
        return found


class AnyPath(PathConverter):
    """A part of a URL that can hold slashes, and whatever else strangers put there, line breaks too."""

    regex = r"[^/][\s\S]*?"


def _is_hidden(path: str) -> bool:
    """Return whether no request may read a path: a file has a hidden name while it is being written."""
    return any(part.startswith(".") or "\0" in part for part in path.split("/"))


def parse_name(name: str) -> Reference | None:
    """Return the image, perhaps with a tag, that a part of a URL names; None if it is not a name."""
    try:
        reference = Reference.parse(name)
    except InvalidReference:
        return None
    return None if reference.digest else reference


def paths_of(name: str, reference: Reference) -> ImagePaths:
    """Return the paths of the image under the name that a part of a URL has for it: an official image has two."""
    bare = name.removesuffix(f":{reference.tag}")
    paths = ImagePaths.all_of(reference.repository)
    return next((each for each in paths if each.name == bare), paths[0])
