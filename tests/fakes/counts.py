"""Counts that remember each event, in the order in which they happened, and write nothing.

    counts = FakeCounts()
    Transport(Network("tests"), counts).send(request)
    assert counts.requests == [("registry.test", "blob", "200")]
"""

from collections.abc import Callable

from microbadger.store.counts import Counts
from microbadger.store.database import Database


class FakeCounts(Counts):
    """Remembers what is counted and set; `on_add` is called with each event's name."""

    def __init__(self, on_add: Callable[[str], object] = lambda _: None) -> None:
        super().__init__(Database("sqlite://"))  # never opened
        self.added: list[tuple[str, dict[str, str]]] = []
        self.last_set: list[tuple[str, float, float, dict[str, str]]] = []
        self._on_add = on_add

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        self.added.append((name, labels))
        self._on_add(name)

    def set(self, name: str, value: float, lasting_seconds: float = 0, **labels: str) -> None:
        self.last_set.append((name, value, lasting_seconds, labels))

    @property
    def requests(self) -> list[tuple[str, str, str]]:
        """Host, kind and status of each request to a registry or to Docker Hub."""
        labels = (labels for name, labels in self.added if name == "registry_requests")
        return [(each["host"], each["kind"], each["status"]) for each in labels]
