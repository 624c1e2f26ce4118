"""Routes for the public files, and for what files cannot do: badges in any style, and pages of missing images."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, HTTPException, NotFound

from microbadger.badges import (
    BADGE_TYPES,
    CHANGED_BY_PRE_RELEASES,
    Badge,
    VersionNotFound,
    badge_of,
    badges_of,
    draw,
    endpoint_document,
    not_found_badge,
    pending_badge,
    restyled,
)
from microbadger.freshness import Freshness
from microbadger.image import (
    Reference,
    Repository,
    VersionDocument,
    document_bytes,
    image_name,
    on_platform,
    parse_object,
    platform_named,
    release_tag,
    shortened,
    tags_of,
)
from microbadger.logs import EventLog
from microbadger.site import HOME, HTML, ImagePaths, PublishError, SiteOptions, absent_page, compare_page, unnamed_page
from microbadger.store import StoreError
from microbadger.web.answers import (
    FRESH,
    NOT_KEPT,
    PASSING,
    answer,
    error_answer,
    file_answer,
    retry_after,
    unread_answer,
)
from microbadger.web.comparisons import UnknownVersion, asked_pair, compared
from microbadger.web.feeds import FILTERS, filtered_feed_answer
from microbadger.web.files import PublicFiles, parse_name, paths_of
from microbadger.web.pasted_names import pasted_name
from microbadger.web.visitors import Visitors

log = EventLog(__name__)

_DRAWING_ARGUMENTS = {"style", "label", "color", "labelColor", "colorA", "colorB", "prerelease", "platform"}
_LONGEST_PLATFORM = 60
_LONGEST_ENTERED = 255


class _NotFound(LookupError):
    """The image is gone, or the version does not have the platform. The message is the name of the missing thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRoutes:
    """The routes for public files, and the objects that they need."""

    freshness: Freshness
    files: PublicFiles
    visitors: Visitors
    options: SiteOptions

    def blueprint(self) -> Blueprint:
        """Return the routes, ready to be registered with an app."""
        routes = Blueprint("site", __name__)
        for rule, view in (
            ("/", self.home),
            ("/badges/<badge_type>/<path:name>", self.badge),
            ("/images/", self.box),
            ("/images/<path:name>", self.page),
            ("/images/<path:name>/-/feed.xml", self.feed),
            ("/images/<path:name>/-/compare/<path:pair>", self.compare),
            ("/<path:path>", self.file),
        ):
            routes.add_url_rule(rule, view_func=view, methods=["GET"], strict_slashes=False)
        routes.register_error_handler(HTTPException, error_answer)
        return routes

    def home(self) -> Response:
        """Answer with the home page."""
        return self.file(HOME)

    def file(self, path: str) -> Response:
        """Answer with a public file, or with the page of a folder."""
        return self.files.answer(path)

    def badge(self, badge_type: str, name: str) -> Response:
        """Answer with a badge, even if the image does not exist, so that no README shows a broken picture."""
        stem, _, suffix = name.rpartition(".")
        if suffix not in ("svg", "json"):
            raise NotFound
        if badge_type not in BADGE_TYPES:
            raise BadRequest(f"Invalid badge type {badge_type!r}: must be one of {', '.join(BADGE_TYPES)}.")
        reference = parse_name(stem)
        try:
            reference = self._at_release(reference) if request.args.get("sort") == "semver" else reference
            path = paths_of(stem, reference).badge(badge_type, reference.tag, suffix) if reference else ""
            return self._badge(badge_type, reference, path, suffix)
        except (OSError, PublishError, StoreError) as error:
            _log_trouble(error)
            return file_answer(_drawn(pending_badge(badge_type), suffix), f"badge.{suffix}", PASSING)

    def page(self, name: str) -> Response:
        """Answer with the page of an image, or of one of its tags."""
        name = name.removesuffix("/").removesuffix("/index.html")
        reference = parse_name(name)
        tag = reference.tag if reference else None
        found = self.files.answer_of(name, lambda paths: paths.tag_page(tag) if tag else paths.page)
        return self._absent(name, reference) if found is None else found

    def box(self) -> Response:
        """Redirect to the page of the image that a reader entered, or to the home page if the box was empty.

        Explain names if the text is not the name of an image.
        """
        entered = request.args.get("image", "").strip()
        found = pasted_name(entered)
        if entered and found is None:
            return answer(unnamed_page(shortened(entered, _LONGEST_ENTERED), self.options), 404, HTML, NOT_KEPT)
        response = answer(b"", 303, HTML, NOT_KEPT)
        response.headers["Location"] = f"{urlsplit(self.options.base_url).path}/{_page_path(found) if found else ''}"
        return response

    def feed(self, name: str) -> Response:
        """Answer with the feed of an image, or with the part of it that the query selects."""
        reference = parse_name(name)
        if reference and FILTERS & request.args.keys():
            base_url = self.options.base_url
            found = filtered_feed_answer(self.freshness, reference.repository, request.args, base_url)
        else:
            found = self.files.answer_of(name, lambda paths: paths.feed)
        if found is None:
            raise NotFound(f"{name} is not tracked here, or was not read yet.")
        return found

    def compare(self, name: str, pair: str) -> Response:
        """Answer with the page that compares two versions of an image."""
        old, new = asked_pair(pair.removesuffix("/"))
        reference = parse_name(name)
        image = self.freshness.published(reference.repository) if reference else None
        if reference is None or image is None:
            return self._absent(name, reference)
        try:
            found = compared(self.freshness, reference.repository, image, (old, new))
        except UnknownVersion as error:
            return self._absent(name, reference, error.name)
        return file_answer(compare_page(found, old, new, paths_of(name, reference), self.options), HOME)

    def _at_release(self, reference: Reference | None) -> Reference | None:
        """Return a reference without a tag at its highest release, as ``sort=semver`` means at shields.io."""
        image = self.freshness.records.image(reference.repository) if reference and not reference.tag else None
        release = release_tag([tags_of(version) for version in image["Versions"]]) if image else None
        return Reference(reference.repository, release, None) if reference and release else reference

    def _badge(self, badge_type: str, reference: Reference | None, path: str, suffix: str) -> Response:
        content = self.files.find(path) if path else None
        if content and not request.args.keys() & _DRAWING_ARGUMENTS:
            return file_answer(content, path)
        cache = PASSING
        try:
            if content and reference:
                badge = self._badge_as_asked(badge_type, reference) or self._published_badge(path)
                cache = FRESH
            else:
                badge = self._badge_without_file(badge_type, reference)
        except _NotFound as error:
            badge = not_found_badge(str(error))
        return file_answer(_drawn(badge, suffix), f"badge.{suffix}", cache)

    def _badge_as_asked(self, badge_type: str, reference: Reference) -> Badge | None:
        """Return a badge from the record if the query has a platform or ``prerelease``, else None.

        Raises _NotFound.
        """
        name = request.args.get("platform", "")
        pre_releases = badge_type in CHANGED_BY_PRE_RELEASES and request.args.get("prerelease") == "1"
        if not name and not pre_releases:
            return None
        image = self.freshness.records.image(reference.repository)
        seen = partial(self._on_platform, reference.repository, name)
        try:
            return badges_of(image, reference.tag, pre_releases=pre_releases, seen=seen)[badge_type] if image else None
        except VersionNotFound:  # the record was just replaced
            return None

    def _on_platform(self, repository: Repository, name: str, version: VersionDocument) -> VersionDocument:
        """Return a version as it is on the platform in the query, or the whole version. Raises _NotFound."""
        if not name:
            return version
        whole = self.freshness.records.version(repository, version["SHA"]) or version
        platform = platform_named(whole, name)
        if platform is None:
            raise _NotFound(shortened(name, _LONGEST_PLATFORM))
        return on_platform(whole, platform)

    def _published_badge(self, path: str) -> Badge:
        """Return the badge that is published at a path, to draw it in another style; a damaged file is replaced.

        Raises _NotFound.
        """
        document = f"{path.rpartition('.')[0]}.json"
        for find in (self.files.find, self.freshness.make):
            with suppress(KeyError, ValueError):
                return badge_of(parse_object(find(document) or b""))
        raise _NotFound("image")  # it was just removed

    def _badge_without_file(self, badge_type: str, reference: Reference | None) -> Badge:
        admission = self.visitors.ask_for(reference)
        if admission.retry_after_seconds:
            return pending_badge(badge_type)
        if reference is None or not admission.is_tracked:
            return not_found_badge()
        if self.freshness.records.updated_at(reference.repository) is None:
            check = self.freshness.checks.get(reference.repository)
            return not_found_badge() if check.is_not_found else pending_badge(badge_type)
        try:
            self.freshness.check_if_unknown(reference)
        except StoreError as error:  # for example on a full disk; the badge is still right
            _log_trouble(error)
        return not_found_badge(reference.tag or "image")

    def _absent(self, name: str, reference: Reference | None, missing: str | None = None) -> Response:
        """Answer with a page that says why there is no page. ``missing`` is a version that the image does not have."""
        admission = self.visitors.ask_for(reference, is_page=True)
        if admission.retry_after_seconds:
            return self._refused(name, admission.retry_after_seconds)
        if reference is None or not admission.is_tracked:
            page = absent_page(name, self.options, is_absent=admission.is_absent)
            return answer(page, 404, HTML, NOT_KEPT if self.visitors.is_crawling else PASSING)
        repository = reference.repository
        check = self.freshness.checks.get(repository)
        status = check.status(repository, self.freshness.now())
        if self.freshness.records.updated_at(repository):
            return answer(absent_page(name, self.options, status, missing or reference.tag), 404, HTML, PASSING)
        page = absent_page(name, self.options, status, again=f"again={self.freshness.now().timestamp():.0f}")
        return answer(page, 404, HTML, PASSING) if check.is_not_found else unread_answer(page, HTML)

    def _refused(self, name: str, retry_after_seconds: int) -> Response:
        page = absent_page(name, self.options, retry_after_seconds=retry_after_seconds)
        return retry_after(answer(page, 429, HTML, NOT_KEPT), retry_after_seconds)


def _page_path(reference: Reference) -> str:
    paths = ImagePaths(image_name(reference.repository))
    return (paths.tag_page(reference.tag) if reference.tag else paths.page).removesuffix(HOME)


def _log_trouble(error: Exception) -> None:
    log.error("request_failed", method=request.method, rule=request.url_rule, status=200, error=error)


def _drawn(badge: Badge, suffix: str) -> bytes:
    """Return a badge in the style that the query names."""
    asked = request.args
    color, label_color = asked.get("color", asked.get("colorB")), asked.get("labelColor", asked.get("colorA"))
    badge = restyled(badge, label=asked.get("label"), color=color, label_color=label_color)
    if suffix == "json":
        return document_bytes(endpoint_document(badge))
    return draw(badge, asked.get("style", "flat"))
