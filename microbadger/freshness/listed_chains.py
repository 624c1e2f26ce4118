"""Knows which chains of layers may be listed in the layer index, so that no file is looked into for those that are not.

Most chains of a version are listed by nobody, and an image that did not change has dozens of them. What is listed is
read once by each process; then all tell each other what they add.
"""

import re
import threading
from collections.abc import Iterable
from pathlib import Path

from microbadger.freshness.news_log import NewsLog, NewsReader
from microbadger.store import read_if_any

_DIGITS = 6  # of a chain's name: a bit for each is 2 MiB, and one in fifty is set by 300,000 chains
_LISTED = re.compile(rb"^[0-9a-f]{6}", re.MULTILINE)


class ListedChains:
    """What one process knows of the chains that are listed in the files of a folder."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder = folder
        self._log = NewsLog(log)
        self._reader = NewsReader(self._log)
        self._lock = threading.Lock()
        self._bits = bytearray()

    def update(self) -> None:
        """Learn what other processes listed since this was asked last."""
        with self._lock:
            news = self._reader.news()
            if news is None:
                self._bits = bytearray(16**_DIGITS // 8)
                for file in self._folder.glob("*"):
                    self._set({start.decode() for start in _LISTED.findall(read_if_any(file) or b"")})
            else:
                self._set(news)

    def add(self, chains: Iterable[str]) -> None:
        """Tell all processes that chains are listed now."""
        self._log.add(chains)

    def among(self, chains: Iterable[str]) -> list[str]:
        """Return those of some chains that may be listed; the others were not when this was updated last."""
        bits = self._bits
        return [chain for chain in chains if bits[(place := int(chain[:_DIGITS], 16)) >> 3] & 1 << (place & 7)]

    def _set(self, chains: Iterable[str]) -> None:
        for chain in chains:
            if _LISTED.match(chain.encode()):  # else a full disk cut it short
                place = int(chain[:_DIGITS], 16)
                self._bits[place >> 3] |= 1 << (place & 7)
