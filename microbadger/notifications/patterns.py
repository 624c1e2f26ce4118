"""Chooses tags by patterns such as ``1.*``, ``v[0-9]*`` and, to leave some out, ``!*-rc*``.

A tag is chosen if it fits one of the patterns, or if there are only exclusions, and fits no exclusion. Patterns are
those of `fnmatch`, whose cache of compiled patterns a stranger could fill.

Patterns that choose no tag at all are a mistake and are refused. The check looks for a tag that is chosen, one
character after the other; where that takes too long, patterns are accepted.
"""

import itertools
import re
import string
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

_MOST_PATTERNS = 50
_MOST_STEPS = 20_000
_LONGEST_TAG = 128
_PATTERN = re.compile(r"!?+[\w.*?\[\]!-]{1,128}", re.ASCII)
_PART = re.compile(r"\[!?+\]?+[^\]]*+\]|.", re.ASCII)

# https://github.com/opencontainers/distribution-spec/blob/main/spec.md, section "Pulling manifests"
_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_.-")
_NO_FIRST_CHARACTERS = frozenset(".-")

_Parts = Sequence[frozenset[str] | None]
"""The characters that fit each part of a pattern; None for any number of any."""


class InvalidPatterns(ValueError):
    """Patterns are invalid, or choose no tag; the sentence says why."""


class TagPatterns:
    """Patterns, ready to choose tags; without patterns, every tag is chosen.

    >>> patterns = TagPatterns(["1.*", "!*-rc*"])
    >>> [tag for tag in ("1.1", "1.2", "1.2-rc1", "2.0") if patterns.choose(tag)]
    ['1.1', '1.2']
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        wanted, unwanted = _divide(patterns)
        self._wanted = list(map(_parts_of, wanted or ["*"]))
        self._unwanted = list(map(_parts_of, unwanted))

    def choose(self, tag: str) -> bool:
        """Return whether a tag is chosen."""
        is_unwanted = any(_fits(tag, parts) for parts in self._unwanted)
        return not is_unwanted and any(_fits(tag, parts) for parts in self._wanted)


def check_patterns(patterns: Sequence[str], most: int = _MOST_PATTERNS) -> None:
    """Raise InvalidPatterns if there are too many patterns, if one is invalid, or if they choose no tag."""
    if len(patterns) > most:
        raise InvalidPatterns(f"There can be {most} tag patterns at most.")
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise InvalidPatterns(
                f"{pattern[:200]!r} is not a tag pattern: write 1.2, 1.* or v[0-9]*, and !*-rc* to leave tags out."
            )
        if not _is_possible(_parts_of(pattern.removeprefix("!"))):
            raise InvalidPatterns(f"No tag fits the pattern {pattern!r}.")
    wanted, unwanted = _divide(patterns)
    left = [_parts_of(pattern) for pattern in wanted or ["*"] if pattern not in unwanted]
    excluded = list(map(_parts_of, unwanted))
    if not any(_leaves_some(parts, excluded, _MOST_STEPS // len(left)) for parts in left):
        raise InvalidPatterns("The tag patterns choose no tag: those with ! exclude all that the others choose.")


def _divide(patterns: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the patterns that choose tags, and those that exclude some, without their mark."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for pattern in patterns:
        (unwanted if pattern.startswith("!") else wanted).append(pattern.removeprefix("!"))
    return wanted, unwanted


def _parts_of(pattern: str) -> _Parts:
    return [None if part == "*" else _fitting(part) for part in _PART.findall(pattern)]


@lru_cache(1024)
def _fitting(part: str) -> frozenset[str]:
    """Return the characters of tags that fit a part of a pattern."""
    if part == "?":
        return _CHARACTERS
    if len(part) == 1:
        return _CHARACTERS & {part}
    is_negated = part[1] == "!"
    listed = part[2:-1] if is_negated else part[1:-1]
    fitting: set[str] = set()
    while listed:
        end = 2 if listed[1:2] == "-" and len(listed) > 2 else 0
        fitting.update(character for character in _CHARACTERS if listed[0] <= character <= listed[end])
        listed = listed[end + 1 :]
    return _CHARACTERS - fitting if is_negated else _CHARACTERS & fitting


def _fits(tag: str, parts: _Parts) -> bool:
    """Return whether a tag fits a pattern; where a ``*`` took too few characters, it takes one more."""
    place = part = 0
    star, star_place = -1, 0
    while place < len(tag):
        if part < len(parts) and parts[part] is None:
            star, star_place = part, place
            part += 1
        elif part < len(parts) and tag[place] in (parts[part] or ()):
            place, part = place + 1, part + 1
        elif star >= 0:
            star_place += 1
            place, part = star_place, star + 1
        else:
            return False
    return all(rest is None for rest in parts[part:])


def _is_possible(parts: _Parts) -> bool:
    """Return whether a tag can fit a pattern."""
    if frozenset() in parts:
        return False
    return parts[0] is None or not parts[0] <= _NO_FIRST_CHARACTERS


def _leaves_some(wanted: _Parts, excluded: Sequence[_Parts], most_steps: int) -> bool:
    """Return whether a tag fits a pattern and none that is excluded; also if that takes more steps to find out."""
    letters = _letters(wanted, *excluded)
    matchers = [_Matcher(parts, letters) for parts in (wanted, *excluded)]
    states = {tuple(matcher.start for matcher in matchers)}
    seen: set[tuple[int, ...]] = set()  # without the first state, from which fewer characters lead on
    for length in range(_LONGEST_TAG):
        following: set[tuple[int, ...]] = set()
        for state, letter in itertools.product(states, letters):
            if not length and letter in _NO_FIRST_CHARACTERS:
                continue
            most_steps -= len(matchers)
            after = tuple(matcher.after(places, letter) for matcher, places in zip(matchers, state, strict=True))
            fits, *are_excluded = [matcher.fits(places) for matcher, places in zip(matchers, after, strict=True)]
            if most_steps < 0 or (fits and not any(are_excluded)):
                return True
            if after[0] and not any(map(_Matcher.fits_from_here, matchers[1:], after[1:])):
                following.add(after)
        states = following - seen
        seen |= following
    return False


class _Matcher:
    """Follows all ways at once in which a text can fit a pattern; a state has a bit for each part that can be next."""

    def __init__(self, parts: _Parts, letters: Iterable[str]) -> None:
        self._fitting = {
            letter: sum(1 << place for place, part in enumerate(parts) if part and letter in part) for letter in letters
        }
        self._any = sum(1 << place for place, part in enumerate(parts) if part is None)
        self._end = 1 << len(parts)
        rest = len(list(itertools.takewhile(lambda part: part is None, reversed(parts))))
        self._only_any = self._end - (self._end >> rest)
        self.start = self._skip(1)

    def after(self, places: int, letter: str) -> int:
        """Return the state after one more letter."""
        return self._skip((places & self._fitting[letter]) << 1 | places & self._any)

    def fits(self, places: int) -> bool:
        """Return whether a text that led to a state fits."""
        return bool(places & self._end)

    def fits_from_here(self, places: int) -> bool:
        """Return whether a text that led to a state fits, whatever follows."""
        return bool(places & self._only_any)

    def _skip(self, places: int) -> int:
        """Add the parts that come next where any number of letters may be none."""
        while (more := places | (places & self._any) << 1) != places:
            places = more
        return places


def _letters(*patterns: _Parts) -> Collection[str]:
    """Return one of each kind of characters that no pattern tells apart."""
    sets = {part for parts in patterns for part in parts if part is not None} | {_NO_FIRST_CHARACTERS}
    return {tuple(letter in part for part in sets): letter for letter in sorted(_CHARACTERS)}.values()
