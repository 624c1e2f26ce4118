"""Chooses tags by patterns such as ``1.*`` and ``v[0-9]*``, and by exclusions such as ``!*-rc*``.

A tag is chosen if it matches a pattern and no exclusion; without patterns, every tag that matches no exclusion is
chosen. The syntax is `fnmatch`'s, but that module is not used because strangers could fill its cache of patterns.

Mistakes are refused: a pattern that no tag can match, or patterns that choose no tag because each is covered by one of
the exclusions. Several exclusions that cover a pattern only together are not detected.
"""

import re
import string
from collections.abc import Iterable, Sequence
from functools import lru_cache

_MOST_PATTERNS = 50
_PATTERN = re.compile(r"!?+[\w.*?\[\]!-]{1,128}", re.ASCII)
_ANY_TAG = "?*"
_PART = re.compile(r"\[!?+\]?+[^\]]*+\]|.", re.ASCII)

# https://github.com/opencontainers/distribution-spec/blob/main/spec.md, section "Pulling manifests"
_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_.-")
_NO_FIRST_CHARACTERS = frozenset(".-")

_Parts = Sequence[frozenset[str] | None]
"""The characters that match each part of a pattern, or the character at each place of a tag; None stands for ``*``."""


class InvalidPatterns(ValueError):
    """Patterns are invalid or choose no tag. The message is a sentence that says why."""


class TagPatterns:
    """Chooses tags by patterns. Without patterns, every tag is chosen.

    >>> patterns = TagPatterns(["1.*", "!*-rc*"])
    >>> [tag for tag in ("1.1", "1.2", "1.2-rc1", "2.0") if patterns.choose(tag)]
    ['1.1', '1.2']
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        wanted, unwanted = _divide(patterns)
        self._wanted = list(map(_parts_of, wanted or [_ANY_TAG]))
        self._unwanted = list(map(_parts_of, unwanted))

    def choose(self, tag: str) -> bool:
        """Return whether a tag is chosen."""
        parts = _parts_of(tag)
        return _is_covered(parts, self._wanted) and not _is_covered(parts, self._unwanted)


def check_patterns(patterns: Sequence[str], most: int = _MOST_PATTERNS) -> None:
    """Raise InvalidPatterns if there are too many patterns, if one is invalid, or if they cannot choose any tag."""
    if len(patterns) > most:
        raise InvalidPatterns(f"There are too many tag patterns: use at most {most}.")
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise InvalidPatterns(
                f"{pattern[:200]!r} is not a tag pattern: write 1.2, 1.* or v[0-9]*, and !*-rc* to leave tags out."
            )
        if not _is_possible(_parts_of(pattern.removeprefix("!"))):
            raise InvalidPatterns(f"No tag can match the pattern {pattern!r}.")
    wanted, unwanted = _divide(patterns)
    excluded = list(map(_parts_of, unwanted))
    if all(_is_covered(_parts_of(pattern), excluded) for pattern in wanted or [_ANY_TAG]):
        raise InvalidPatterns("The tag patterns select no tags: those with ! exclude all that the others select.")


def _divide(patterns: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the patterns that choose tags and the patterns that exclude tags, the latter without their ``!``."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for pattern in patterns:
        (unwanted if pattern.startswith("!") else wanted).append(pattern.removeprefix("!"))
    return wanted, unwanted


def _parts_of(pattern: str) -> _Parts:
    return [None if part == "*" else _fitting(part) for part in _PART.findall(pattern)]


@lru_cache(1024)
def _fitting(part: str) -> frozenset[str]:
    """Return the characters, of those allowed in tags, that match a part of a pattern."""
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


def _is_covered(parts: _Parts, patterns: Iterable[_Parts]) -> bool:
    return any(_covers(pattern, parts) for pattern in patterns)


def _covers(pattern: _Parts, parts: _Parts) -> bool:
    """Return whether a pattern matches a tag or, if `parts` are another pattern's, all tags that match that pattern.

    On a mismatch, the search goes back to the last ``*`` and lets it match one part more.
    """
    place = part = 0
    star, star_place = -1, 0
    while place < len(parts):
        characters = parts[place]
        if part < len(pattern) and pattern[part] is None:
            star, star_place = part, place
            part += 1
        elif part < len(pattern) and characters is not None and characters <= (pattern[part] or frozenset()):
            place, part = place + 1, part + 1
        elif star >= 0:
            star_place += 1
            place, part = star_place, star + 1
        else:
            return False
    return all(rest is None for rest in pattern[part:])


def _is_possible(parts: _Parts) -> bool:
    """Return whether any tag can match a pattern."""
    if frozenset() in parts:
        return False
    return parts[0] is None or not parts[0] <= _NO_FIRST_CHARACTERS
