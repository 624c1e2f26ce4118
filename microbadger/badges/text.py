"""Writes the texts of each type of badge for an image: its label and its message.

An unknown value reads ``unknown``, and a missing label reads ``not given``; neither is ever shown as 0. Attestations
and signatures are never called verified: a badge only says that they exist.
"""

from collections.abc import Callable
from dataclasses import dataclass

from microbadger.image import (
    ROOT,
    ImageDocument,
    Labels,
    PlatformDocument,
    VersionDocument,
    current_version,
    facts_of,
    is_read,
    most_specific,
    platform_text,
    read_time,
    short_reference,
    size_text,
    tag_version,
    tags_of,
    update_for,
    user_of,
)

UNKNOWN = "unknown"
NOT_GIVEN = "not given"
NOT_FOUND = "not found"
UP_TO_DATE = "up to date"
PENDING = "pending"
YES, NO = "yes", "no"

_COMMIT_LENGTH = 7
_PLATFORMS_NAMED = 3
_COLORS_OF_STATES = {"current": "green", "outdated": "orange"}


@dataclass(frozen=True, slots=True)
class Badge:
    """The two texts of a badge, and the colors of its halves."""

    label: str
    message: str
    color: str = "blue"
    label_color: str = "grey"

    @property
    def is_blank(self) -> bool:
        """Whether the badge only says that its fact is unknown or not given."""
        return self.message in (UNKNOWN, NOT_GIVEN)


class VersionNotFound(LookupError):
    """The image has no version with the tag, or no version at all."""

    def __init__(self, image_name: str, tag: str | None) -> None:
        super().__init__(f"{image_name} has no tag {tag!r}." if tag else f"{image_name} has no version.")


@dataclass(frozen=True, slots=True)
class _Subject:
    image: ImageDocument
    version: VersionDocument
    tag: str | None
    labels: Labels
    pre_releases: bool

    @property
    def is_read(self) -> bool:
        return is_read(self.version)

    @property
    def knows_layers(self) -> bool:
        return self.is_read or self.version["LayerCount"] > 0

    @property
    def main_tag(self) -> str | None:
        """The tag that was asked for, or else the most specific tag of the version; None if it has no tag."""
        all_tags = [tag for version in self.image["Versions"] for tag in tags_of(version)]
        return self.tag or most_specific(tags_of(self.version), all_tags)

    @property
    def newest(self) -> str | None:
        """The tag of the newest release of this variant, or the main tag if none is newer; None if unknown."""
        digests = {tag: version["Digest"] for version in self.image["Versions"] for tag in tags_of(version)}
        return update_for(self.main_tag, digests, pre_releases=self.pre_releases) if self.main_tag else None

    def spelt(self, tag: str) -> str:
        """Return a tag as it is shown. For a chart, this is the version that the tag names."""
        return tag_version(tag) if "Chart" in self.version else tag


def badges_of(
    image: ImageDocument,
    tag: str | None,
    *,
    pre_releases: bool = False,
    seen: Callable[[VersionDocument], VersionDocument] = lambda version: version,
) -> dict[str, Badge]:
    """Return the badges of an image by type, for a tag, or for the current version if ``tag`` is None.

    With ``pre_releases``, pre-releases count as releases, which affects only the types in `CHANGED_BY_PRE_RELEASES`.
    ``seen`` can replace the version before it is shown, for example by the view of one platform. Raises VersionNotFound
    if the image does not have the tag or has no versions.
    """
    versions = image["Versions"]
    if tag is None:
        version = current_version(versions)
    else:
        version = next((version for version in versions if tag in tags_of(version)), None)
    if version is None:
        raise VersionNotFound(image["ImageName"], tag)
    version = seen(version)
    subject = _Subject(image, version, tag, facts_of(version), pre_releases)
    return {badge_type: word(subject) for badge_type, word in BADGE_TYPES.items()}


def not_found_badge(subject: str = "image") -> Badge:
    """Return the badge for an image or a tag that does not exist."""
    return Badge(subject, NOT_FOUND, "lightgrey")


def pending_badge(badge_type: str) -> Badge:
    """Return the badge for an image that is tracked but was not read yet."""
    return Badge(badge_type, PENDING, "lightgrey")


def count_text(count: int) -> str:
    """Return a count with at most three digits: ``999``, ``1.2k``, ``35k``, ``1.2M``."""
    if count < 1000:
        return str(count)
    amount, unit = count / 1000, "k"
    for larger in ("M", "B"):
        if round(amount) >= 1000:
            amount, unit = amount / 1000, larger
    return f"{amount:.0f}{unit}" if amount >= 10 else f"{amount:.1f}{unit}".replace(".0", "")


def layers_text(count: int) -> str:
    """Return a number of layers in words: ``9 layers``, ``1 layer``."""
    return f"{count} layer{'' if count == 1 else 's'}"


def platforms_text(platforms: list[PlatformDocument]) -> str:
    """Return the names of up to three platforms, the count if there are more, or ``unknown`` if there are none."""
    names = [name for name in dict.fromkeys(map(platform_text, platforms)) if name != UNKNOWN]
    if not names:
        return UNKNOWN
    if len(names) > _PLATFORMS_NAMED:
        return f"{len(names)} platforms"
    first, *others = names
    system = first.partition("/")[0]
    return ", ".join([first, *(name.removeprefix(f"{system}/") for name in others)])


def _image(subject: _Subject) -> Badge:
    size = size_text(subject.version["DownloadSize"])
    if subject.knows_layers:
        return Badge(size, layers_text(subject.version["LayerCount"]))
    if "Chart" in subject.version:
        return Badge(size, "Helm chart")
    return _unknown(size if size != UNKNOWN else "image")


def _version(subject: _Subject) -> Badge:
    tag = subject.main_tag or "latest"
    if subject.pre_releases and not subject.tag:
        tag = subject.newest or tag
    elif not subject.tag:
        tag = subject.version.get("Chart", {}).get("Version", tag)
    if tag == "latest" and not subject.tag:
        tag = subject.labels.version or tag
    return Badge("version", subject.spelt(tag))


def _commit(subject: _Subject) -> Badge:
    return _given(subject, "commit", (subject.labels.revision or "")[:_COMMIT_LENGTH])


def _license(subject: _Subject) -> Badge:
    return _given(subject, "license", subject.labels.license.code if subject.labels.license else "")


def _size(subject: _Subject) -> Badge:
    return _known("size", size_text(subject.version["DownloadSize"]))


def _layers(subject: _Subject) -> Badge:
    return _known("layers", str(subject.version["LayerCount"]) if subject.knows_layers else UNKNOWN)


def _platforms(subject: _Subject) -> Badge:
    return _known("platforms", platforms_text(subject.version["Platforms"]))


def _created(subject: _Subject) -> Badge:
    created = read_time(subject.version.get("Created"))
    return _known("created", created.date().isoformat() if created else UNKNOWN)


def _pulls(subject: _Subject) -> Badge:
    return _count("pulls", subject.image.get("PullCount"))


def _stars(subject: _Subject) -> Badge:
    return _count("stars", subject.image.get("StarCount"))


def _base(subject: _Subject) -> Badge:
    base = subject.version.get("Base", {})
    name = short_reference(base.get("Name") or subject.labels.base_name or "")
    state = base.get("State", UNKNOWN)
    if subject.is_read and name and state in _COLORS_OF_STATES:
        return Badge("base", f"{name} · {state}", _COLORS_OF_STATES[state])
    return _given(subject, "base", name)


def _update(subject: _Subject) -> Badge:
    newest = subject.newest
    if newest is None:
        return _unknown("update")
    if newest == subject.main_tag:
        return Badge("update", UP_TO_DATE, "green")
    return Badge("update", f"{subject.spelt(newest)} available", "orange")


def _provenance(subject: _Subject) -> Badge:
    provenance = subject.version.get("Provenance")
    return _claim(subject, "provenance", None if provenance is None else provenance.get("BuilderName") or YES)


def _sbom(subject: _Subject) -> Badge:
    return _claim(subject, "sbom", YES if "SBOM" in subject.version else None)


def _signature(subject: _Subject) -> Badge:
    signatures = subject.version.get("Signatures")
    if signatures is None:
        return _unknown("signature")
    kinds = dict.fromkeys(signature["Kind"] for signature in signatures)
    return Badge("signature", ", ".join(kinds)) if kinds else Badge("signature", NO, "lightgrey")


def _user(subject: _Subject) -> Badge:
    if "Config" not in subject.version or not subject.is_read:
        return _unknown("user")
    systems = {platform.get("OS") for platform in subject.version["Platforms"]}
    user = user_of(subject.version["Config"], "windows" if systems == {"windows"} else None)
    return Badge("user", ROOT, "orange") if user == ROOT else _given(subject, "user", user)


BADGE_TYPES: dict[str, Callable[[_Subject], Badge]] = {
    "image": _image,
    "version": _version,
    "commit": _commit,
    "license": _license,
    "size": _size,
    "layers": _layers,
    "platforms": _platforms,
    "created": _created,
    "pulls": _pulls,
    "stars": _stars,
    "base": _base,
    "update": _update,
    "provenance": _provenance,
    "sbom": _sbom,
    "signature": _signature,
    "user": _user,
}

CHANGED_BY_PRE_RELEASES = frozenset({"version", "update"})
"""The types of badges that may differ if pre-releases count."""


def _given(subject: _Subject, label: str, text: str) -> Badge:
    if text and (subject.is_read or "Unsupported" in subject.version):
        return Badge(label, text)
    return Badge(label, NOT_GIVEN, "lightgrey") if subject.is_read else _unknown(label)


def _claim(subject: _Subject, label: str, text: str | None) -> Badge:
    """Return the badge for a claim. Without a text, it says ``no``, or ``unknown`` if not everything was read."""
    if text is not None:
        return Badge(label, text)
    is_known = subject.is_read and "UnreadClaims" not in subject.version
    return Badge(label, NO, "lightgrey") if is_known else _unknown(label)


def _known(label: str, text: str) -> Badge:
    return Badge(label, text) if text != UNKNOWN else _unknown(label)


def _count(label: str, count: int | None) -> Badge:
    return _unknown(label) if count is None else Badge(label, count_text(count))


def _unknown(label: str) -> Badge:
    return Badge(label, UNKNOWN, "lightgrey")
