"""The setting that names a CDN: what it can be, and that its token shows nowhere."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.cdn.target import Cloudflare, PurgeMethod, Target, parse_target

ZONE = "0123456789abcdef0123456789abcdef"
TOKEN = "a-secret-token"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://cdn.example.org", PurgeMethod("https://cdn.example.org")),
        ("https://cdn.example.org/", PurgeMethod("https://cdn.example.org")),
        ("http://10.0.0.7:6081/badges", PurgeMethod("http://10.0.0.7:6081/badges")),
        ("http://[fd00::1]:6081", PurgeMethod("http://[fd00::1]:6081")),
        (f"cloudflare:{ZONE}:{TOKEN}", Cloudflare(ZONE, TOKEN)),
        (f"cloudflare:{ZONE}:a.b_c~d+e/f==", Cloudflare(ZONE, "a.b_c~d+e/f==")),
    ],
)
def test_a_setting_names_a_target(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "mañana",
        "",
        "cdn.example.org",
        "ftp://cdn.example.org",
        "https://",
        "https://reader:geheim@cdn.example.org",
        "https://cdn.example.org?key=geheim",
        "https://cdn.example.org:0",
        "https://cdn.example.org:99999",
        "https://cdn.example.org\n",
        "Cloudflare:geheim",
        "cloudflare:",
        "cloudflare:geheim",
        f"cloudflare:{ZONE}",
        f"cloudflare:{ZONE}:",
        f"cloudflare:{ZONE}:two geheim",
        f"cloudflare:{ZONE}:geheim\n",
        f"cloudflare:{ZONE}:geheim:geheim",
        f"cloudflare:../zone:{TOKEN}",
        f"cloudflare:geheim-and-longer-than-any-zone-id:{ZONE}",
    ],
)
def test_a_setting_that_names_no_target_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be") as raised:
        parse_target(text)
    assert "geheim" not in str(raised.value)
    assert TOKEN not in str(raised.value)


@given(st.text() | st.text().map("cloudflare:{}".format) | st.text().map("https://{}".format))
def test_any_other_text_is_refused(text: str) -> None:
    with suppress(ValueError):
        parse_target(text)


def test_a_target_does_not_show_its_token() -> None:
    target = parse_target(f"cloudflare:{ZONE}:{TOKEN}")
    assert TOKEN not in repr([target, target.requests(["/"], "https://badges.example.org")])
