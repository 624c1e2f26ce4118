"""What templates print: texts in which nothing hides, and the words of facts."""

import pytest

from microbadger.image.documents import PlatformDocument
from microbadger.site.templating import platform_names, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 世界 👩\u200d🚀 مرحبا", "Grüße, 世界 👩\u200d🚀 مرحبا"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("invoice\u202efdp.exe", r"invoice\u{202e}fdp.exe"),
        ("\u2066a\u2069\u200b\ufeff", r"\u{2066}a\u{2069}\u{200b}\u{feff}"),
        ("\x00\x1b[31m\x85", r"\u{0}\u{1b}[31m\u{85}"),
        ("\ud800\u2028", r"\u{d800}\u{2028}"),
        ("\U000e0041", r"\u{e0041}"),
    ],
)
def test_it_spells_out_what_would_hide_or_reorder_text(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["linux/arm/v7"], "linux/arm/v7"),
        (["linux/amd64", "linux/arm64"], "linux/amd64, arm64"),
        (["linux/amd64", "windows/amd64", "windows/amd64", "linux/386"], "linux/amd64, windows/amd64, linux/386"),
        ([], ""),
    ],
)
def test_platforms_are_told_without_repeating_the_system(names: list[str], text: str) -> None:
    platforms = []
    for os, architecture, *variant in (name.split("/") for name in names):
        platform = PlatformDocument(OS=os, Architecture=architecture, Digest="", DownloadSize=1, LayerCount=1)
        platforms.append(platform | {"Variant": variant[0]} if variant else platform)
    assert platform_names(platforms) == text
