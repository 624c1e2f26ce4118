"""Derives the facts about a version from its annotations and its own labels, leaving out inherited labels.

A label with the same value as in a known base image was inherited, and describes the base. A base image may become
known at any time, so all fields that depend on labels can be computed again from a published document.
"""

from collections.abc import Mapping

from microbadger.image.documents import (
    BaseDocument,
    LicenseDocument,
    RelativeDocument,
    VersionControlDocument,
    VersionDocument,
    format_time,
    named_base,
    ordered,
)
from microbadger.image.fields import read_time
from microbadger.image.labels import Labels, read_base, read_labels
from microbadger.image.provenance import compared

_FROM_LABELS = ("License", "VersionControl", "Source")


def facts_of(version: VersionDocument) -> Labels:
    """Return the facts in the annotations of a version and in its own labels."""
    return read_labels(_own_labels(version), version.get("Annotations", {}))


def recorded_base(version: VersionDocument) -> tuple[BaseDocument, bool]:
    """Return the base image in a version's annotations, or else in its own labels, and whether annotations name it.

    A name from an annotation is never combined with a digest from a label.
    """
    name, digest = read_base(version.get("Annotations", {}))
    is_annotation = bool(name)
    if not is_annotation:
        name, of_labels = read_base(_own_labels(version))
        digest = digest or of_labels
    return named_base(name, digest), is_annotation


def related(
    version: VersionDocument,
    parents: list[RelativeDocument],
    identical: list[RelativeDocument],
    base_labels: Mapping[str, str] | None = None,
) -> VersionDocument:
    """Return the version with these relatives, and with its inherited labels and facts updated.

    ``base_labels`` are the labels of its nearest parent. Empty lists are left out. If the inherited labels change, the
    base image is read from the version's annotations and labels again, because its name may be inherited, too.
    """
    changed = version.copy()
    labels, of_base = version.get("Labels", {}), base_labels or {}
    inherited = sorted(key for key, text in labels.items() if of_base.get(key) == text)
    for field, found in (("Parents", parents), ("Identical", identical), ("InheritedLabels", inherited)):
        changed.pop(field, None)  # type: ignore[misc]
        if found:
            changed[field] = found  # type: ignore[literal-required]
    if changed.get("InheritedLabels") != version.get("InheritedLabels"):
        changed.pop("Base", None)
    _renew(changed)
    return version if changed == version else ordered(VersionDocument, changed)


def add_facts(version: VersionDocument) -> None:
    """Fill in the fields of a version that depend on its labels and annotations."""
    facts = facts_of(version)
    if facts.license:
        version["License"] = LicenseDocument(Code=facts.license.code)
        if facts.license.url:
            version["License"]["URL"] = facts.license.url
    if facts.version_control:
        version["VersionControl"] = VersionControlDocument(
            Type=facts.version_control.type, URL=facts.version_control.url, Commit=facts.version_control.commit
        )
    if facts.source:
        version["Source"] = facts.source
    base, _ = recorded_base(version)
    if base and "Base" not in version:
        version["Base"] = base
    if "Provenance" in version:
        version["Provenance"] = compared(version["Provenance"], facts)
    version["Author"] = version["Author"] or facts.authors or ""
    if facts.created and "Created" not in version:
        version["Created"] = format_time(facts.created)


def _own_labels(version: VersionDocument) -> dict[str, str]:
    inherited = set(version.get("InheritedLabels", []))
    return {key: text for key, text in version.get("Labels", {}).items() if key not in inherited}


def _renew(version: VersionDocument) -> None:
    """Compute the fields that depend on labels again. An author or a time that is not from a label stays."""
    by_all_labels = read_labels(version.get("Labels", {}), version.get("Annotations", {}))
    for field in _FROM_LABELS:
        version.pop(field, None)  # type: ignore[misc]
    if version["Author"] == by_all_labels.authors:
        version["Author"] = ""
    if read_time(version.get("Created")) in (None, by_all_labels.created):
        version.pop("Created", None)
    add_facts(version)
