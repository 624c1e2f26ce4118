"""How much is kept of what strangers write: of each text, of all labels, of all commands, and of a whole document.

Whatever is cut says so: a text at its end, everything else in the sentences of ``Cut``.
"""

import json
from collections.abc import Iterable, Mapping

MAX_TEXT_BYTES = 64 * 1024
MAX_TEXTS_BYTES = 512 * 1024
MAX_TEXTS = 1000
MAX_DETAILS_BYTES = 2 * 1024**2
"""Of all platforms of a version together, beside those of its main one."""
MAX_DOCUMENT_BYTES = 4 * 1024**2

_MARK = " … (cut after 64 KiB)"
# Where there are too many labels, those that mean something stay.
_KNOWN_KEYS = ("org.opencontainers.image.", "org.label-schema.", "vnd.docker.reference.")


def cut_text(text: str) -> str:
    """Return a text, cut after 64 KiB of UTF-8 and marked so if it is longer."""
    if len(text) <= MAX_TEXT_BYTES // 4:
        return text
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= MAX_TEXT_BYTES else raw[:MAX_TEXT_BYTES].decode("utf-8", "ignore") + _MARK


def size_bytes(value: object) -> int:
    """Return how many bytes a value has in a document."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "replace")) + 5 * sum(map(text.count, "<>&"))


def bounded_texts(texts: Mapping[str, str], what: str, max_bytes: int = MAX_TEXTS_BYTES) -> tuple[dict[str, str], str]:
    """Return as many labels or annotations as may be kept, and a sentence about the others, empty if there are none."""
    kept: dict[str, str] = {}
    for key, text in sorted(texts.items(), key=lambda item: not item[0].startswith(_KNOWN_KEYS)):
        size = size_bytes(key) + size_bytes(text) + 2
        if size <= max_bytes and len(kept) < MAX_TEXTS:
            kept[key] = text
            max_bytes -= size
    left_out = len(texts) - len(kept)
    in_order = {key: text for key, text in texts.items() if key in kept}
    why = f"{left_out} of {len(texts)} {what} are left out: they are too many or too large"
    return in_order, why if left_out else ""


def bounded_commands(commands: Iterable[str]) -> tuple[list[str], str]:
    """Return commands, empty from where all together would be too large, and a sentence if that is so."""
    kept, left, left_out = [], MAX_TEXTS_BYTES, 0
    for command in commands:
        left -= size_bytes(command)
        left_out += left < 0 < len(command)
        kept.append(command if left >= 0 else "")
    return kept, f"{left_out} of {len(kept)} commands are left out: they are too large" if left_out else ""
