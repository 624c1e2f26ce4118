"""Answers the metadata API: images, versions, the list and the search, and what an administrator may change."""

from contextlib import suppress
from dataclasses import dataclass

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, HTTPException, NotFound

from microbadger.freshness import TrackedImages
from microbadger.image import Reference, Repository, document_bytes, image_name, shown_at
from microbadger.site import CATALOGUE, ImagePaths, Listing, Publisher, list_page
from microbadger.web.answers import PASSING, document_answer, error_answer, file_answer
from microbadger.web.site import parse_name, public_file, published

_PAGE_SIZE = 50
_LARGEST_PAGE = 1000
_FOUND_AT_MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRoutes:
    """The routes below ``/v1/images``."""

    tracked: TrackedImages
    publisher: Publisher
    listing: Listing

    def blueprint(self) -> Blueprint:
        """Return the routes, ready to be registered with an app."""
        routes = Blueprint("api", __name__, url_prefix="/v1/images")
        for rule, view in (
            ("", self.list_images),
            ("/search/<path:term>", self.search),
            ("/<path:name>/version/<sha>", self.version),
            ("/<path:name>/-/changes.json", self.changes),
            ("/<path:name>", self.image),
        ):
            routes.add_url_rule(rule, view_func=view, methods=["GET"], strict_slashes=False)
        routes.register_error_handler(HTTPException, error_answer)
        return routes

    def image(self, name: str) -> Response:
        """The document of an image; with a tag, the fields on top are that version's."""
        reference = parse_name(name.removesuffix("/").removesuffix(".json"))
        if reference is None or not self.tracked.get(reference.repository):
            raise NotFound(f"{name} is not tracked here.")
        path = ImagePaths.of(reference.repository).metadata
        content = self.publisher.read(path)
        if content is None:
            return document_answer(_unread(reference.repository), 202, PASSING)
        return file_answer(self._shown_at(reference) if reference.tag else content, path)

    def version(self, name: str, sha: str) -> Response:
        """The document of one version, with its layers."""
        reference = parse_name(name)
        path = ImagePaths.of(reference.repository).version(sha.removesuffix(".json")) if reference else ""
        content = self.publisher.read(path) if path else None
        if content is None:
            raise NotFound(f"{name} has no version {sha} here.")
        return file_answer(content, path)

    def changes(self, name: str) -> Response:
        """What changed of an image."""
        return published(self.publisher, name, lambda paths: paths.changes)

    def list_images(self) -> Response:
        """The list of all images, whole or by pages."""
        if not request.args.keys() & {"page", "page_size"}:
            return file_answer(self.publisher.read(CATALOGUE) or document_bytes({"CurrentPage": 1}), CATALOGUE)
        page, page_size = _number("page", 1), min(_number("page_size", _PAGE_SIZE), _LARGEST_PAGE)
        return file_answer(list_page(self.publisher.folder / CATALOGUE, page, page_size), CATALOGUE)

    def search(self, term: str) -> Response:
        """The names of the images that fit a term best; a file first, of an image that is called ``search/…``."""
        if term.endswith(".json"):
            with suppress(NotFound):
                return public_file(self.publisher, f"v1/images/search/{term}")
        found = [_full_name(name) for name in self.listing.search(term, _FOUND_AT_MOST)]
        return file_answer(document_bytes({"Images": found} if found else {}), CATALOGUE)

    def _shown_at(self, reference: Reference) -> bytes:
        image = self.publisher.read_image(reference.repository)
        shown = shown_at(image, reference.tag) if image and reference.tag else None
        if shown is None:
            raise NotFound(f"{reference} is not known: its tag is not one of those kept fresh here.")
        return document_bytes(shown)


def _unread(repository: Repository) -> dict[str, object]:
    return {"ImageName": image_name(repository), "Registry": repository.registry, "Repository": repository.path}


def _number(name: str, otherwise: int) -> int:
    text = request.args.get(name, str(otherwise))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise BadRequest(f"{name}={text!r} is not a whole number from 1.")
    return int(text)


def _full_name(image_name: str) -> str:
    """Return a name as the search has always spelt it, official images with ``library/``."""
    return Repository.parse(image_name).familiar
