"""A page as a browser without a script reads it."""

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "br", "wbr", "rect"}


class Page(HTMLParser):
    """A page's elements, and its text with a line for each element that is more than where a line may end."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page.decode())
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "wbr":
            self.text = self.text.removesuffix("\n")
        elif tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self.open and self.open[-1] in ("code", "bdi") else data.strip("\n") + "\n"

    @property
    def words(self) -> str:
        """The text of the page on one line."""
        return " ".join(self.text.split())

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for element, attributes in self.elements if element == name]

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.elements if attribute in attributes]
