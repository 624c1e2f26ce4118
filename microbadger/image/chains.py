"""Names stacks of layers, so that two images can be compared without their layers.

All layers from the lowest up to some layer are a *chain*, named by a hash over their diff IDs, as in the ChainID of
https://github.com/opencontainers/image-spec/blob/main/config.md (section "Layer ChainID").
"""

import hashlib
from collections.abc import Sequence

# Docker stacks 125 at most: https://github.com/moby/moby/blob/v25.0.0/layer/layer_store.go (maxLayerDepth)
_MOST_LAYERS = 127
_CHAIN_DIGITS = 32

Chains = tuple[str, ...]


def chains_of(diff_ids: Sequence[str]) -> Chains:
    """Return the name of the chain that ends at each layer, the lowest first; none for what cannot be stacked."""
    if len(diff_ids) > _MOST_LAYERS:
        return ()
    hashed, chains = hashlib.sha256(), []
    for diff_id in diff_ids:
        hashed.update(f"{diff_id}\n".encode("utf-8", "replace"))
        chains.append(hashed.hexdigest()[:_CHAIN_DIGITS])
    return tuple(chains)
