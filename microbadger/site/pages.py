"""Writes the home page, the pages of missing images and tags, and the page of the HTTP API."""

import math
from collections.abc import Mapping, Sequence

from microbadger.image import InvalidReference, Reference, StatusDocument, image_name
from microbadger.site.openapi import document
from microbadger.site.options import SiteOptions
from microbadger.site.paths import API, FEED_OF_ALL, ImagePaths
from microbadger.site.templating import render

LISTED_ON_HOME = 200
_EXAMPLE_BADGES = {
    "image": "Download size and layers", "version": "Version", "platforms": "Platforms", "created": "Creation date",
}  # fmt: skip

# The words for the state of an image, or for the reason if it fails. A current image has none.
STATES = {
    "pending": "not read yet",
    "overdue": "check overdue",
    "failing": "check failed",
    "not_found": "not found in registry",
    "denied": "private or not found",
    "rate_limited": "rate limited by registry",
    "unreachable": "registry unreachable",
    "bad_answer": "registry answer invalid",
    "local": "cannot be stored",
}


def home_page(entries: Sequence[Mapping[str, object]], count: int, site: SiteOptions) -> bytes:
    """Return the home page with the first entries of the list of ``count`` images; its script finds the others.

    An entry has ``State``, and ``Reason`` if the image fails. The example shows badges of the first current image.
    """
    shown = entries[:LISTED_ON_HOME]
    current = (entry for entry in shown if entry.get("State") == "current" and "DownloadSize" in entry)
    example = next((ImagePaths(str(entry["ImageName"])) for entry in current if "Kind" not in entry), None)
    return render(
        "home.html",
        site,
        images=shown,
        count=count,
        states=STATES,
        feed_of_all=FEED_OF_ALL,
        example=example,
        example_badges=_EXAMPLE_BADGES,
    )


def absent_page(
    name: str,
    site: SiteOptions,
    status: StatusDocument | None = None,
    tag: str | None = None,
    *,
    is_absent: bool = False,
    retry_after_seconds: int = 0,
    again: str = "",
) -> bytes:
    """Return the page for an image or a tag that has no page of its own.

    ``name`` is the part of the address that should be the name of the image. ``status`` is None if the image is not
    tracked. In that case ``is_absent`` says that its registry did not have it, and ``retry_after_seconds`` is given if
    it cannot be tracked earlier. ``tag`` is given if the image has a record without this tag. ``again`` is a query that
    no cache knows; the page of an image that is being read uses it to reload itself.
    """
    try:
        repository = Reference.parse(name).repository
    except InvalidReference:
        return unnamed_page(name, site)
    trackable = image_name(repository)
    return render(
        "absent.html",
        site,
        case=_case(status, tag, is_absent=is_absent, is_refused=retry_after_seconds > 0),
        retry_after=_minutes_text(retry_after_seconds),
        is_open=repository.registry in site.open_registries,
        again=again,
        name=name,
        tag=tag,
        status=status,
        trackable=trackable,
        paths=ImagePaths(trackable),
        states=STATES,
    )


def unnamed_page(text: str, site: SiteOptions) -> bytes:
    """Return the page for a text that is not a valid name of an image; it explains names."""
    return render("absent.html", site, case="invalid", name=text, states=STATES)


def api_page(base_url: str) -> bytes:
    """Return the page about the HTTP API."""
    return render("api.html", SiteOptions(base_url), document=document(base_url), api=API)


def _case(status: StatusDocument | None, tag: str | None, *, is_absent: bool, is_refused: bool) -> str:
    if status is None:
        return "refused" if is_refused else "absent" if is_absent else "not tracked"
    if tag:
        return "no such tag"
    return "failing" if status["State"] == "failing" else "pending"


def _minutes_text(seconds: int) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
