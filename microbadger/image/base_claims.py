"""Finds the base images that a version claims: in an annotation, in a label, or among the inputs of its build.

Annotations and labels have the keys of https://github.com/opencontainers/image-spec/blob/main/annotations.md, and the
inputs of a build are package URLs: https://github.com/package-url/purl-spec. None of these claims are trusted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from microbadger.image.documents import BaseDocument, InputDocument, VersionDocument, image_name, named_base
from microbadger.image.reference import InvalidReference, Reference, Repository, is_digest
from microbadger.image.tags import LATEST
from microbadger.image.version_facts import recorded_base

SCRATCH = "scratch"
"""The name that means that there is no base image."""
_LONGEST_URL = 2000
_MOST_QUALIFIERS = 20
_IMAGE_URL = re.compile(r"pkg:(?P<type>docker|oci)/+(?P<path>[^?#]+)(?:\?(?P<query>[^#]*))?(?:#.*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BaseClaim:
    """A claimed base image: its name, and the digest recorded with the name, which may be empty.

    ``repository`` is None if the name is invalid. ``tag`` is None if the name has a digest but no tag, and so cannot
    move.
    """

    name: str
    digest: str = ""
    repository: Repository | None = None
    tag: str | None = None
    is_annotation: bool = False

    @property
    def key(self) -> str:
        """The canonical name of the tag to follow, or an empty text if there is none."""
        return f"{self.repository}:{self.tag}" if self.repository and self.tag else ""

    @property
    def document(self) -> BaseDocument:
        """The name and the digest as a document."""
        return named_base(self.name, self.digest)


def recorded_claim(version: VersionDocument) -> BaseClaim | None:
    """Return the base image in the annotations of a version, or else in its own labels; None if there is none."""
    base, is_annotation = recorded_base(version)
    return claim_of(base.get("Name", ""), base.get("Digest", ""), is_annotation=is_annotation) if base else None


def claim_of(name: str, digest: str = "", *, is_annotation: bool = False) -> BaseClaim:
    """Return the claim in a name such as ``alpine``, ``alpine:3.22`` or ``alpine:3.22@sha256:…``."""
    try:
        reference = Reference.parse(name)
    except InvalidReference:
        return BaseClaim(name, digest, is_annotation=is_annotation)
    if name == SCRATCH:
        return BaseClaim(name, is_annotation=is_annotation)
    tag = reference.tag or (None if reference.digest else LATEST)
    return BaseClaim(name, digest or reference.digest or "", reference.repository, tag, is_annotation)


def image_inputs(version: VersionDocument) -> list[BaseClaim]:
    """Return the images among the inputs of a version's build, without duplicates."""
    inputs = version.get("Provenance", {}).get("Inputs", [])
    return list(dict.fromkeys(_input_claims(inputs)))


def _input_claims(inputs: list[InputDocument]) -> Iterator[BaseClaim]:
    for each in inputs:
        match = _IMAGE_URL.fullmatch(each["URI"]) if len(each["URI"]) <= _LONGEST_URL else None
        claim = _input_claim(match, each.get("Digest", "")) if match else None
        if claim:
            yield claim


def _input_claim(match: re.Match[str], digest: str) -> BaseClaim | None:
    """Return the claim in a package URL, or None if it is invalid."""
    try:
        qualifiers = dict(parse_qsl(match["query"] or "", max_num_fields=_MOST_QUALIFIERS))
    except ValueError:
        return None
    path, _, version = (match["path"] if "@" in match["path"] else f"{match['path']}@").rpartition("@")
    name, version = _full_name(match["type"].lower(), unquote(path).strip("/"), qualifiers), unquote(version)
    pinned = next(filter(_names_content, (version, qualifiers.get("digest", ""))), "")
    tag = qualifiers.get("tag") if is_digest(version) else version
    recorded = digest if _names_content(digest) else pinned
    try:
        reference = Reference(Repository.parse(name), tag or (None if pinned else LATEST), None)
    except InvalidReference:
        return None
    ending = f":{reference.tag}" if reference.tag else f"@{recorded}"
    return BaseClaim(f"{image_name(reference.repository)}{ending}", recorded, reference.repository, reference.tag)


def _names_content(text: str) -> bool:
    return is_digest(text) and text.startswith(("sha256:", "sha512:"))


def _full_name(url_type: str, name: str, qualifiers: dict[str, str]) -> str:
    """Return the name of a repository with its host, which the qualifier `repository_url` may give.

    For an `oci` URL, the qualifier may also be the full name.

    https://github.com/package-url/purl-spec/blob/main/types-doc/oci-definition.md
    """
    place = qualifiers.get("repository_url", "").removeprefix("https://").strip("/")
    if not place:
        return name
    return place if url_type == "oci" and place.rpartition("/")[2] == name.rpartition("/")[2] else f"{place}/{name}"
