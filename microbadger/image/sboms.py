"""Reads SBOMs: the numbers of packages that they list, in total and by license.

Entries with a package URL count as packages; others are files or the image itself. Only the numbers are kept.
https://spdx.github.io/spdx-spec/v2.3/ and https://cyclonedx.org/docs/1.6/json/
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, chain

from microbadger.image.documents import SBOMDocument
from microbadger.image.errors import InvalidManifest
from microbadger.image.fields import parse_document, read_list, read_object, read_text
from microbadger.image.labels import one_line
from microbadger.image.statements import Statement
from microbadger.image.words import shortened

_SPDX, _CYCLONEDX, _SYFT, _UNKNOWN = "SPDX", "CycloneDX", "Syft", "unknown"
_FORMATS_BY_TYPE = (("spdx", _SPDX), ("cyclonedx", _CYCLONEDX), ("syft", _SYFT))
_MOST_ENTRIES = 500_000  # JSON with more parts is not parsed
_MOST_LICENSES = 50
_MAX_LICENSES_LENGTH = 2000
_MAX_LICENSE_LENGTH = 100
_NO_ANSWERS = ("", "NOASSERTION", "NONE")
_OF_IMAGE = "pkg:oci/"  # syft lists the image itself among its packages
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+){0,2}")
_SPDX_3 = re.compile(r"https?://spdx\.org/rdf/v?([^/]*)/")

# The licenses of each package; an empty text means that the license is unknown.
_Packages = Iterator[set[str]]


def read_sbom(statement: Statement, *, digest: str, size_bytes: int) -> SBOMDocument:
    """Return the summary of the SBOM in a statement. ``digest`` and ``size_bytes`` are those of its blob."""
    predicate = statement.predicate
    # Early versions of cosign put the SBOM in an additional object.
    document = read_object(predicate.get("Data")) or predicate
    return _counted(document, statement.predicate_type, digest, size_bytes)


def read_raw_sbom(raw: bytes, *, digest: str, size_bytes: int, media_type: str = "") -> SBOMDocument:
    """Return the summary of an SBOM outside a statement. If it is not JSON, its format is taken from its media type."""
    try:
        document = parse_document(raw)
    except InvalidManifest as error:
        return unread_sbom(media_type, error.reason, digest=digest, size_bytes=size_bytes)
    return _counted(document, media_type, digest, size_bytes)


def unread_sbom(kind: str, reason: str, *, digest: str = "", size_bytes: int = 0) -> SBOMDocument:
    """Return the summary of an SBOM that exists but was not counted. ``reason`` is a sentence.

    ``kind`` is its predicate type or its media type.
    """
    return {**_document(_format_by_type(kind), "", digest, size_bytes), "Unread": one_line(reason)}


def _counted(document: Mapping[str, object], kind: str, digest: str, size_bytes: int) -> SBOMDocument:
    name, version, packages = _recognized(document) or (_format_by_type(kind), "", None)
    sbom = _document(name, version, digest, size_bytes)
    if packages is not None:
        licenses = list(packages)
        sbom["PackageCount"] = len(licenses)
        if most := _most_frequent(chain.from_iterable(licenses)):
            sbom["Licenses"] = most
    return sbom


def _most_frequent(licenses: Iterable[str]) -> dict[str, int]:
    """Return the most frequent licenses, as many as are published, with their numbers of packages."""
    counts = sorted(Counter(filter(None, licenses)).items(), key=lambda item: (-item[1], item[0]))[:_MOST_LICENSES]
    lengths = accumulate(len(license_) for license_, _ in counts)
    return dict(item for item, length in zip(counts, lengths, strict=True) if length <= _MAX_LICENSES_LENGTH)


def _document(name: str, version: str, digest: str, size_bytes: int) -> SBOMDocument:
    sbom = SBOMDocument(Format=name)
    if version:
        sbom["FormatVersion"] = version
    if digest:
        sbom["Digest"] = digest
    if size_bytes:
        sbom["SizeBytes"] = size_bytes
    return sbom


def _format_by_type(kind: str) -> str:
    return next((name for word, name in _FORMATS_BY_TYPE if word in kind.lower()), _UNKNOWN)


def _recognized(document: Mapping[str, object]) -> tuple[str, str, _Packages | None] | None:
    """Return the format of an SBOM, its version and, if the format can be read, its packages; None if unrecognized."""
    spdx_version = read_text(document.get("spdxVersion")).removeprefix("SPDX-")
    if spdx_version:
        is_known = spdx_version.startswith("2.")
        return _SPDX, _version(spdx_version), _spdx_packages(document) if is_known else None
    if document.get("bomFormat") == _CYCLONEDX:
        return _CYCLONEDX, _version(document.get("specVersion")), _cyclonedx_packages(document)
    if context := _SPDX_3.match(read_text(document.get("@context"))):
        return _SPDX, _version(context[1]), None
    if read_object(document.get("descriptor")).get("name") == "syft":
        return _SYFT, _version(read_object(document.get("schema")).get("version")), None
    return None


def _version(value: object) -> str:
    text = read_text(value)
    return text if _VERSION.fullmatch(text) and len(text) <= 20 else ""


def _spdx_packages(document: Mapping[str, object]) -> _Packages:
    for package in map(read_object, read_list(document.get("packages"), _MOST_ENTRIES)):
        references = map(read_object, read_list(package.get("externalRefs"), _MOST_ENTRIES))
        purls = [read_text(each.get("referenceLocator")) for each in references if each.get("referenceType") == "purl"]
        if any(not purl.startswith(_OF_IMAGE) for purl in purls):
            yield {_license(package.get("licenseConcluded"), package.get("licenseDeclared"))}


def _cyclonedx_packages(document: Mapping[str, object]) -> _Packages:
    waiting = [document]
    while waiting:
        components = [*map(read_object, read_list(waiting.pop().get("components"), _MOST_ENTRIES))]
        waiting += components
        yield from (_cyclonedx_licenses(component) for component in components if read_text(component.get("purl")))


def _cyclonedx_licenses(component: Mapping[str, object]) -> set[str]:
    choices = map(read_object, read_list(component.get("licenses"), _MOST_ENTRIES))
    named = ((read_object(choice.get("license")), choice.get("expression")) for choice in choices)
    return {_license(fields.get("id"), fields.get("name"), expression) for fields, expression in named}


def _license(*values: object) -> str:
    """Return the first value that names a license, as a text that is safe to show, or an empty text."""
    texts = (shortened(one_line(read_text(value)), _MAX_LICENSE_LENGTH) for value in values)
    return next((text for text in texts if text.upper() not in _NO_ANSWERS), "")
