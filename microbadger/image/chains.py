"""Computes hashes of stacks of layers, so that two images can be compared without reading their layers.

A *chain* is a stack of layers from the lowest up to some layer. Its name is a hash of their diff IDs, similar to the
ChainID in https://github.com/opencontainers/image-spec/blob/main/config.md (section "Layer ChainID").
"""

import hashlib
from collections.abc import Sequence

# Docker allows at most 125: https://github.com/moby/moby/blob/v25.0.0/layer/layer_store.go (maxLayerDepth)
_MOST_LAYERS = 127
_CHAIN_DIGITS = 32

Chains = tuple[str, ...]


def chains_of(diff_ids: Sequence[str]) -> Chains:
    """Return the name of the chain that ends at each layer, lowest first; nothing if there are too many layers."""
    if len(diff_ids) > _MOST_LAYERS:
        return ()
    hashed, chains = hashlib.sha256(), []
    for diff_id in diff_ids:
        hashed.update(f"{diff_id}\n".encode("utf-8", "replace"))
        chains.append(hashed.hexdigest()[:_CHAIN_DIGITS])
    return tuple(chains)
