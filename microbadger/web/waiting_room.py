"""Limits how many requests wait for the end of a check, because each of them occupies a thread.

Anyone who knows a webhook can wait, so the places are shared. If no place is free, a new request takes one from an
image that has at least two more places than its own image. Otherwise, if its check begins at once, it takes one from
a request whose check has to wait because its image is requested again and again.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from microbadger.image import Repository


@dataclass(slots=True, eq=False)
class Place:
    """The place of a waiting request. ``is_taken_back`` says that another request has got it.

    ``is_repeat`` says that the check of its image has to wait.
    """

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
        """Hold a place while the block runs, and yield it, or None if there is no place for this image."""
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
        """Return the place that is given up for a new one, the oldest of several; None if there is none."""
        taken = Counter(each.repository for each in self._places)
        own = taken[place.repository]
        greedy = (each for each in self._places if taken[each.repository] > own + 1)
        repeats = (each for each in self._places if each.is_repeat and not place.is_repeat)
        return next(greedy, None) or next(repeats, None)
