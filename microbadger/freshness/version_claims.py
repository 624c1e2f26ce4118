"""Reads the claims about one version: its provenance, SBOM, signatures and end of life.

The sources are read from the cheapest to the most expensive: attestations in the index of the version, the registry's
list of referrers or the one that clients store under a fallback tag, and tags that cosign names after a digest. Lists
and tags show which claims exist. To read claims, at most four more manifests are pulled, or one if the registry limits
pulls.
"""

from dataclasses import dataclass, field

from microbadger.freshness.reading import Reader, Unreadable
from microbadger.freshness.tag_choice import TagsBeside
from microbadger.image import (
    MAX_SBOM_BYTES,
    MAX_STATEMENT_BYTES,
    MOST_REFERRERS,
    Candidate,
    Descriptor,
    Index,
    InvalidManifest,
    InvalidStatement,
    ProvenanceDocument,
    Referrers,
    SBOMDocument,
    SignatureDocument,
    StatementBlob,
    UnrelatedStatement,
    UnsupportedManifest,
    VersionDocument,
    attestation_tag,
    candidates_among,
    claims_of,
    end_of_life,
    fallback_tag,
    main_platform_digest,
    parse_artifact,
    parse_referrers,
    parse_statement,
    read_provenance,
    read_raw_sbom,
    read_sbom,
    sbom_format,
    sbom_tag,
    signatures_among,
    statement_blobs,
    unread_provenance,
    unread_sbom,
    what_is,
)

_MOST_MANIFESTS = 4
_MOST_WHERE_LIMITED = 1
_MOST_BLOBS = 10
_NOT_AFFORDED = "reading it would cost one more pull"


@dataclass(slots=True)
class VersionClaims:
    """The claims about a version that were read so far.

    ``before`` is the earlier document of the version with the claims that were read last. ``signatures`` are the
    referrers that are signatures; None until it is known whether there are any. ``troubles`` are the reasons why claims
    may be missing.
    """

    reader: Reader
    beside: TagsBeside
    version: VersionDocument
    before: VersionDocument | None
    provenance: ProvenanceDocument | None = None
    sbom: SBOMDocument | None = None
    signatures: list[SignatureDocument] | None = None
    end_of_life: str | None = None
    troubles: list[Unreadable] = field(default_factory=list)
    _followed: set[str] = field(default_factory=set)
    _blobs_left: int = _MOST_BLOBS

    def read(self) -> None:
        """Read the claims from all sources."""
        self._read_index()
        self._read_referrers()
        self._read_tags()

    def read_content(self) -> None:
        """Read the claims from the index and from tags, without lists of referrers."""
        self._read_index()
        self._read_tags()

    def read_again(self) -> None:
        """Retry permanently broken claims, and read lists of referrers only if nothing else is still broken."""
        self.read_content()
        if not self.troubles:
            self._read_referrers()

    def _read_index(self) -> None:
        """Read the attestations in an index as BuildKit writes it.

        Those of the main platform are read, or of the first platform that has any.
        """
        subjects = subjects_of(self.version)
        if len(subjects) < 2:
            return
        try:
            index = self.reader.manifest(self.version["Digest"])
        except UnsupportedManifest:
            return
        except Unreadable as error:
            self.troubles.append(error)
            return
        if not isinstance(index, Index):
            return
        attestations = index.attestations
        platforms = [subjects[-1], *(image.digest for image in index.images)]
        platform = next((platform for platform in platforms if platform in attestations), None)
        if platform:
            self._follow(attestations[platform].digest, platform)

    def _read_referrers(self) -> None:
        """Read the claims among the referrers of the version."""
        found: list[tuple[str, Descriptor]] = []
        is_certain = True
        for subject in subjects_of(self.version):
            try:
                referrers, is_whole = self._referrers_of(subject)
            except Unreadable as error:
                self.troubles.append(error)
                is_certain = False
                break
            is_certain = is_certain and is_whole
            found += [(subject, artifact) for artifact in referrers.artifacts]
        artifacts = list({artifact.digest: artifact for _, artifact in found}.values())
        signatures = signatures_among(artifacts)
        if signatures or is_certain:
            self.signatures = signatures
        self.end_of_life = end_of_life(artifacts)
        for candidate in candidates_among(found):
            self._consider(candidate)

    def _referrers_of(self, subject: str) -> tuple[Referrers, bool]:
        """Return the referrers of a digest, and whether the list is complete. Raises Unreadable."""
        referrers = self.reader.referrers(subject)
        if referrers is not None:
            if referrers.is_cut:
                self.troubles.append(Unreadable(f"the image has more than {MOST_REFERRERS:,} referrers"))
            return referrers, not referrers.is_cut
        tag = fallback_tag(subject)
        if tag not in self.beside.pushed_at:
            if not self.beside.is_whole:
                raise Unreadable("the list of all tags, which can name claims, was not read", may_pass=True)
            return Referrers(), True
        if not self._may_follow(tag):
            raise Unreadable(f"the tag {tag} lists further claims, but {_NOT_AFFORDED}")
        try:
            return parse_referrers(self.reader.raw_manifest(self.reader.tagged(tag))), False
        except InvalidManifest:
            return Referrers(), False

    def _read_tags(self) -> None:
        """Read the claims that cosign stores under tags, if claims of that kind are still missing."""
        for subject in subjects_of(self.version):
            if not self._has("provenance", "sbom"):
                self._read_tag(attestation_tag(subject), subject)
            if not self._has("sbom"):
                self._read_tag(sbom_tag(subject), subject)

    def _read_tag(self, tag: str, subject: str) -> None:
        if tag not in self.beside.pushed_at:
            return
        if not self._may_follow(tag):
            self.troubles.append(Unreadable(f"the tag {tag} holds further claims, but {_NOT_AFFORDED}"))
            return
        try:
            self._read_artifact(self.reader.tagged(tag), subject)
        except Unreadable as error:
            self.troubles.append(error)

    def _consider(self, candidate: Candidate) -> None:
        """Read an artifact if it may hold a missing claim; if there is no pull left for it, note that it exists."""
        kind, digest = candidate.kind, candidate.descriptor.digest
        is_known = self._has("provenance", "sbom") if kind == "unknown" else self._has(kind)
        if is_known or digest in self._followed:
            return
        if self._may_follow(digest):
            self._follow(digest, candidate.subject)
        elif kind == "unknown":
            self.troubles.append(Unreadable("there are further claims, but reading them would cost one more pull"))
        else:
            self._note_unread(kind, candidate.type_name, _NOT_AFFORDED)

    def _may_follow(self, name: str) -> bool:
        """Return whether a further manifest may be read, and count it."""
        limit = _MOST_WHERE_LIMITED if self.reader.limits_pulls else _MOST_MANIFESTS
        if name not in self._followed and len(self._followed) >= limit:
            return False
        self._followed.add(name)
        return True

    def _follow(self, digest: str, subject: str) -> None:
        self._followed.add(digest)
        try:
            self._read_artifact(digest, subject)
        except Unreadable as error:
            self.troubles.append(error)

    def _read_artifact(self, digest: str, subject: str) -> None:
        """Read the statements and the SBOMs in an artifact. Raises Unreadable."""
        try:
            artifact = parse_artifact(self.reader.raw_manifest(digest))
        except InvalidManifest:
            return
        for blob in statement_blobs(artifact):
            self._read_statement(blob, subject)
        if artifact.subject in ("", subject):
            for descriptor in artifact.blobs:
                self._read_raw_sbom(descriptor)

    def _read_statement(self, blob: StatementBlob, subject: str) -> None:
        kind, descriptor = what_is(blob.predicate_type), blob.descriptor
        if (blob.predicate_type and kind not in ("provenance", "sbom")) or self._has(kind):
            return
        if kind == "sbom" and self._is_counted(descriptor):
            return
        raw = self._blob(descriptor, kind, blob.predicate_type)
        if raw is None:
            return
        try:
            statement = parse_statement(raw, (subject,))
        except UnrelatedStatement:
            return
        except InvalidStatement as error:
            self._note_unread(kind, blob.predicate_type, str(error), descriptor)
            return
        kind = what_is(statement.predicate_type)
        if kind == "provenance" and not self._has(kind):
            self.provenance = read_provenance(statement)
        elif kind == "sbom" and not self._has(kind):
            self.sbom = read_sbom(statement, digest=descriptor.digest, size_bytes=descriptor.size_bytes)

    def _read_raw_sbom(self, descriptor: Descriptor) -> None:
        digest, size_bytes, media_type = descriptor.digest, descriptor.size_bytes, descriptor.media_type
        if not sbom_format(media_type) or self._has("sbom") or self._is_counted(descriptor):
            return
        raw = self._blob(descriptor, "sbom", media_type)
        if raw is not None:
            self.sbom = read_raw_sbom(raw, digest=digest, size_bytes=size_bytes, media_type=media_type)

    def _blob(self, descriptor: Descriptor, kind: str, type_name: str) -> bytes | None:
        """Return the content of a blob, or note why it cannot be read and return None."""
        max_bytes = MAX_SBOM_BYTES if kind == "sbom" else MAX_STATEMENT_BYTES
        if descriptor.size_bytes > max_bytes:
            self._note_unread(kind, type_name, f"it is larger than {max_bytes // 1024**2} MiB", descriptor)
            return None
        try:
            if not self._blobs_left:
                raise Unreadable(f"the image has more than {_MOST_BLOBS} claims that are unreadable or useless")
            self._blobs_left -= 1
            return self.reader.blob(descriptor, max_bytes, is_kept=kind != "sbom")
        except Unreadable as error:
            self.troubles.append(error)
            self._note_unread(kind, type_name, str(error), descriptor)
            return None

    def _is_counted(self, descriptor: Descriptor) -> bool:
        """Return whether the packages of an SBOM were counted before; if so, use the earlier result."""
        counted = self.before.get("SBOM") if self.before else None
        if counted is None or _is_unread(counted) or counted.get("Digest") != descriptor.digest:
            return False
        self.sbom = counted
        return True

    def _has(self, *kinds: str) -> bool:
        """Return whether a claim of each kind was read."""
        known = {"provenance": self.provenance, "sbom": self.sbom}
        return all((claim := known.get(kind)) is not None and not _is_unread(claim) for kind in kinds)

    def _note_unread(self, kind: str, type_name: str, reason: str, descriptor: Descriptor | None = None) -> None:
        """Note that a claim exists but was not read, unless there is another claim of the same kind."""
        if kind == "provenance":
            self.provenance = self.provenance or unread_provenance(type_name, reason)
        elif kind == "sbom":
            digest, size_bytes = (descriptor.digest, descriptor.size_bytes) if descriptor else ("", 0)
            self.sbom = self.sbom or unread_sbom(type_name, reason, digest=digest, size_bytes=size_bytes)

    def fields(self) -> dict[str, object]:
        """Return the claims as fields of a version. A claim that could not be read keeps its earlier value, if any."""
        known = {
            "Provenance": self.provenance,
            "SBOM": self.sbom,
            "Signatures": self.signatures,
            "EndOfLife": self.end_of_life,
        }
        found: dict[str, object] = {name: value for name, value in known.items() if value is not None}
        if self.before and (self.troubles or self.signatures is None):
            last = {name: value for name, value in claims_of(self.before).items() if name != "UnreadClaims"}
            found = last | {name: value for name, value in found.items() if name not in last or not _is_unread(value)}
        if self.troubles:
            found["UnreadClaims"] = str(self.troubles[0])
        return found


def _is_unread(claim: object) -> bool:
    """Return whether a claim exists but could not be read."""
    return isinstance(claim, dict) and "Unread" in claim


def subjects_of(version: VersionDocument) -> list[str]:
    """Return the digests that claims can be about: those of the version and of its main platform."""
    return list(dict.fromkeys(filter(None, [version["Digest"], main_platform_digest(version)])))
