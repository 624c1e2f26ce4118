"""The chart of a history, and the section of a page that it stands in."""

import re
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.changes import ChangeLogDocument
from microbadger.image.documents import format_time
from microbadger.image.history import PointDocument
from microbadger.site.common_files import common_files
from microbadger.site.folder import PublicFolder
from microbadger.site.history_chart import history_chart
from microbadger.site.image_files import ImageFiles, status_files
from microbadger.site.image_page import image_page
from microbadger.site.options import SiteOptions
from tests.browser import reading, violations
from tests.site.images import WEB, image_of, version
from tests.site.page import Page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SITE = SiteOptions("https://badges.example.org", is_static=True)
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
MIB = 1024 * 1024
GONE, UNKNOWN = "gone", "unknown"


def points(*sizes: Any, layers: Sequence[int] = (), hours: float = 24 * 30) -> list[PointDocument]:
    """Return points at equal distances; one can be GONE or UNKNOWN instead of having a size."""
    made: list[PointDocument] = []
    for number, size in enumerate(sizes):
        point: PointDocument = {"Time": format_time(START + timedelta(hours=hours * number))}
        if size != GONE:
            point |= {"Version": f"1.{number}", "Digest": f"sha256:{number:012}{0:052}"}
        if isinstance(size, int):
            point |= {"DownloadSize": size, "LayerCount": layers[number] if layers else 9}
        made.append(point)
    return made


def drawn(*sizes: Any, **options: Any) -> ElementTree.Element:
    return ElementTree.fromstring(history_chart(points(*sizes, **options), "example/web"))


def lines(chart: ElementTree.Element) -> list[str]:
    return [path.attrib["d"] for path in chart.iter("path")]


def texts(chart: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in chart.iter("text")]


def test_it_says_what_it_shows() -> None:
    chart = drawn(18 * MIB, 20 * MIB, layers=[9, 1])

    assert chart.attrib["role"] == "img"
    assert chart.findtext("title") == "Download size and layers of example/web"
    assert chart.findtext("desc") == "From 18.0 MiB in 9 layers on 24 Nov 2026 to 20.0 MiB in 1 layer on 24 Dec 2026."


def test_each_size_lasts_until_the_next_point_and_the_last_one_on() -> None:
    assert lines(drawn(10 * MIB, 20 * MIB, 10 * MIB))[0] == "M0 132H485V0H970V132H1000"


def test_equal_sizes_are_one_line() -> None:
    assert lines(drawn(10 * MIB, 10 * MIB))[0] == "M0 66H970H1000"


@pytest.mark.parametrize("unknown", [GONE, UNKNOWN])
def test_what_is_not_known_leaves_a_gap(unknown: str) -> None:
    size, layers = lines(drawn(10 * MIB, unknown, 20 * MIB, layers=[9, 0, 10]))

    assert (size, layers) == ("M0 132H485M970 0H1000", "M0 44H485M970 0H1000")


@pytest.mark.parametrize(
    "sizes", [[], [MIB], [MIB, GONE], [UNKNOWN, MIB], [UNKNOWN, UNKNOWN]], ids=lambda sizes: str(len(sizes))
)
def test_fewer_than_two_sizes_are_no_chart(sizes: list[Any]) -> None:
    assert history_chart(points(*sizes), "example/web") == ""


@pytest.mark.parametrize(
    ("sizes", "ticks"),
    [
        ([18 * MIB, 20 * MIB], ["18 MiB", "19 MiB", "20 MiB"]),
        ([2 * MIB, 30 * MIB], ["0 MiB", "10 MiB", "20 MiB", "30 MiB"]),
        ([MIB, MIB + 1], ["0.9 MiB", "1.0 MiB", "1.1 MiB"]),
        ([700 * 1024, 600 * 1024], ["600 KiB", "650 KiB", "700 KiB"]),
        ([100, 101], ["95 B", "100 B", "105 B", "110 B"]),
        ([1, 2], ["1.0 B", "1.5 B", "2.0 B"]),
        ([3 * 1024**4, 5000 * 1024**4], ["0 TiB", "2000 TiB", "4000 TiB", "6000 TiB"]),
    ],
)
def test_the_sizes_have_a_few_round_ticks(sizes: list[int], ticks: list[str]) -> None:
    assert [text for text in texts(drawn(*sizes)) if text.endswith("B")] == ticks


@pytest.mark.parametrize(
    ("layers", "ticks"), [([9, 10], ["9", "10"]), ([5, 5], ["4", "5", "6"]), ([1, 60], ["0", "100"])]
)
def test_layers_are_counted_in_whole_numbers(layers: list[int], ticks: list[str]) -> None:
    assert [text for text in texts(drawn(MIB, MIB, layers=layers)) if text.isdecimal()] == ticks


def test_it_names_the_first_the_middle_and_the_last_day() -> None:
    assert texts(drawn(MIB, MIB, MIB))[-3:] == ["24 Nov 2026", "24 Dec 2026", "23 Jan 2027"]


def test_within_a_few_days_it_names_the_times() -> None:
    assert texts(drawn(MIB, MIB, hours=3))[-3:] == ["24 Nov 12:00", "24 Nov 13:30", "24 Nov 15:00"]


def test_points_of_one_moment_are_drawn_all_the_same() -> None:
    assert lines(drawn(MIB, 2 * MIB, hours=0))[0].startswith("M0 ")


def test_the_same_points_give_the_same_bytes() -> None:
    assert history_chart(points(MIB, MIB), "a/b") == history_chart(points(MIB, MIB), "a/b")


def test_a_strangers_tag_stays_a_text() -> None:
    chart = history_chart(points(MIB, MIB), "<script>&")
    assert ElementTree.fromstring(chart).findtext("title") == "Download size and layers of <script>&"


@given(st.lists(st.integers(1, 2**50) | st.sampled_from([GONE, UNKNOWN]), max_size=30), st.floats(0, 10**4))
def test_every_line_stays_within_its_plot(sizes: list[Any], hours: float) -> None:
    markup = history_chart(points(*sizes, hours=hours), "example/web")
    for plot in ElementTree.fromstring(markup).iter("svg") if markup else ():
        line = plot.find("path")
        if line is not None:
            heights = [float(height) for height in re.findall(r"(?:V|M\S+ )([\d.]+)", line.attrib["d"])]
            assert max(heights) <= float(plot.attrib["height"])
            assert "-" not in line.attrib["d"]


# The section of the page


def page_of(*sizes: Any, tag: str | None = None) -> bytes:
    current = version("1.0", "latest")
    return image_page(image_of(current), tag=tag, version=current, changes=[], points=points(*sizes), site=SITE)


def rows(page: Page) -> list[str]:
    """Return the rows of the table of the history, each on one line."""
    table = page.text.partition("As a table")[2].partition("This history as JSON")[0]
    return [" ".join(row.split()) for row in re.split(r"(?=\d{4}-\d\d-\d\d )", table)][1:]


def test_the_table_says_the_same_with_the_newest_first() -> None:
    assert rows(Page(page_of(18 * MIB, UNKNOWN, GONE, MIB))) == [
        "2027-02-22 12:00:00 UTC 1.3 000000000003 1.0 MiB 9 layers",
        "2027-01-23 12:00:00 UTC gone",
        "2026-12-24 12:00:00 UTC 1.1 000000000001 unknown unknown",
        "2026-11-24 12:00:00 UTC 1.0 000000000000 18.0 MiB 9 layers",
    ]


def test_the_table_marks_a_time_that_is_no_more_than_an_upper_bound() -> None:
    current, first = version("1.0"), points(MIB, MIB)
    first[0]["TimeIsExact"] = False
    page = Page(image_page(image_of(current), version=current, changes=[], points=first, site=SITE))

    assert [row for row in rows(page) if "or earlier" in row] == [
        "2026-11-24 12:00:00 UTC or earlier 1.0 000000000000 1.0 MiB 9 layers"
    ]


def test_the_table_has_thirty_rows_at_most() -> None:
    assert len(rows(Page(page_of(*[MIB] * 40)))) == 30


def test_a_page_without_a_chart_does_not_mention_a_history() -> None:
    assert "istory" not in Page(page_of(MIB)).text


@pytest.mark.parametrize(
    ("tag", "heading"), [(None, "History of the current version"), ("latest", "History of latest")]
)
def test_the_section_says_whose_history_it_is(tag: str | None, heading: str) -> None:
    page = Page(page_of(MIB, MIB, tag=tag))
    assert heading in page.text.splitlines()
    assert "/v1/images/example/web/-/history.json" in page.values("href")


def test_nothing_in_the_chart_has_a_style_of_its_own() -> None:
    """The policy of a page forbids it."""
    page = Page(page_of(MIB, MIB))
    assert [page.values(attribute) for attribute in ("style", "fill", "stroke")] == [[], [], []]


# In a browser


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def site_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a file server with the files of one image."""
    folder, current = tmp_path_factory.mktemp("public"), version("1.0", "latest")
    made = points(*[18 * MIB, 21 * MIB, UNKNOWN] * 10)
    files = ImageFiles(
        image=image_of(current),
        changes=ChangeLogDocument(ImageName="example/web", Changes=[]),
        history=lambda: {"ImageName": "example/web", "Current": {"PointCount": 30, "Points": made}, "Tags": []},
        version={current["SHA"]: current}.get,
        site=SITE,
    )
    status = status_files(WEB, {"ImageName": "example/web", "State": "current"})
    PublicFolder(folder).publish({**common_files(SITE), **status, **files.written()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_it_fits_and_can_be_read(chromium: "Browser", site_url: str, width: int, scheme: str) -> None:
    with reading(chromium, site_url, viewport={"width": width, "height": 800}, color_scheme=scheme) as tab:
        tab.goto("/images/example/web/#history")
        tab.get_by_text("As a table").click()
        line, label = tab.locator(".chart path").first, tab.get_by_text("19 MiB")

        assert tab.evaluate("document.documentElement.scrollWidth") == width
        place, beside = line.bounding_box(), label.bounding_box()
        assert place
        assert beside
        assert (0.6 * width < place["width"] < width, beside["x"] >= 0, beside["height"] > 10) == (True, True, True)
        assert line.evaluate("line => getComputedStyle(line).stroke") == {
            "light": "rgb(11, 92, 173)",
            "dark": "rgb(124, 186, 248)",
        }[scheme]
        assert violations(tab) == []
