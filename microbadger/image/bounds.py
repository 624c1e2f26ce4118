"""Limits the size of untrusted data: of each text, of all labels, of all commands, and of a whole document.

Nothing is cut silently. A cut text says so at its end, and the sentences in ``Cut`` report everything else.
"""

import json
from collections.abc import Iterable, Mapping

MAX_TEXT_BYTES = 64 * 1024
MAX_TEXTS_BYTES = 512 * 1024
MAX_TEXTS = 1000
MAX_DETAILS_BYTES = 2 * 1024**2
"""The limit for the details of all platforms of a version together, except the main one."""
MAX_DOCUMENT_BYTES = 4 * 1024**2

_MARK = " … (cut after 64 KiB)"
# If there are too many labels, those with a standard meaning are kept first.
_KNOWN_KEYS = ("org.opencontainers.image.", "org.label-schema.", "vnd.docker.reference.")


def cut_text(text: str) -> str:
    """Return a text; if it is longer than 64 KiB of UTF-8, cut it there and append a note."""
    if len(text) <= MAX_TEXT_BYTES // 4:
        return text
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= MAX_TEXT_BYTES else raw[:MAX_TEXT_BYTES].decode("utf-8", "ignore") + _MARK


def size_bytes(value: object) -> int:
    """Return how many bytes a value takes as JSON in a document."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "replace")) + 5 * sum(map(text.count, "<>&"))


def bounded_texts(texts: Mapping[str, str], what: str, max_bytes: int = MAX_TEXTS_BYTES) -> tuple[dict[str, str], str]:
    """Return as many labels or annotations as fit, and a sentence about those left out, or an empty text.

    ``what`` names them in the sentence.
    """
    kept: dict[str, str] = {}
    for key, text in sorted(texts.items(), key=lambda item: not item[0].startswith(_KNOWN_KEYS)):
        size = size_bytes(key) + size_bytes(text) + 2
        if size <= max_bytes and len(kept) < MAX_TEXTS:
            kept[key] = text
            max_bytes -= size
    left_out = len(texts) - len(kept)
    in_order = {key: text for key, text in texts.items() if key in kept}
    why = f"{left_out} of {len(texts)} {what} are left out: there are too many, or they are too large"
    return in_order, why if left_out else ""


def bounded_commands(commands: Iterable[str]) -> tuple[list[str], str]:
    """Return commands, empty once the limit is reached, and a sentence about those left out, or an empty text."""
    kept, left, left_out = [], MAX_TEXTS_BYTES, 0
    for command in commands:
        left -= size_bytes(command)
        left_out += left < 0 < len(command)
        kept.append(command if left >= 0 else "")
    return kept, f"{left_out} of {len(kept)} commands are left out: they are too large" if left_out else ""
