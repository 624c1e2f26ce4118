"""Finds public files for requests, and reads names in URLs."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Response
from werkzeug.exceptions import NotFound
from werkzeug.routing import PathConverter

from microbadger.freshness import Freshness
from microbadger.image import InvalidReference, Reference
from microbadger.site import HOME, ImagePaths, PublicTree
from microbadger.web.answers import file_answer


@dataclass(frozen=True, slots=True)
class PublicFiles:
    """The files below ``public/``; one that is missing or empty is made from the record."""

    freshness: Freshness
    publisher: PublicTree

    def find(self, path: str) -> bytes | None:
        """Return the content of the file at a path; None if there is no such file."""
        if any(part.startswith(".") or "\0" in part for part in path.split("/")):
            return None  # a file has a hidden name while it is being written
        return self.publisher.read(path) or self.freshness.make(path)

    def answer(self, path: str) -> Response:
        """Answer with the file at a path, or with the page of the folder there. Raise NotFound if there is none."""
        for found in (path, f"{path.removesuffix('/')}/{HOME}"):
            if content := self.find(found):
                return file_answer(content, found)
        raise NotFound

    def answer_of(self, name: str, path_of: Callable[[ImagePaths], str]) -> Response | None:
        """Answer with a file of the image that a part of a URL names; None if there is no such file."""
        reference = parse_name(name)
        path = path_of(paths_of(name, reference)) if reference else ""
        content = self.find(path) if path else None
        return file_answer(content, path) if content else None


class AnyPath(PathConverter):
    """A part of a URL that can hold slashes, and whatever else strangers put there, line breaks too."""

    regex = r"[^/][\s\S]*?"


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
