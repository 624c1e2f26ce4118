"""Recognizes secrets that are easy to guess. Anyone who knows the URL of one webhook can test guesses offline.

Weak secrets consist of common words, neighbouring keys, counted numbers and repetitions, or are placeholders from an
example. A random secret may contain a few of these by chance, but also enough other characters.
"""

import re
import string

_FEWEST_CHARACTERS = 5
_FEWEST_LEFT = 3
_LONGEST_STEP = 2
_REPEATED = re.compile(r"(.{1,32}?)\1+.{0,5}", re.DOTALL)
_DOUBLED = re.compile(r"(.)\1+", re.DOTALL)
_UNEXPANDED = re.compile(
    r"\$\{[a-zA-Z_]{3}[^{}]*\}|\$\([a-zA-Z_]{3}[^()]*\)|\{\{[^{}]{3,}\}\}"
    r"|\A(\$[A-Z0-9_]+|\$[a-z0-9_]+|<[\w .:/-]+>|%\w+%|\[[\w .:/-]+\]|__\w+__|@\w+@|\{[\w .:-]+\})\Z"
)
_KEYBOARD = (
    *("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm"),
    *("1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "qazwsxedcrfvtgbyhnujm"),
)
_KEYS = {row[at : at + 3] for keys in _KEYBOARD for row in (keys, keys[::-1]) for at in range(len(keys) - 2)}
_GAP = "\0"  # cannot be part of a secret
_SEPARATORS = f"{_GAP} -_.,:;/!?'\"()[]<>"
_WORDS = (
    "abracadabra|access|account|add|administrator|admin|anything|apikey|api|asdf|auth|badger|badge|baseball|battery|batman"
    "|bearer|changeit|changeme|change|choose|correct|database|default|demo|docker|dragon|dummy|edit|enter|env|example"
    "|fill|football|foo|from|generate|goes|google|guest|hello|here|hidden|horse|iloveyou|image|insert|jordan|key"
    "|letmein|login|long|love|make|master|michael|microbadger|micro|monkey|must|mustang|my|me|nobody|none|null|nothing"
    "|object|passphrase|password|passwort|passwd|pass|placeholder|please|princess|private|process|production|public|put"
    "|qwerty|qwertz|random|registry|replace|root|sample|secret|secure|server|service|set|shadow|signing|some|something|staging"
    "|staple|starwars|string|sunshine|superman|super|temporary|temp|test|text|that|the|this|token|todo|to|trustno|undefined"
    "|user|value|variable|webhook|welcome|whatever|with|world|xxx|you|your"
)
# The longest words come first, or a shorter word would leave a part of a longer one.
_COMMON = re.compile("|".join(sorted(_WORDS.split("|"), key=len, reverse=True)))
# Characters that people write for a letter; a 1 can stand for an i or an l.
_READINGS = [str.maketrans("@430$57!1", f"aaeossti{one}") for one in "il"]
_BEYOND_HEXADECIMAL = re.compile(r"[^\W\d_a-f]")


def is_guessable(secret: str) -> bool:
    """Return whether a secret is a repetition, a placeholder, or little more than common words and sequences."""
    lower = secret.lower()
    if len({*lower}) < _FEWEST_CHARACTERS or _REPEATED.fullmatch(lower) or _UNEXPANDED.search(secret):
        return True
    has_words = bool(_BEYOND_HEXADECIMAL.search(lower))
    rest = _without_rows(_DOUBLED.sub(r"\1", _without_words(lower) if has_words else lower))
    # Digits after a word are usually a counter or a year.
    ignored = f"{_SEPARATORS}{string.digits}" if has_words else _SEPARATORS
    return _GAP in rest and len({*rest}.difference(ignored)) < _FEWEST_LEFT


def _without_words(lower: str) -> str:
    """Return a text with gaps in place of common words, even if they are spelled with digits for letters."""
    places = {
        place
        for reading in [lower, *map(lower.translate, _READINGS)]
        for word in _COMMON.finditer(reading)
        for place in range(*word.span())
    }
    return "".join(_GAP if place in places else character for place, character in enumerate(lower))


def _without_rows(text: str) -> str:
    """Return a text with gaps in place of three or more characters that count up or down, or are adjacent keys."""
    places = {
        place + offset
        for place in range(len(text) - 2)
        if _is_counted(text[place : place + 3]) or text[place : place + 3] in _KEYS
        for offset in range(3)
    }
    return "".join(_GAP if place in places else character for place, character in enumerate(text))


def _is_counted(three: str) -> bool:
    first, second, third = map(ord, three)
    return three.isalnum() and second - first == third - second and abs(second - first) <= _LONGEST_STEP
