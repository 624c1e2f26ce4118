"""Gives requests that wait for fresh files one of a few places, because each holds one of the threads that answer.

Anyone who knows a webhook can wait. If no place is free, a new request takes one from an image that has at least two
more than its own. Otherwise, if its check begins at once, it takes one from a request whose check has to wait, because
its image is asked for on and on.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from microbadger.image import Repository


@dataclass(slots=True, eq=False)
class Place:
    """A place of a request that waits; it ``is_taken_back`` once another request needs it more."""

    repository: Repository
    is_repeat: bool
    is_taken_back: bool = False


@dataclass(frozen=True, slots=True)
class WaitingRoom:
    """The places of one process."""

    size: int
    _places: list[Place] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def place(self, repository: Repository, *, is_repeat: bool) -> Iterator[Place | None]:
        """Give a place while the block runs; None where there is none for this image."""
        place = Place(repository, is_repeat)
        has_room = self._enter(place)
        try:
            yield place if has_room else None
        finally:
            if has_room:
                self._leave(place)

    def _enter(self, place: Place) -> bool:
        with self._lock:
            if len(self._places) >= self.size:
                other = self._less_urgent(place)
                if other is None:
                    return False
                other.is_taken_back = True
                self._places.remove(other)
            self._places.append(place)
            return True

    def _leave(self, place: Place) -> None:
        with self._lock:
            if not place.is_taken_back:
                self._places.remove(place)

    def _less_urgent(self, place: Place) -> Place | None:
        """Return the place that is given up for a new one; None if none is. Of several, it is the one taken first."""
        taken = Counter(each.repository for each in self._places)
        own = taken[place.repository]
        greedy = (each for each in self._places if taken[each.repository] > own + 1)
        repeats = (each for each in self._places if each.is_repeat and not place.is_repeat)
        return next(greedy, None) or next(repeats, None)
