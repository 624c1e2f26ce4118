"""Finds the versions of tracked images that are built on one another, without comparing all of them.

Layers are identified by the *diff IDs* of a version's main platform: the digests of their uncompressed content. Each
version is stored under its *chain*, which identifies all its layers in their order. The parents of a version are stored
under one of its shorter chains, so a single indexed query finds them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, case, func, select

from microbadger.image import (
    Chains,
    RelativeDocument,
    Repository,
    TagDocument,
    VersionDocument,
    chains_of,
    image_name,
    kept_repositories,
    tags_of,
)
from microbadger.site import ImagePaths
from microbadger.store import LAYER_STACKS, RECORDS, VERSIONS, Database, upsert

MOST_RELATIVES = 10
_MOST_TAGS = 30  # stored for each version
_MOST_UNDER_ONE_CHAIN = 100  # further copies of the same image are ignored
_CHAINS_AT_ONCE = 5000  # SQLite allows 32,766 parameters in a statement
_OFFICIAL = "docker.io/library/"

_OWN = select(LAYER_STACKS).where(LAYER_STACKS.c.image == bindparam("which"))
_GONE = LAYER_STACKS.delete().where(
    LAYER_STACKS.c.image == bindparam("which"), LAYER_STACKS.c.sha.not_in(bindparam("shas", expanding=True))
)
_IS_OFFICIAL = LAYER_STACKS.c.image.startswith(_OFFICIAL)
_NAMING = (
    select(LAYER_STACKS.c.image)
    .distinct()
    .where(
        LAYER_STACKS.c.image != bindparam("which"),
        (LAYER_STACKS.c.chain == bindparam("its_chain")) | LAYER_STACKS.c.lower_chains.contains(bindparam("its_chain")),
    )
)
_KEPT = select(VERSIONS.c.image, func.count().label("count")).group_by(VERSIONS.c.image).subquery()
_KNOWN = select(LAYER_STACKS.c.image, func.count().label("count")).group_by(LAYER_STACKS.c.image).subquery()
_INCOMPLETE = (
    select(_KEPT.c.image)
    .join(_KNOWN, _KNOWN.c.image == _KEPT.c.image, isouter=True)
    .where(func.coalesce(_KNOWN.c.count, 0) < _KEPT.c.count)
)
_INCOMPLETE_OWN = _INCOMPLETE.where(_KEPT.c.image == bindparam("which"))
_UNKNOWN = select(RECORDS.c.image).where(
    RECORDS.c.image == bindparam("which"), RECORDS.c.image.not_in(select(LAYER_STACKS.c.image))
)
_OTHERS = select(RECORDS.c.image).where(RECORDS.c.image != bindparam("which"))
_PLACE = func.row_number().over(
    partition_by=LAYER_STACKS.c.chain,
    order_by=(case((_IS_OFFICIAL, 0), else_=1), LAYER_STACKS.c.image, LAYER_STACKS.c.sha),
)
_RANKED = (
    select(LAYER_STACKS.c.chain, LAYER_STACKS.c.image, LAYER_STACKS.c.sha, LAYER_STACKS.c.tags, _PLACE.label("place"))
    .where(LAYER_STACKS.c.chain.in_(bindparam("chains", expanding=True)))
    .subquery()
)
_UNDER = select(_RANKED).where(_RANKED.c.place <= _MOST_UNDER_ONE_CHAIN)
"""The versions under some chains. Official images come first, because they are the likely originals of copies."""


class _Stack(NamedTuple):
    """A version and the chain of all its layers."""

    chain: str
    image: str
    sha: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relatives:
    """The parents of a version, those with the most layers first, and the other versions with the same layers."""

    parents: list[RelativeDocument]
    identical: list[RelativeDocument]


class LayerStacks:
    """The layers of all versions of the tracked images."""

    def __init__(self, database: Database, base_url: str) -> None:
        self._database = database
        self._base_url = base_url

    def chains_of(
        self,
        connection: Connection,
        repository: Repository,
        versions: Iterable[VersionDocument],
        diff_ids_of: Callable[[str], Sequence[str]],
    ) -> dict[str, Chains]:
        """Return the chains of each version by its SHA, the shortest first. Versions without platforms are left out.

        ``diff_ids_of`` returns the diff IDs of the version with a SHA. It is called if neither the document nor the
        database has them.
        """
        rows = connection.execute(_OWN, {"which": str(repository)})
        known = {row.sha: tuple(row.lower_chains.split()) + ((row.chain,) if row.chain else ()) for row in rows}
        return {version["SHA"]: _chains(version, known, diff_ids_of) for version in versions if version["Platforms"]}

    def relatives(
        self,
        connection: Connection,
        repository: Repository,
        versions: Iterable[VersionDocument],
        stacks: Mapping[str, Chains],
    ) -> dict[str, Relatives]:
        """Return the relatives of these versions of an image by their SHA."""
        name = str(repository)
        tags = {version["SHA"]: tuple(tags_of(version)[:_MOST_TAGS]) for version in versions}
        own = (_Stack(chains[-1], name, sha, tags[sha]) for sha, chains in stacks.items() if chains)
        wanted = sorted({chain for chains in stacks.values() for chain in chains})
        parts = (wanted[start : start + _CHAINS_AT_ONCE] for start in range(0, len(wanted), _CHAINS_AT_ONCE))
        rows = (row for part in parts for row in connection.execute(_UNDER, {"chains": part}))
        others = (_Stack(row.chain, row.image, row.sha, tuple(row.tags.split())) for row in rows if row.image != name)
        under: dict[str, list[_Stack]] = {}
        for stack in sorted([*others, *own], key=_rank):
            under.setdefault(stack.chain, []).append(stack)
        return {sha: self._relatives(name, sha, chains, under) for sha, chains in stacks.items()}

    def write(
        self,
        connection: Connection,
        repository: Repository,
        versions: Iterable[VersionDocument],
        stacks: Mapping[str, Chains],
    ) -> None:
        """Replace the stored versions of an image."""
        name = str(repository)
        connection.execute(_GONE, {"which": name, "shas": list(stacks)})
        tags = {version["SHA"]: tags_of(version)[:_MOST_TAGS] for version in versions}
        rows = [
            {
                "image": name,
                "sha": sha,
                "chain": chains[-1] if chains else "",
                "lower_chains": " ".join(chains[:-1]),
                "tags": " ".join(tags[sha]),
            }
            for sha, chains in stacks.items()
        ]
        if rows:
            upsert(connection, LAYER_STACKS, rows, update=("chain", "lower_chains", "tags"))

    def naming(self, connection: Connection, repository: Repository) -> list[Repository]:
        """Return the other images that have a version of this one as a relative.

        If layers of this image are lost, return all other images. Images that are `incomplete` may have such a relative
        as well.
        """
        which = {"which": str(repository)}
        if any(connection.execute(statement, which).first() for statement in (_UNKNOWN, _INCOMPLETE_OWN)):
            return kept_repositories(connection.execute(_OTHERS, which).scalars())
        chains = {row.chain for row in connection.execute(_OWN, {"which": str(repository)}) if row.chain}
        found: set[str] = set()
        for chain in chains:
            found.update(connection.execute(_NAMING, {"which": str(repository), "its_chain": chain}).scalars())
        return kept_repositories(sorted(found))

    def incomplete(self, connection: Connection) -> list[Repository]:
        """Return the images with a version whose layers are unknown, because they were unreadable or rows are lost."""
        return kept_repositories(connection.execute(_INCOMPLETE).scalars())

    def forget(self, connection: Connection, repository: Repository) -> None:
        """Delete all versions of an image."""
        connection.execute(LAYER_STACKS.delete().where(LAYER_STACKS.c.image == str(repository)))

    def _relatives(self, name: str, sha: str, chains: Chains, under: Mapping[str, list[_Stack]]) -> Relatives:
        parents: list[RelativeDocument] = []
        for layer_count in range(len(chains) - 1, 0, -1):
            if stacks := under.get(chains[layer_count - 1]):
                parents += self._documents([stack for stack in stacks if stack.image != name], layer_count)
        same_layers = under.get(chains[-1], []) if chains else []
        others = [row for row in same_layers if (row.image, row.sha) != (name, sha)]
        return Relatives(parents[:MOST_RELATIVES], self._documents(others, len(chains)))

    def _documents(self, rows: list[_Stack], layer_count: int) -> list[RelativeDocument]:
        """Return the documents of the official images, or of all images if none of them is official."""
        official = [row for row in rows if row.image.startswith(_OFFICIAL)]
        return [self._document(row, layer_count) for row in islice(official or rows, MOST_RELATIVES)]

    def _document(self, row: _Stack, layer_count: int) -> RelativeDocument:
        name = _name_of(row.image)
        return RelativeDocument(
            SHA=row.sha,
            Tags=[TagDocument(tag=tag) for tag in row.tags],
            ImageName=name,
            LayerCount=layer_count,
            MicrobadgerURL=f"{self._base_url}/{ImagePaths(name).page_url}",
        )


@lru_cache(maxsize=1000)
def _name_of(image: str) -> str:
    return image_name(Repository.parse(image))


def _rank(stack: _Stack) -> tuple[bool, str, str]:
    return not stack.image.startswith(_OFFICIAL), stack.image, stack.sha


def _chains(
    version: VersionDocument, known: Mapping[str, Chains], diff_ids_of: Callable[[str], Sequence[str]]
) -> Chains:
    if "DiffIDs" in version:
        return chains_of(version["DiffIDs"])
    return known[version["SHA"]] if version["SHA"] in known else chains_of(diff_ids_of(version["SHA"]))

