"""Lists the versions of an image for its page: a row for each, with the commands that pull it by its tags."""

from dataclasses import dataclass

from microbadger.image import (
    ImageDocument,
    Release,
    VersionDocument,
    facts_of,
    is_version_tag,
    ranked,
    releases_among,
    tags_of,
)
from microbadger.site.artifacts import pull_command

_COMMIT_LENGTH = 64  # the hex digits of SHA-256, which git can use


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version in the list: its tags, the most specific one first, each with the command that pulls it.

    ``commit`` is empty if it is not known, and ``commit_url`` if the page of the commit is not known.
    """

    version: VersionDocument
    pulls: dict[str, str]
    commit: str
    commit_url: str

    @property
    def tags(self) -> list[str]:
        return list(self.pulls)


def ranked_tags(image: ImageDocument, version: VersionDocument) -> list[str]:
    """Return the tags of a version of an image, the most specific one first."""
    return ranked(tags_of(version), _releases_of(image))


def version_rows(image: ImageDocument) -> list[VersionRow]:
    """Return a row for each version of an image, in order."""
    releases = _releases_of(image)
    return [
        VersionRow(
            version,
            {tag: pull_command(image, version, tag) for tag in ranked(tags_of(version), releases)},
            *_commit(version),
        )
        for version in image["Versions"]
    ]


def _releases_of(image: ImageDocument) -> dict[str, Release]:
    return releases_among(tag for version in image["Versions"] for tag in tags_of(version) if is_version_tag(tag))


def _commit(version: VersionDocument) -> tuple[str, str]:
    if "VersionControl" in version:
        return version["VersionControl"]["Commit"][:_COMMIT_LENGTH], version["VersionControl"]["URL"]
    return (facts_of(version).revision or "")[:_COMMIT_LENGTH], ""
