"""Prepares the labels and annotations of an image for its page.

Known labels have a name in words, and are links only if `microbadger.image.labels` found a safe address. All others are
shown as they are. If a label is missing that a badge or the page shows, the table has lines that add it. Labels that
the image inherits from its base image describe the base, so they are marked and count as missing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from microbadger.image import KNOWN_FIELDS, Labels, VersionDocument, read_labels, says_something

_NAMES = {
    "title": "Title",
    "description": "Description",
    "version": "Version",
    "revision": "Commit",
    "source": "Source",
    "license": "License",
    "documentation": "Documentation",
    "url": "Website",
    "vendor": "Vendor",
    "authors": "Authors",
    "created": "Created",
    "base_name": "Base image",
    "base_digest": "Base digest",
}

# For each field, the text for a Dockerfile, and for the shell of a CI job that knows the commit. Words in capitals are
# placeholders: if they are pasted unchanged, they do not count as facts, nor as addresses that a page would link.
_EXAMPLES = {
    "source": ("https://HOST/OWNER/REPOSITORY", "https://HOST/OWNER/REPOSITORY"),
    "revision": ("$REVISION", "$(git rev-parse HEAD)"),
    "version": ("$VERSION", "$(git describe --tags --always)"),
    "license": ("LICENSE-ID", "LICENSE-ID"),
    "description": ("DESCRIPTION", "DESCRIPTION"),
    "documentation": ("https://HOST/DOCUMENTATION", "https://HOST/DOCUMENTATION"),
    "base_name": ("BASE-IMAGE:TAG", "BASE-IMAGE:TAG"),
}


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A label or an annotation: its name in words, its key, and a link if its address is safe."""

    name: str
    key: str
    text: str
    url: str | None = None
    is_inherited: bool = False


@dataclass(frozen=True, slots=True)
class LabelTable:
    """All labels and annotations, and the lines that add missing ones, which are empty if none is missing."""

    known: list[LabelRow]
    others: list[LabelRow]
    dockerfile: str
    command: str


def table_of(version: VersionDocument) -> LabelTable:
    """Return the table of the labels and annotations of a version."""
    return label_table(version.get("Labels", {}), version.get("Annotations", {}), version.get("InheritedLabels", []))


def label_table(
    labels: Mapping[str, str], annotations: Mapping[str, str], inherited: Collection[str] = ()
) -> LabelTable:
    """Return the table of labels, and of the annotations of the manifest and the index.

    ``inherited`` are the keys of labels that come from the base image.
    """
    own = {key: text for key, text in labels.items() if key not in inherited}
    of_base = {key: text for key, text in labels.items() if key in inherited}
    facts, facts_of_base = read_labels(own, annotations), read_labels(of_base, {})
    rows, shown = dict[str, LabelRow](), set[tuple[str, str]]()
    for field in _NAMES:
        if given := _given(field, own, annotations):
            rows[field] = _row(field, *given, facts)
        elif given := _given(field, of_base, {}):
            rows[field] = replace(_row(field, *given, facts_of_base), is_inherited=True)
        shown |= {given} if given else set()
    others = [
        LabelRow(key, key, text, is_inherited=source is labels and key in inherited)
        for source in (labels, annotations)
        for key, text in sorted(source.items())
        if (key, text) not in shown
    ]
    missing = [field for field in _EXAMPLES if field not in rows or rows[field].is_inherited]
    known, others = list(rows.values()), list(dict.fromkeys(others))
    return LabelTable(known, others, _dockerfile(missing), _command(missing))


def _given(field: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the first key of a field with a text, and the text, in the precedence of `labels`; None if none has."""
    oci, label_schema = KNOWN_FIELDS[field]
    for source, key in ((annotations, oci), (labels, oci), (labels, label_schema)):
        if key and says_something(key, source.get(key, "")):
            return key, source[key]
    return None


def _row(field: str, key: str, text: str, facts: Labels) -> LabelRow:
    return LabelRow(_NAMES[field], key, *_text_and_link(field, text, facts))


def _text_and_link(field: str, text: str, facts: Labels) -> tuple[str, str | None]:
    if field == "license" and facts.license:
        return facts.license.code, facts.license.url
    if field == "revision" and facts.version_control:
        return facts.revision or text, facts.version_control.url
    if field in ("source", "documentation", "url"):
        url: str | None = getattr(facts, field)
        return url or text, url
    return text, None


def _dockerfile(missing: Iterable[str]) -> str:
    lines = [f'{KNOWN_FIELDS[field][0]}="{_EXAMPLES[field][0]}"' for field in missing]
    arguments = [f"ARG {field.upper()}\n" for field in missing if _EXAMPLES[field][0] == f"${field.upper()}"]
    return "".join(arguments) + "LABEL " + " \\\n      ".join(lines) if lines else ""


def _command(missing: Iterable[str]) -> str:
    options = [f'--label {KNOWN_FIELDS[field][0]}="{_EXAMPLES[field][1]}"' for field in missing]
    return " \\\n  ".join(["docker build", *options, "."]) if options else ""
