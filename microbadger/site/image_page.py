"""Writes the page of an image, or of one of its tags, as HTML from its documents.

A page is complete and readable without its script. The script adds facts that it has to request: when the image was
checked, other versions and platforms, and other badges. A page contacts no other host.
"""

import json
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from urllib.parse import urlsplit

from microbadger.badges import STYLES, badges_of
from microbadger.image import (
    ChangeDocument,
    ImageDocument,
    PlatformDocument,
    PointDocument,
    Repository,
    TagDocument,
    VersionDocument,
    current_version,
    facts_of,
    image_name,
    platform_named,
    read_labels,
    tags_of,
)
from microbadger.site.artifacts import chart_rows, pinned_pull_command, pull_command, version_named
from microbadger.site.change_rows import change_entries, changes_of_tag
from microbadger.site.claim_rows import claim_notes, claim_rows, has_claims
from microbadger.site.config_rows import VARIABLES_SHOWN, config_table
from microbadger.site.history_chart import history_chart
from microbadger.site.label_table import label_table, table_of
from microbadger.site.layer_rows import layer_rows, shared_layers, shared_text
from microbadger.site.link_preview import preview_text
from microbadger.site.markup import FORMATS, BadgeLink, badge_link
from microbadger.site.options import SiteOptions
from microbadger.site.paths import ImagePaths
from microbadger.site.templating import render
from microbadger.site.version_rows import ranked_tags, version_rows

CLASSIC_BADGES = ("image", "version", "commit", "license")
_BADGE_NAMES = {
    "image": "Download size and layers",
    "version": "Version",
    "commit": "Commit",
    "license": "License",
    "size": "Download size",
    "layers": "Layers",
    "platforms": "Platforms",
    "created": "Created",
    "pulls": "Pulls",
    "stars": "Stars",
    "base": "Base image",
    "update": "Update",
    "provenance": "Provenance",
    "sbom": "SBOM",
    "signature": "Signature",
    "user": "User",
}
_FORMAT_NAMES = {
    "markdown": "Markdown",
    "html": "HTML",
    "restructuredtext": "reStructuredText",
    "asciidoc": "AsciiDoc",
}
_REGISTRY_NAMES = {"docker.io": "Docker Hub", "ghcr.io": "GitHub Container Registry", "quay.io": "Quay"}

_CHANGES_SHOWN = 20
_POINTS_SHOWN = 30
_LAYERS_SHOWN = 500
_LABELS_SHOWN = 200

_TAG_CHARACTERS = string.ascii_letters + string.digits + "_.-"


@dataclass(frozen=True, slots=True)
class BadgeRow:
    """A badge in the panel of badges."""

    type: str
    name: str
    path: str
    says: str
    markdown: str
    is_blank: bool


@dataclass(frozen=True, slots=True)
class PlatformNote:
    """Why some platforms of a version are incomplete, or the whole version if no platforms are given."""

    platforms: list[PlatformDocument]
    reason: str


def image_page(
    image: ImageDocument,
    *,
    tag: str | None = None,
    version: VersionDocument | None,
    changes: Sequence[ChangeDocument],
    points: Sequence[PointDocument] = (),
    site: SiteOptions,
) -> bytes:
    """Return the page of an image, about its current version or about the version of a tag.

    ``version`` is that version with its layers; if it is None, the script loads it. ``changes`` are sorted newest
    first, and the ``points`` of the history oldest first. The page of a tag shows only the changes of that tag. It does
    not list the versions of the image, because an image with a hundred tags has a hundred such pages.
    """
    repository = Repository(image["Registry"], image["Repository"])
    paths = ImagePaths(image_name(repository))
    version = version or version_shown(image, tag)
    shown_tag = tag or image.get("LatestVersion")
    shown_version = version_named(version, shown_tag) if version and shown_tag else shown_tag
    changes = list(changes_of_tag(changes, tag)) if tag else changes
    return render(
        "image.html",
        site,
        image=image,
        name=paths.name,
        tag=tag,
        shown_tag=shown_tag,
        shown_version=shown_version,
        preview=preview_text(image, version, shown_version or "unknown"),
        **_pulls_of(image, version, shown_tag),
        chart_rows=list(chart_rows(version.get("Chart", {}))) if version else [],
        page_url=f"{site.base_url}/{paths.tag_page_url(tag) if tag else paths.page_url}/",
        registry=_REGISTRY_NAMES.get(repository.registry, repository.registry),
        version=version,
        sight=sight_of(version, tag),
        shown_platform=main_platform_of(version) if version else None,
        unread_parts=unread_parts(version) if version else [],
        cut_parts=cut_parts(version) if version else [],
        **_blocks_of(version),
        facts=facts_of(version) if version else read_labels({}),
        labels=table_of(version) if version else label_table({}, {}),
        labels_shown=_LABELS_SHOWN,
        paths=paths,
        badges=_badge_rows(image, repository, tag, site.base_url) if version else [],
        classic=CLASSIC_BADGES,
        markup=_markup_templates(repository, site.base_url),
        styles=STYLES,
        badge_platforms=platforms_of_badges(image),
        formats=_FORMAT_NAMES,
        renovate_config=renovate_config(paths.name, site.base_url),
        changes=change_entries(changes[:_CHANGES_SHOWN], image, paths, is_static=site.is_static),
        points=points[: -_POINTS_SHOWN - 1 : -1],
        chart=history_chart(points, f"{paths.name}:{tag}" if tag else paths.name),
        versions=[] if tag else version_rows(image),
        tag_count=tag_count_text(image),
    )


def version_shown(image: ImageDocument, tag: str | None) -> VersionDocument | None:
    """Return the version of the tag or, without a tag, the current version; None if there is none."""
    if tag is None:
        return current_version(image["Versions"])
    return next((version for version in image["Versions"] if tag in tags_of(version)), None)


def sight_of(version: VersionDocument | None, tag: str | None) -> VersionDocument | TagDocument | None:
    """Return the document that has ``FirstSeen`` for a page: the tag or, without one, the version."""
    if version is None:
        return None
    seen = next((each for each in version["Tags"] if each["tag"] == tag), version)
    return seen if "FirstSeen" in seen else None


def renovate_config(name: str, base_url: str) -> str:
    """Return the JSON configuration with which Renovate reads the age of an image's releases from here.

    https://docs.renovatebot.com/configuration-options/#packagerulesoverridedatasource
    """
    url = f"{base_url}/{ImagePaths('{{packageName}}').releases}"
    rule = {
        "matchDatasources": ["docker"],
        "matchPackageNames": [name],
        "overrideDatasource": "custom.microbadger",
        "versioning": "docker",
        "minimumReleaseAge": "7 days",
    }
    config = {"customDatasources": {"microbadger": {"defaultRegistryUrlTemplate": url}}, "packageRules": [rule]}
    return json.dumps(config, indent=2)


def unread_parts(version: VersionDocument) -> list[PlatformNote]:
    """Return the platforms of a version that could not be read, grouped by the reason.

    A reason that the whole version already has is not repeated.
    """
    return _platform_notes(
        version,
        lambda platform: [platform["Unread"]] if "Unread" in platform else [],
        [version["Unread"]] if "Unread" in version else [],
    )


def cut_parts(version: VersionDocument) -> list[PlatformNote]:
    """Return which parts are left out because they are too large: of the whole version first, then of platforms."""
    of_all = version.get("Cut", [])
    of_platforms = _platform_notes(version, lambda platform: platform.get("Cut", []), of_all)
    return [*(PlatformNote([], reason) for reason in of_all), *of_platforms]


def _platform_notes(
    version: VersionDocument, reasons_of: Callable[[PlatformDocument], Sequence[str]], of_all: Sequence[str]
) -> list[PlatformNote]:
    parts: dict[str, list[PlatformDocument]] = {}
    for platform in version["Platforms"]:
        for reason in reasons_of(platform):
            if reason not in of_all:
                parts.setdefault(reason, []).append(platform)
    return [PlatformNote(platforms, reason) for reason, platforms in parts.items()]


def tag_count_text(image: ImageDocument) -> str:
    """Return ``100 of 130 tags shown`` if the registry has more tags than the image has here, else nothing."""
    shown = sum(len(version["Tags"]) for version in image["Versions"])
    count = image.get("TagCount", 0)
    return f"{shown} of {count} tags shown" if count > shown else ""


def main_platform_of(version: VersionDocument) -> PlatformDocument | None:
    """Return the platform whose size and layers are those of the version."""

    def is_main(platform: PlatformDocument) -> bool:
        layers = platform.get("Layers", version.get("Layers")) == version.get("Layers")
        same_size = platform["DownloadSize"] == version["DownloadSize"]
        return layers and same_size and platform["LayerCount"] == version["LayerCount"]

    return next(filter(is_main, version["Platforms"]), None)


def platform_choices(version: VersionDocument) -> list[str]:
    """Return the platforms of a version as the addresses of its badges name them: ``linux/arm/v7``.

    Platforms that have no such name are left out, and so is the only platform of a version.
    """
    names = [
        "/".join(filter(None, (platform.get("OS"), platform.get("Architecture"), platform.get("Variant"))))
        for platform in version["Platforms"]
    ]
    named = zip(names, version["Platforms"], strict=True)
    choices = [name for name, platform in named if platform_named(version, name) is platform]
    return choices if len(choices) > 1 else []


def platforms_of_badges(image: ImageDocument) -> dict[str, list[str]]:
    """Return the `platform_choices` of each tag, with the current version at ``""``; empty if there are none."""
    current = current_version(image["Versions"])
    choices = {"": platform_choices(current) if current else []}
    for version in image["Versions"]:
        choices |= dict.fromkeys(tags_of(version), platform_choices(version))
    return choices if any(choices.values()) else {}


def _pulls_of(image: ImageDocument, version: VersionDocument | None, tag: str | None) -> dict[str, object]:
    """Return the commands that pull a version by a tag, and the other tags that name it."""
    if version is None:
        return {}
    return {
        "pull_command": pull_command(image, version, tag),
        "pinned_pull_command": pinned_pull_command(image, version, tag),
        "other_tags": [each for each in ranked_tags(image, version) if each != tag],
    }


def _blocks_of(version: VersionDocument | None) -> dict[str, object]:
    """Return the context for the layers, the config and the claims of a version."""
    if version is None:
        return {}
    platform, layers = main_platform_of(version), version.get("Layers", [])[:_LAYERS_SHOWN]
    shared = shared_layers(version)
    return {
        "layers": list(layer_rows(layers, shared.count)),
        "shared_layers": shared_text(layers, shared),
        "config": config_table(version["Config"], platform and platform.get("OS")) if "Config" in version else None,
        "variables_shown": VARIABLES_SHOWN,
        "claim_notes": claim_notes(version),
        "claim_rows": claim_rows(version) if has_claims(version) else [],
    }


def _badge_rows(image: ImageDocument, repository: Repository, tag: str | None, base_url: str) -> list[BadgeRow]:
    paths = ImagePaths(image_name(repository))
    return [
        BadgeRow(
            type=badge_type,
            name=_BADGE_NAMES[badge_type],
            path=paths.badge(badge_type, tag, "svg"),
            says=f"{badge.label}: {badge.message}",
            markdown=FORMATS["markdown"](badge_link(base_url, repository, badge_type, tag)),
            is_blank=badge.is_blank,
        )
        for badge_type, badge in badges_of(image, tag).items()
    ]


def _markup_templates(repository: Repository, base_url: str) -> dict[str, object]:
    """Return the markup of a badge in each format, and its path, with placeholders that the script fills."""
    of_image = _with_query(badge_link(base_url, repository, "{type}"))
    of_tag = _with_query(badge_link(base_url, repository, "{type}", "{tag}"))
    spoken = replace(of_tag, alt=of_tag.alt.replace("{tag}", "{spoken}"))
    formats = {
        name: {"image": write(of_image), "tag": write(spoken), "escapes": _escapes(name)}
        for name, write in FORMATS.items()
    }
    preview = {"image": _path_of(of_image.image_url), "tag": _path_of(of_tag.image_url)}
    return {"formats": formats, "preview": preview, "classic": CLASSIC_BADGES}


def _with_query(link: BadgeLink) -> BadgeLink:
    return replace(link, image_url=link.image_url + "{query}")


def _path_of(url: str) -> str:
    """Return the path of a URL, because the host may be reached under several names."""
    return urlsplit(url).path


@cache
def _escapes(markup_format: str) -> dict[str, str]:
    """Return how a format escapes the characters in tags and between parameters that have a meaning in it."""
    write = FORMATS[markup_format]

    def written(text: str) -> str:
        return write(BadgeLink(alt=text, image_url="", page_url=""))

    before, _, after = written("{spoken}").partition("{spoken}")
    spelt = {char: written(char).removeprefix(before).removesuffix(after) for char in f"{_TAG_CHARACTERS}&"}
    return {char: spelling for char, spelling in spelt.items() if spelling != char}
