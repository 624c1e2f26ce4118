"""Reads the claims about the versions that a check found, such as signatures, provenance and SBOMs.

Claims are read last in a check, and a failure here never makes the check fail. They are read only once for each digest,
but again after a temporary failure, and once more an hour after the push, because signatures are pushed after the
image. What the names of tags say about signatures costs no request, so it is brought up to date in every check.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from microbadger.freshness.findings import Findings
from microbadger.freshness.reading import Reader
from microbadger.freshness.tag_choice import Question, TagsBeside
from microbadger.freshness.version_claims import VersionClaims, subjects_of
from microbadger.http import all_within, seconds_left
from microbadger.image import (
    SignatureDocument,
    VersionDocument,
    attestation_tag,
    claims_of,
    fallback_tag,
    format_time,
    is_blank,
    read_time,
    signature_tag,
    with_claims,
)
from microbadger.registry import RegistryError

_MOST_SECONDS = 60.0
_PART_OF_THE_TIME = 1 / 3
_SIGNED_WITHIN = timedelta(hours=1)


def read_claims(findings: Findings, reader: Reader, now: datetime) -> None:
    """Add claims to the versions in ``findings``, as far as the time and the pulls allow."""
    last = {version["Digest"]: version for version in findings.question.last if not is_blank(version)}
    claims = ClaimsReader(reader, findings.question, findings.choice.beside, last, now)
    reader.reads_claims, reader.may_use_reserve, reader.tries_broken = True, False, False
    with all_within(min(_MOST_SECONDS, seconds_left() * _PART_OF_THE_TIME)):
        for digest, version in findings.versions.items():
            findings.versions[digest] = claims.complete(version)


@dataclass(frozen=True, slots=True)
class ClaimsReader:
    """Adds claims to versions."""

    reader: Reader
    question: Question
    beside: TagsBeside
    last: Mapping[str, VersionDocument]
    """The versions that could be read at the last check, by digest."""
    now: datetime

    def complete(self, version: VersionDocument) -> VersionDocument:
        """Return a version with its claims; an artifact that is not an image has none."""
        if not version["Digest"] or is_blank(version) or "Unsupported" in version:
            return version
        before = self.last.get(version["Digest"])
        if before is None and self.question.tags is not None:
            return replace(self, beside=self._tags_of(version))._completed(version, before)
        return self._completed(version, before)

    def _completed(self, version: VersionDocument, before: VersionDocument | None) -> VersionDocument:
        return with_claims(version, self._with_tags(version, self._fields(version, before), before))

    def _tags_of(self, version: VersionDocument) -> TagsBeside:
        """Return the tags that are named after the digests of a version, for a check that reads no list of tags.

        Ask for each possible tag, but save these requests if all versions at the last check are known to be unsigned.
        """
        last = [version.get("Signatures") for version in self.last.values() if version["Platforms"]]
        if last and all(signatures == [] for signatures in last):
            return TagsBeside(is_whole=True)
        subjects = subjects_of(version)
        tags = [make(subject) for subject in subjects for make in (fallback_tag, signature_tag, attestation_tag)]
        answers: dict[str, bool | None] = {}
        with suppress(RegistryError):
            answers = {tag: self.reader.has_tag(tag) for tag in tags}
        there = {tag: None for tag, is_there in answers.items() if is_there}
        return TagsBeside(there, is_whole=bool(answers) and None not in answers.values())

    def _fields(self, version: VersionDocument, before: VersionDocument | None) -> dict[str, object]:
        """Return the last claims of a version, or read the claims again if there is a reason to."""
        name = f"claims of {version['Digest']}"
        claims = VersionClaims(self.reader, self.beside, version, before)
        if before is None or self._is_late(before) or self._may_be_known_now(before):
            claims.read()
        elif "UnreadClaims" in before:
            if self.reader.is_set_aside(name):
                return claims_of(before)
            if self.reader.was_set_aside(name):
                claims.read_again()
            else:
                claims.read()
        elif not self.question.is_ours:
            claims.read_content()
        else:
            return claims_of(before)
        if claims.troubles and not any(trouble.may_pass for trouble in claims.troubles):
            self.reader.set_aside(name, str(claims.troubles[0]))
        elif self.reader.was_set_aside(name):
            self.reader.mend(name)
        return claims.fields()

    def _may_be_known_now(self, version: VersionDocument) -> bool:
        """Return whether the list of tags, which was missing before, can now tell whether a version is signed."""
        if "Signatures" in version or "UnreadClaims" in version:
            return False
        return self.beside.is_whole and not self._has_fallback_tag(version)

    def _has_fallback_tag(self, version: VersionDocument) -> bool:
        return any(fallback_tag(subject) in self.beside.pushed_at for subject in subjects_of(version))

    def _is_late(self, version: VersionDocument) -> bool:
        """Return whether this is the first whole check an hour or more after a version was pushed.

        The time of the push is known only if the version was pushed while the image was tracked.
        """
        first_seen, checked_at = read_time(version.get("FirstSeen")), self.question.checked_at
        if first_seen is None or "FirstSeenIsExact" in version or self.question.tags is not None:
            return False
        late = first_seen + _SIGNED_WITHIN
        return late <= self.now and (checked_at is None or checked_at < late)

    def _with_tags(
        self, version: VersionDocument, fields: dict[str, object], before: VersionDocument | None
    ) -> dict[str, object]:
        """Return the claims, with the signature that a cosign tag shows now in place of the last such signature.

        A signature without a digest comes from a tag.
        """
        known: list[SignatureDocument] | None = fields.pop("Signatures", None)  # type: ignore[assignment]
        referrers = [signature for signature in known or () if "Digest" in signature]
        of_tag = [signature for signature in known or () if "Digest" not in signature]
        tags = [tag for subject in subjects_of(version) if (tag := signature_tag(subject)) in self.beside.pushed_at]
        if tags:
            signature = SignatureDocument(Kind="cosign")
            if pushed_at := self.beside.pushed_at[tags[0]]:
                signature["CreatedAt"] = format_time(pushed_at)
            elif of_tag:
                signature = of_tag[0]  # keep its date: not every check asks Docker Hub's list, which has the date
            return {**fields, "Signatures": [signature, *referrers]}
        if known is None:
            return fields
        if not self.beside.is_whole:
            was_known = self.question.tags is not None or (before is not None and "Signatures" in before)
            return {**fields, "Signatures": known} if known or was_known else fields
        may_have_others = "UnreadClaims" in fields or self._has_fallback_tag(version)
        return fields if of_tag and not referrers and may_have_others else {**fields, "Signatures": referrers}
