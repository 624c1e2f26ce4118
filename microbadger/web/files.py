"""Finds public files for requests, and parses names in URLs."""

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
    """The files below ``public/``. A file that is missing or empty is made from the record of its image."""

    freshness: Freshness
    publisher: PublicTree
    visitors: Visitors

    def find(self, path: str) -> bytes | None:
        """Return the content of the file at a path, or None if there is no such file."""
        if _is_hidden(path):
            return None
        return self._noted(path, self.publisher.read(path) or self.freshness.make(path))

    def has(self, path: str) -> bool:
        """Return whether there is a file at a path, after making it if it is missing."""
        is_there = self.publisher.has(path) or self.freshness.make(path) is not None
        return bool(self._noted(path, is_there))

    def answer(self, path: str) -> Response:
        """Answer with the file at a path, or with the page of the folder there. Raises NotFound."""
        for found in (path, f"{path.removesuffix('/')}/{HOME}"):
            if answer := self._answer(found):
                return answer
        raise NotFound

    def answer_of(self, name: str, path_of: Callable[[ImagePaths], str]) -> Response | None:
        """Answer with a file of the image in a part of a URL; return None if there is no such file."""
        reference = parse_name(name)
        path = path_of(paths_of(name, reference)) if reference else ""
        return self._answer(path) if path else None

    def _answer(self, path: str) -> Response | None:
        """Answer with the file at exactly this path; return None if there is none."""
        if _is_hidden(path):
            return None
        if content := self._noted(path, self._published(path)):
            return file_answer(content, path)
        made = self._noted(path, self.freshness.make(path))
        if made and len(made) > LARGEST_IN_MEMORY_BYTES:
            return file_answer(self._published(path) or made, path)  # it is not published if the disk is full
        return file_answer(made, path) if made else None

    def _published(self, path: str) -> bytes | LargeFile | None:
        """Return the published file at a path: its content, or a LargeFile that is read later."""
        file = self.publisher.open(path)
        if file is None:
            return None
        size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes > LARGEST_IN_MEMORY_BYTES:
            return LargeFile(file, size_bytes)
        with file:
            return file.read(size_bytes)

    def _noted(self, path: str, found: T) -> T:
        """Return the file that was found, after recording that its image was requested."""
        if found and self.freshness.admissions.is_open and (repository := image_in(path)):
            self.visitors.note(repository, is_page=path.startswith("images/"))
        return found


class AnyPath(PathConverter):
    """A part of a URL that can have any characters, including slashes and line breaks."""

    regex = r"[^/][\s\S]*?"


def _is_hidden(path: str) -> bool:
    """Return whether a path must not be read. Files have hidden names while they are being written."""
    return any(part.startswith(".") or "\0" in part for part in path.split("/"))


def parse_name(name: str) -> Reference | None:
    """Return the image, perhaps with a tag, that a part of a URL names, or None if it is not a valid name."""
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
