"""Adds to the versions of an image what depends on other images: relatives, inherited labels and base images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from microbadger.freshness.base_records import BaseRecords
from microbadger.freshness.records import Records
from microbadger.freshness.relatives import LayerStacks
from microbadger.image import (
    Chains,
    KnownBases,
    RelativeDocument,
    Repository,
    VersionDocument,
    judged_base,
    related,
    with_base,
)
from microbadger.store import Database


@dataclass(frozen=True, slots=True)
class Kinship:
    """The layers of each version by its SHA, and the known base images of all versions."""

    chains: Mapping[str, Chains]
    bases: KnownBases


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """Relates images to each other by means of the database, without requests to registries."""

    database: Database
    records: Records
    stacks: LayerStacks
    bases: BaseRecords

    def of(
        self, repository: Repository, versions: Sequence[VersionDocument], *, is_private: bool
    ) -> tuple[list[VersionDocument], Kinship]:
        """Return the versions with their current relatives and base images."""

        def diff_ids_of(sha: str) -> list[str]:
            version = self.records.version(repository, sha)
            return version.get("DiffIDs", []) if version else []

        with self.database.read() as connection:
            chains = self.stacks.chains_of(connection, repository, versions, diff_ids_of)
            relatives = self.stacks.relatives(connection, repository, versions, chains)
            bases = self.bases.of(connection, versions, is_private=is_private).known
        with_relatives = [
            related(version, found.parents, found.identical, self._labels_of_base(version, found.parents))
            if (found := relatives.get(version["SHA"]))
            else version
            for version in versions
        ]
        judged = [
            with_base(version, judged_base(version, chains[version["SHA"]], bases))
            if version["SHA"] in chains
            else version
            for version in with_relatives
        ]
        return judged, Kinship(chains, bases)

    def _labels_of_base(self, version: VersionDocument, parents: Sequence[RelativeDocument]) -> Mapping[str, str]:
        """Return the labels of the nearest parent, and the labels already known to be inherited, which never change."""
        if "Labels" not in version:
            return {}
        inherited = {key: version["Labels"][key] for key in version.get("InheritedLabels", [])}
        known_parents = {parent["SHA"] for parent in version.get("Parents", [])}
        if not parents or parents[0]["SHA"] in known_parents:
            return inherited
        base = self.records.version(Repository.parse(parents[0]["ImageName"]), parents[0]["SHA"])
        return {**(base.get("Labels", {}) if base else {}), **inherited}
