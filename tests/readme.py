"""What the README shows to be typed or pasted, for tests that try it as it is written."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
# A fenced block as a whole, in which a line may begin with # as well, or a heading.
_PARTS = re.compile(
    r"^```(?P<language>\w*)\n(?P<code>.*?)^```$|^(?P<level>#+) (?P<title>[^\n]*)$", re.MULTILINE | re.DOTALL
)


def section(title: str) -> str:
    """Return the text below a heading of any level, up to the next heading of the same or a higher one."""
    headings = [match for match in _PARTS.finditer(README) if match["level"]]
    (start,) = (heading for heading in headings if heading["title"] == title)
    later = (heading for heading in headings if heading.start() > start.start())
    end = next((heading.start() for heading in later if len(heading["level"]) <= len(start["level"])), None)
    return README[start.end() : end]


def block(title: str, language: str = "", *, holding: str = "") -> str:
    """Return the only fenced block of a section that is in a language and holds a text."""
    found = (match["code"] for match in _PARTS.finditer(section(title)) if match["language"] == language)
    (only,) = (code for code in found if holding in code)
    return only


def rows(title: str) -> list[list[str]]:
    """Return the rows of the only table of a section, each as its cells."""
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
