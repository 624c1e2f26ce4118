"""Routes of the metadata API: images, versions, the list of images and the search."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, HTTPException, NotFound, TooManyRequests

from microbadger.badges import BADGE_TYPES
from microbadger.freshness import Freshness
from microbadger.image import Reference, Repository, document_bytes, image_name, shown_at
from microbadger.site import CATALOGUE, JSON, ImagePaths
from microbadger.web.answers import PASSING, document_answer, error_answer, file_answer, unread_answer
from microbadger.web.comparisons import UnknownVersion, asked_pair, compared
from microbadger.web.files import PublicFiles, parse_name, paths_of
from microbadger.web.visitors import Visitors

_PAGE_SIZE = 50
_LARGEST_PAGE = 1000
_FOUND_AT_MOST = 10
_NAMES_ON_A_PAGE = 100
_LAST_PAGE = 10**9
_TOO_MANY = "not tracked yet: too many new images were requested recently. Try again later."


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRoutes:
    """The public routes below ``/v1``."""

    freshness: Freshness
    files: PublicFiles
    visitors: Visitors

    def blueprint(self) -> Blueprint:
        """Return the routes, ready to be registered with an app."""
        routes = Blueprint("api", __name__, url_prefix="/v1")
        for rule, view in (
            ("/badges/counts", self.badge_counts),
            ("/images", self.list_images),
            ("/images/search/<path:term>", self.search),
            ("/images/-/<page>", self.page),
            ("/images/<path:name>/version/<sha>", self.version),
            ("/images/<path:name>/-/changes.json", self.changes),
            ("/images/<path:name>/-/compare/<path:pair>", self.compare),
            ("/images/<path:name>/-/history.json", self.history),
            ("/images/<path:name>/-/releases.json", self.releases),
            ("/images/<path:name>/-/status.json", self.status),
            ("/images/<path:name>", self.image),
        ):
            routes.add_url_rule(rule, view_func=view, methods=["GET"], strict_slashes=False)
        routes.register_error_handler(HTTPException, error_answer)
        return routes

    def image(self, name: str) -> Response:
        """Answer with the document of an image; with a tag, the fields at the top describe that version."""
        name = self._without_ending(name.removesuffix("/"))
        reference = parse_name(name)
        if reference and reference.tag and self.files.has(paths_of(name, reference).metadata):
            return self._shown_at(reference)
        found = self.files.answer_of(name, lambda paths: paths.metadata)
        return self._unread(self._tracked(name)) if found is None else found

    def _without_ending(self, name: str) -> str:
        """Return the name of an image without ``.json``, unless the image has a tag that ends so."""
        reference = parse_name(name)
        image = self.freshness.records.image(reference.repository) if reference and _has_ending(reference.tag) else None
        is_tag = image is not None and reference is not None and shown_at(image, reference.tag or "") is not None
        return name if is_tag else name.removesuffix(".json")

    def version(self, name: str, sha: str) -> Response:
        """Answer with the document of one version, with its layers."""
        found = self.files.answer_of(name, lambda paths: paths.version(sha.removesuffix(".json")))
        if found is not None:
            return found
        repository = self._tracked(name)
        if self.freshness.records.updated_at(repository) is None:
            return self._unread(repository)
        raise NotFound(f"{name} has no version {sha} here.")

    def changes(self, name: str) -> Response:
        """Answer with the last changes of an image."""
        return self._read(name, lambda paths: paths.changes)

    def history(self, name: str) -> Response:
        """Answer with the versions that the tags of an image named over time."""
        return self._read(name, lambda paths: paths.history)

    def compare(self, name: str, pair: str) -> Response:
        """Answer with the differences between two versions of an image."""
        asked, repository = asked_pair(pair.removesuffix("/")), self._tracked(name)
        image = self.freshness.published(repository)
        if image is None:
            return self._unread(repository)
        try:
            found = compared(self.freshness, repository, image, asked)
        except UnknownVersion as error:
            raise NotFound(str(error)) from error
        return file_answer(document_bytes(found), CATALOGUE)

    def releases(self, name: str) -> Response:
        """Answer with the releases of an image, in the format of Renovate."""
        return self._read(name, lambda paths: paths.releases)

    def status(self, name: str) -> Response:
        """Answer with the result of the last check of an image, and the time of the next one."""
        repository = self._tracked(name)
        check = self.freshness.checks.get(repository)
        return document_answer(check.status(repository, self.freshness.now()), cache=PASSING)

    def list_images(self) -> Response:
        """Answer with all images, in one document or in pages; with ``query``, with names, as microbadger.com did."""
        if "query" in request.args:
            return self._list_names()
        if not request.args.keys() & {"page", "page_size"}:
            return self.files.answer(CATALOGUE)
        page, page_size = _number("page", 1), min(_number("page_size", _PAGE_SIZE), _LARGEST_PAGE)
        return file_answer(self.freshness.catalogue.page(page, page_size), CATALOGUE)

    def _list_names(self) -> Response:
        """Answer with a page of names, as microbadger.com did.

        An invalid page number means the first page, and empty fields are left out.
        """
        page = request.args.get("page", 1, int)
        page = page if 0 < page <= _LAST_PAGE else 1
        images, count = self.freshness.catalogue.names(request.args["query"], page, _NAMES_ON_A_PAGE)
        found = {"CurrentPage": page, "PageCount": -(-count // _NAMES_ON_A_PAGE), "ImageCount": count}
        listed = found | {"Images": [repository.familiar for repository in images]}
        return file_answer(document_bytes({name: value for name, value in listed.items() if value}), CATALOGUE)

    def badge_counts(self) -> Response:
        """Answer with the number of Docker Hub images that have badges here, and the number of badges."""
        images = self.freshness.catalogue.count_of_docker_hub()
        counts = {"badges": images * len(BADGE_TYPES), "images": images}
        return file_answer(document_bytes({"docker_hub": counts}), CATALOGUE)

    def page(self, page: str) -> Response:
        """Answer with the file of a further page of the list of all images."""
        return self.files.answer(f"{CATALOGUE.removesuffix('.json')}/-/{page}")

    def search(self, term: str) -> Response:
        """Answer with the names that match a term best, or with the file of an image that is called ``search/…``."""
        if term.endswith(".json"):
            with suppress(NotFound):
                return self.files.answer(f"v1/images/search/{term}")
        found = [_full_name(name) for name in self.freshness.catalogue.search(term, _FOUND_AT_MOST)]
        return file_answer(document_bytes({"Images": found} if found else {}), CATALOGUE)

    def _read(self, name: str, path: Callable[[ImagePaths], str]) -> Response:
        """Answer with a file of an image. An image that is not tracked yet is tracked if that is allowed."""
        found = self.files.answer_of(name, path)
        return self._unread(self._tracked(name)) if found is None else found

    def _tracked(self, name: str) -> Repository:
        """Return the image in the path of a request. An image that is not tracked yet is tracked if that is allowed.

        Raises NotFound, and TooManyRequests if no further image may be tracked now.
        """
        reference = parse_name(name)
        admission = self.visitors.ask_for(reference)
        if admission.retry_after_seconds:
            raise TooManyRequests(f"{name} is {_TOO_MANY}", retry_after=admission.retry_after_seconds)
        if reference is None or not admission.is_tracked:
            raise NotFound(f"{name} was not found in its registry." if admission.is_absent else _not_tracked(name))
        return reference.repository

    def _unread(self, repository: Repository) -> Response:
        """Answer that an image has no record, because it was not read yet or the registry does not have it."""
        if self.freshness.checks.get(repository).is_not_found:
            raise NotFound(f"{image_name(repository)} was not found in its registry.")
        named = {"ImageName": image_name(repository), "Registry": repository.registry, "Repository": repository.path}
        return unread_answer(document_bytes(named), JSON)

    def _shown_at(self, reference: Reference) -> Response:
        image = self.freshness.records.image(reference.repository)
        shown = shown_at(image, reference.tag) if image and reference.tag else None
        if shown is None:
            raise NotFound(f"{reference} is not known: the tag is not kept fresh here.")
        return file_answer(document_bytes(shown), CATALOGUE)


def _not_tracked(name: str) -> str:
    return f"{name} is not tracked here."


def _has_ending(tag: str | None) -> bool:
    return tag is not None and tag.endswith(".json")


def _number(name: str, otherwise: int) -> int:
    text = request.args.get(name, str(otherwise))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise BadRequest(f"Invalid {name} {text!r}: must be a whole number of at least 1.")
    return int(text)


def _full_name(name: str) -> str:
    """Return a name as microbadger.com's search spelled it: official images with ``library/``."""
    return Repository.parse(name).familiar
