"""Rows for the claims about the origin of an image: base, provenance, SBOM, signatures and end of life."""

from collections.abc import Iterator, Mapping

from microbadger.image import (
    BaseDocument,
    ProvenanceDocument,
    VersionDocument,
    claims_of,
    is_read,
    short_digest,
    short_reference,
)
from microbadger.site.rows import Part, Row, aside, bounded, linked, row

_INPUTS_SHOWN = 10
_LICENSES_SHOWN = 5
_SIGNATURES_SHOWN = 10

_DIFFERENT = {"Source": "source repositories", "Commit": "commits"}
_NAME_THE_SAME = aside("the labels agree")
_THEY_NAME = aside("the labels say")


def has_claims(version: VersionDocument) -> bool:
    """Return whether a page shows claims. For a version that was read, it also shows that there are none."""
    return is_read(version) or any(claims_of(version).values())


def claim_notes(version: VersionDocument) -> list[str]:
    """Return a sentence about each conspicuous fact: fields that differ, and claims that could not be read."""
    notes = []
    differs = [_DIFFERENT[field] for field in version.get("Provenance", {}).get("Differs", []) if field in _DIFFERENT]
    if differs:
        notes.append(f"The labels and the provenance name different {' and '.join(differs)}.")
    if "UnreadClaims" in version:
        notes.append(f"Some of this could not be read: {version['UnreadClaims'].removesuffix('.')}.")
    return notes


def claim_rows(version: VersionDocument) -> list[Row]:
    """Return a row for each claim about a version. Base, provenance, SBOM and signatures always have a row."""
    return [
        _base(version.get("Base", {})),
        *_provenance(version),
        _sbom(version),
        _signatures(version),
        *([row("End of life", Part(version["EndOfLife"], "day"))] if "EndOfLife" in version else []),
    ]


def _base(base: BaseDocument) -> Row:
    name, state = short_reference(base.get("Name", "")), base.get("State")
    parts = [Part(name)] if name else []
    if "Digest" in base:
        parts.append(Part(short_digest(base["Digest"]), "code"))
    if state == "current":
        parts += [Part(state, "tag"), aside("its tag names the same layers")]
    elif state == "outdated":
        parts += [Part(state, "tag"), *_move(base)]
    elif state == "unknown":
        parts.append(aside("it is not known whether its tag has moved"))
    return row("Base image", *(parts or [Part("not given")]))


def _move(base: BaseDocument) -> Iterator[Part]:
    if "MovedAt" not in base:
        yield aside("the tag has moved")
        return
    yield aside("the tag moved")
    yield Part(base["MovedAt"], "time")
    if base.get("MovedAtIsExact") is False:
        yield aside("or earlier")


def _provenance(version: VersionDocument) -> Iterator[Row]:
    provenance = version.get("Provenance")
    if provenance is None:
        yield _absent("Provenance", version)
        return
    unread = [aside(f"it could not be read: {provenance['Unread']}")] if "Unread" in provenance else []
    yield row("Provenance", Part(provenance["PredicateType"], "code"), *unread)
    names = [Part(provenance["BuilderName"])] if "BuilderName" in provenance else []
    if builder := [*names, *([Part(provenance["Builder"], "code")] if "Builder" in provenance else [])]:
        yield row("Built by", *builder)
    yield from _source(provenance, version)
    if "Dockerfile" in provenance:
        yield row("Dockerfile", Part(provenance["Dockerfile"], "code"))
    if "Invocation" in provenance:
        yield row("Build", linked(provenance["Invocation"]))
    times = (("started", provenance.get("StartedAt")), ("finished", provenance.get("FinishedAt")))
    if items := [[aside(word), Part(time, "time")] for word, time in times if time]:
        yield Row("Built", items)
    yield from _inputs(provenance)


def _source(provenance: ProvenanceDocument, version: VersionDocument) -> Iterator[Row]:
    """Yield the source and the commit, each with the one in the labels."""
    labelled = version.get("VersionControl")
    if "Source" in provenance:
        yield _beside("Source", linked(provenance["Source"]), linked(version.get("Source", "")))
    if "Commit" in provenance:
        label = labelled["Commit"] if labelled else ""
        yield _beside("Commit", Part(provenance["Commit"], "code"), Part(label, "code"))


def _beside(name: str, claim: Part, label: Part) -> Row:
    if not label.text:
        return row(name, claim)
    return row(name, claim, _NAME_THE_SAME) if label == claim else row(name, claim, _THEY_NAME, label)


def _inputs(provenance: ProvenanceDocument) -> Iterator[Row]:
    items = [
        [Part(each["URI"], "code"), *([Part(short_digest(each["Digest"]), "code")] if "Digest" in each else [])]
        for each in provenance.get("Inputs", [])
    ]
    if items:
        yield Row("Inputs", bounded(items, _INPUTS_SHOWN, provenance.get("InputCount")))


def _sbom(version: VersionDocument) -> Row:
    sbom = version.get("SBOM")
    if sbom is None:
        return _absent("SBOM", version)
    parts = [Part(" ".join(filter(None, [sbom["Format"], sbom.get("FormatVersion")])))]
    if "PackageCount" in sbom:
        parts.append(aside(f"{sbom['PackageCount']} package{'' if sbom['PackageCount'] == 1 else 's'}"))
    if "Unread" in sbom:
        parts.append(aside(f"not counted: {sbom['Unread']}"))
    licenses = sbom.get("Licenses")
    return Row("SBOM", [parts, *([[Part(_licenses_text(licenses))]] if licenses else [])])


def _licenses_text(licenses: Mapping[str, int]) -> str:
    """Return the first licenses, ``MIT (12), Apache-2.0 (3)``, and the number of others."""
    shown = [f"{name} ({count})" for name, count in licenses.items()][:_LICENSES_SHOWN]
    others = len(licenses) - len(shown)
    return ", ".join(shown) + (f" and {others} other{'' if others == 1 else 's'}" if others else "")


def _signatures(version: VersionDocument) -> Row:
    signatures = version.get("Signatures")
    if not signatures:
        return row("Signatures", Part("not known" if signatures is None else "none"))
    items = [
        [Part(each["Kind"]), *([aside("made"), Part(each["CreatedAt"], "time")] if "CreatedAt" in each else [])]
        for each in signatures
    ]
    return Row("Signatures", bounded(items, _SIGNATURES_SHOWN))


def _absent(name: str, version: VersionDocument) -> Row:
    return row(name, Part("none" if is_read(version) and "UnreadClaims" not in version else "not known"))
