"""Knows which versions of the tracked images are built on one another, without looking through all of them.

Layers are told apart by the *diff IDs* of a version's main platform: the digests of what is in them, which are the same
however they are compressed. All layers from the lowest up to some layer are a *chain*, named by a hash over their diff
IDs, as in the ChainID of https://github.com/opencontainers/image-spec/blob/main/config.md (section "Layer ChainID").
Every version is listed under the chain of all its layers, so whoever asks for the shorter chains of a version finds its
parents, with one small file to read for each.

    chains/<3 digits>    at most 4096 files, however many images there are; a line for each version that is listed
    images/<32 digits>   a file for each image; a line for each version with the names of all its chains

Processes share the folder. What is in it can be lost: it is put right as images are refreshed, and nothing depends on
it but what documents say of relatives.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple

from microbadger.freshness.listed_chains import ListedChains
from microbadger.image import (
    InvalidReference,
    RelativeDocument,
    Repository,
    TagDocument,
    VersionDocument,
    image_name,
    tags_of,
)
from microbadger.site import ImagePaths
from microbadger.store import lock_file, read_if_any, remove_file, replace_file

MOST_RELATIVES = 10
_MOST_TAGS = 30  # of one version, as relatives tell them
_MOST_LISTED = 100  # under one chain: of a thousand copies of one image the first hundred are known
# Docker stacks 125 at most: https://github.com/moby/moby/blob/v25.0.0/layer/layer_store.go (maxLayerDepth)
_MOST_LAYERS = 127
_CHAIN_DIGITS = 32
_SHARD_DIGITS = 3
_OFFICIAL = "library/"

_ENTRY = re.compile(r"(?P<chain>[0-9a-f]{32}) (?P<name>\S+) (?P<sha>[\w=-]+) (?P<tags>[\w.,-]*)", re.ASCII)
_STACK = re.compile(r"(?P<sha>[\w=-]+)(?P<chains>(?: [0-9a-f]{32})*)", re.ASCII)

Chains = tuple[str, ...]
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Relatives:
    """The versions a version is built on, those with most layers first, and the others with exactly its layers."""

    parents: list[RelativeDocument]
    identical: list[RelativeDocument]


class LayerIndex:
    """The folder of what is known; whoever changes what it tells of an image holds the lock of the image."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self._folder = folder
        self._base_url = base_url
        self._listed = ListedChains(folder / "chains", folder / "listed")

    def update(
        self, repository: Repository, versions: Iterable[VersionDocument], diff_ids_of: Callable[[str], Sequence[str]]
    ) -> dict[str, Relatives]:
        """List these versions of an image in the place of those it had, and return the relatives of each by its SHA.

        A version that was not described is left out. ``diff_ids_of`` is asked for those of a SHA if its document comes
        without diff IDs and it is not known here.
        """
        self._listed.update()
        name, listing, known = repository.familiar, _Listing(self._folder, self._listed), self._read_stacks(repository)
        described = {version["SHA"]: version for version in versions if version["Platforms"]}
        stacks = {sha: _chains(version, known, diff_ids_of) for sha, version in described.items()}
        entries = [
            _Entry(chains[-1], name, sha, tuple(tags_of(described[sha])[:_MOST_TAGS]))
            for sha, chains in stacks.items()
            if chains
        ]
        both = {**known, **stacks}
        if both != known:
            self._write_stacks(repository, both)  # before the listing, so that it names all that may stand there
        listing.replace(entries, {(chains[-1], name, sha) for sha, chains in known.items() if chains})
        if both != stacks:
            self._write_stacks(repository, stacks)
        return {sha: self._relatives(name, sha, chains, listing) for sha, chains in stacks.items()}

    def forget(self, repository: Repository) -> None:
        """Take every version of an image out."""
        self.update(repository, [], lambda _: ())
        remove_file(self._image_file(repository), self._folder)

    def _relatives(self, name: str, sha: str, chains: Chains, listing: "_Listing") -> Relatives:
        parents: list[RelativeDocument] = []
        for chain in reversed(self._listed.among(chains[:-1])):
            if others := [entry for entry in listing.of(chain) if entry.name != name]:
                parents += self._documents(others, chains.index(chain) + 1)
        same_layers = listing.of(chains[-1]) if chains else []
        others = [entry for entry in same_layers if (entry.name, entry.sha) != (name, sha)]
        return Relatives(parents[:MOST_RELATIVES], self._documents(others, len(chains)))

    def _documents(self, entries: list["_Entry"], layer_count: int) -> list[RelativeDocument]:
        official = [entry for entry in entries if entry.is_official]
        documents = (_document(entry, layer_count, self._base_url) for entry in official or entries)
        return list(islice(filter(None, documents), MOST_RELATIVES))

    def _read_stacks(self, repository: Repository) -> dict[str, Chains]:
        content = read_if_any(self._image_file(repository)) or b""
        lines = map(_STACK.fullmatch, content.decode("ascii", "replace").splitlines())
        return {line["sha"]: tuple(line["chains"].split()) for line in lines if line}

    def _write_stacks(self, repository: Repository, stacks: Mapping[str, Chains]) -> None:
        lines = (f"{' '.join([sha, *chains])}\n" for sha, chains in stacks.items())
        replace_file(self._image_file(repository), "".join(lines).encode())

    def _image_file(self, repository: Repository) -> Path:
        return self._folder / "images" / hashlib.sha256(str(repository).encode()).hexdigest()[:32]


def chains_of(diff_ids: Sequence[str]) -> Chains:
    """Return the name of the chain that ends at each layer, the lowest first; none for what nobody could stack."""
    if len(diff_ids) > _MOST_LAYERS:
        return ()
    hashed, chains = hashlib.sha256(), []
    for diff_id in diff_ids:
        hashed.update(f"{diff_id}\n".encode("utf-8", "replace"))
        chains.append(hashed.hexdigest()[:_CHAIN_DIGITS])
    return tuple(chains)


def _chains(
    version: VersionDocument, known: Mapping[str, Chains], diff_ids_of: Callable[[str], Sequence[str]]
) -> Chains:
    if "DiffIDs" in version:
        return chains_of(version["DiffIDs"])
    return known[version["SHA"]] if version["SHA"] in known else chains_of(diff_ids_of(version["SHA"]))


class _Entry(NamedTuple):
    """A version as it is listed under the chain of all its layers."""

    chain: str
    name: str
    sha: str
    tags: tuple[str, ...]

    @property
    def key(self) -> Key:
        return self.chain, self.name, self.sha

    @property
    def is_official(self) -> bool:
        return self.name.startswith(_OFFICIAL)

    @property
    def rank(self) -> tuple[str, bool, str, str]:
        """Official images come first: they are what copies are copies of."""
        return self.chain, not self.is_official, self.name, self.sha

    def __str__(self) -> str:
        return f"{self.chain} {self.name} {self.sha} {','.join(self.tags)}"


class _Listing:
    """The files that list versions by their chain, as one caller sees them: what it read it does not read again."""

    def __init__(self, folder: Path, listed: ListedChains) -> None:
        self._shards = folder / "chains"
        self._lock = folder / "lock"
        self._listed = listed
        self._read: dict[str, list[_Entry]] = {}

    def of(self, chain: str) -> list[_Entry]:
        """Return the versions that have exactly the layers of a chain."""
        if chain not in self._read:
            content = read_if_any(f"{self._shards}/{chain[:_SHARD_DIGITS]}") or b""
            self._read[chain] = list(_parse_entries(content, chain)) if chain.encode() in content else []
        return self._read[chain]

    def replace(self, entries: Sequence[_Entry], known: Iterable[Key]) -> None:
        """List these entries of an image and no other that is ``known``, or stands beside them."""
        missing = [entry for entry in entries if self._should_be_written(entry)]
        beside = (other.key for entry in entries for other in self.of(entry.chain) if other.name == entry.name)
        gone = {*known, *beside}.difference(entry.key for entry in entries)
        if missing or gone:
            self._rewrite(missing, gone)

    def _should_be_written(self, entry: _Entry) -> bool:
        listed = self.of(entry.chain)
        return entry not in listed and (len(listed) < _MOST_LISTED or entry.rank <= listed[-1].rank)

    def _rewrite(self, missing: list[_Entry], gone: set[Key]) -> None:
        replaced = gone.union(entry.key for entry in missing)
        with lock_file(self._lock):
            for shard in sorted({chain[:_SHARD_DIGITS] for chain, _, _ in replaced}):
                before = read_if_any(self._shards / shard) or b""
                entries = [entry for entry in _parse_entries(before) if entry.key not in replaced]
                entries += [entry for entry in missing if entry.chain.startswith(shard)]
                after = _format_entries(entries)
                if after != before:
                    replace_file(self._shards / shard, after)
            self._listed.add(entry.chain for entry in missing)
        self._listed.update()
        self._read.clear()


def _parse_entries(content: bytes, chain: str = "") -> Iterator[_Entry]:
    """Yield what a file lists, perhaps only under one chain; a line that is damaged is left out."""
    for line in content.decode("ascii", "replace").splitlines():
        if line.startswith(chain) and (match := _ENTRY.fullmatch(line)):
            yield _Entry(match["chain"], match["name"], match["sha"], tuple(filter(None, match["tags"].split(","))))


def _format_entries(entries: list[_Entry]) -> bytes:
    by_chain = groupby(sorted(entries, key=lambda entry: entry.rank), key=lambda entry: entry.chain)
    kept = (entry for _, listed in by_chain for entry in islice(listed, _MOST_LISTED))
    return "".join(f"{entry}\n" for entry in kept).encode()


def _document(entry: _Entry, layer_count: int, base_url: str) -> RelativeDocument | None:
    with suppress(InvalidReference):  # the file was damaged
        name = image_name(Repository.parse(entry.name))
        return RelativeDocument(
            SHA=entry.sha,
            Tags=[TagDocument(tag=tag) for tag in entry.tags],
            ImageName=name,
            LayerCount=layer_count,
            MicrobadgerURL=f"{base_url}/{ImagePaths(name).page_url}",
        )
    return None
