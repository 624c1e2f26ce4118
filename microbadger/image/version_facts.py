"""What the labels and annotations of a version say of it, without the labels that are its base image's.

A label that equals the same label of a known base image was inherited: it describes the base. Whether there is a known
base can change at any time, so what follows from labels can be made anew from a published document.
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
    """Return the facts in the annotations of a version and in the labels that are its own."""
    return read_labels(_own_labels(version), version.get("Annotations", {}))


def recorded_base(version: VersionDocument) -> tuple[BaseDocument, bool]:
    """Return the base image that annotations name, else the labels that are a version's own, and whether the first do.

    The digest beside a name in an annotation is never that of a label.
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
    """Return the version with these relatives, and with the facts that its labels give beside those of its base.

    ``base_labels`` are the labels of its nearest parent; an empty list is left out. What is known of its base image
    stays, unless it turns out to have that name from its base.
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
    """Fill the fields of a version that follow from its labels and annotations."""
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
    """Make the fields that follow from labels anew; an author or a time that a label does not give is the config's."""
    by_all_labels = read_labels(version.get("Labels", {}), version.get("Annotations", {}))
    for field in _FROM_LABELS:
        version.pop(field, None)  # type: ignore[misc]
    if version["Author"] == by_all_labels.authors:
        version["Author"] = ""
    if read_time(version.get("Created")) in (None, by_all_labels.created):
        version.pop("Created", None)
    add_facts(version)
