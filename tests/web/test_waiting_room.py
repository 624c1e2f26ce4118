"""Places to wait: none is kept from an image by another one that takes all, or that is asked for on and on."""

from contextlib import ExitStack

import pytest

from microbadger.image.reference import Repository
from microbadger.web.waiting_room import Place, WaitingRoom

SIZE = 4


class Room:
    """A room, and those who wait in it for images of these names; a name in upper case is asked for on and on."""

    def __init__(self, names: str) -> None:
        self.room = WaitingRoom(SIZE)
        self.stack = ExitStack()
        self.places = [place for name in names if (place := self.enter(name))]

    def enter(self, name: str) -> Place | None:
        repository = Repository.parse(f"team/{name.lower()}")
        return self.stack.enter_context(self.room.place(repository, is_repeat=name.isupper()))

    @property
    def waiting(self) -> str:
        still = [place for place in self.places if not place.is_taken_back]
        names = [place.repository.path[-1] for place in still]
        return "".join(name.upper() if place.is_repeat else name for name, place in zip(names, still, strict=True))


@pytest.mark.parametrize(("before", "comes", "stay"), [
    ("", "a", ""), ("aaa", "a", "aaa"), ("abc", "D", "abc"),
    ("aaaa", "b", "aaa"), ("AAAA", "b", "AAA"), ("aaaa", "B", "aaa"), ("abbb", "c", "abb"), ("aabb", "c", "abb"),
    ("aaab", "b", "aab"), ("abCd", "e", "abd"), ("ABCD", "e", "BCD"), ("abcC", "d", "abC"),
])  # fmt: skip
def test_a_place_is_free_or_taken_back(before: str, comes: str, stay: str) -> None:
    room = Room(before)
    assert room.enter(comes)
    assert room.waiting == stay


@pytest.mark.parametrize(("before", "comes"), [
    ("aaaa", "a"), ("aaaa", "A"), ("AAAA", "A"), ("aabb", "b"), ("abcd", "e"), ("abcd", "E"), ("ABCD", "E"),
    ("abcd", "a"),
])  # fmt: skip
def test_there_is_no_place_for_what_is_not_more_urgent(before: str, comes: str) -> None:
    room = Room(before)
    assert room.enter(comes) is None
    assert room.waiting == before


def test_who_leaves_gives_the_place_back_once() -> None:
    room = Room("aaaa")
    assert room.enter("b")
    room.stack.close()
    assert [bool(room.enter("a")) for _ in range(SIZE + 1)] == [True] * SIZE + [False]
