"""What the README and the guide show to be typed or pasted, for tests that try it as it is written."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
GUIDE_FOLDER = ROOT / "microbadger/site/guide"
# A fenced block as a whole, in which a line may begin with # as well, or a heading.
_PARTS = re.compile(
    r"^ *```(?P<language>\w*)\n(?P<code>.*?)^ *```$|^(?P<level>#+) (?P<title>[^\n]*)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Document:
    """The README, or a chapter of the guide."""

    file: Path
    text: str

    @classmethod
    def read(cls, file: Path) -> "Document":
        return cls(file, file.read_text("utf-8"))

    @property
    def titles(self) -> list[str]:
        return [match["title"] for match in _PARTS.finditer(self.text) if match["level"]]

    @property
    def blocks(self) -> list[tuple[str, str]]:
        """The language and the code of each fenced block."""
        found = (match for match in _PARTS.finditer(self.text) if not match["level"])
        return [(match["language"], textwrap.dedent(match["code"])) for match in found]

    def section(self, title: str) -> "Document":
        """Return the text below a heading of any level, up to the next heading of the same or a higher one."""
        headings = [match for match in _PARTS.finditer(self.text) if match["level"]]
        (start,) = (heading for heading in headings if heading["title"] == title)
        later = (heading for heading in headings if heading.start() > start.start())
        end = next((heading.start() for heading in later if len(heading["level"]) <= len(start["level"])), None)
        return Document(self.file, self.text[start.end() : end])

    def block(self, language: str = "", *, holding: str = "") -> str:
        """Return the only fenced block that is in a language and holds a text."""
        (only,) = (code for written_in, code in self.blocks if written_in == language and holding in code)
        return only

    def rows(self, heading: str) -> list[list[str]]:
        """Return the rows of all tables whose first column has a heading, each as its cells."""
        tables = [rest.partition("\n\n")[0] for rest in self.text.split(f"| {heading} |")[1:]]
        lines = [line for table in tables for line in table.splitlines()[2:]]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


README = Document.read(ROOT / "README.md")
GUIDE = {file.stem: Document.read(file) for file in sorted(GUIDE_FOLDER.glob("*.md"))}
DOCUMENTS = [README, *GUIDE.values()]
