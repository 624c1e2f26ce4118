"""The list of all images in files of several pages."""

import json

from microbadger.site.list_pages import in_pages, list_file

MOST = 100
NAMES = [f"team/web-{number:05}" for number in range(3000)]


def pages_of(names: list[str]) -> list[list[bytes]]:
    pages = list(in_pages([(name, name.encode()) for name in names], len(names), MOST))
    assert [has_next for _, has_next in pages] == [True] * (len(pages) - 1) + [False]
    return [page for page, _ in pages]


def test_every_image_is_on_one_page_in_its_order() -> None:
    assert [entry.decode() for page in pages_of(NAMES) for entry in page] == NAMES
    assert pages_of([]) == [[]]


def test_a_list_that_fits_has_one_page() -> None:
    assert [len(pages_of(NAMES[:count])) > 1 for count in (1, MOST, MOST + 1)] == [False, False, True]


def test_a_page_is_neither_too_long_nor_tiny() -> None:
    sizes = [len(page) for page in pages_of(NAMES)]
    assert max(sizes) <= MOST
    assert min(sizes[:-1]) >= MOST // 10


def test_an_image_that_comes_or_goes_changes_few_pages() -> None:
    before = {tuple(page) for page in pages_of(NAMES)}
    with_one = [[*NAMES[:place], f"{NAMES[place]}-new", *NAMES[place:]] for place in range(50, 3000, 100)]
    without_one = [NAMES[:place] + NAMES[place + 1 :] for place in range(50, 3000, 100)]
    changed = [len({tuple(page) for page in pages_of(names)} - before) for names in with_one + without_one]
    assert sum(changed) / len(changed) < 2
    assert max(changed) < 8


def test_a_page_names_the_next_one_and_the_first_has_the_counts() -> None:
    first = json.loads(list_file([b"{}", b"{}"], 1, "https://badges.test", has_next=True, counts=(3, 5)))
    last = json.loads(list_file([b"{}"], 3, "https://badges.test", has_next=False))
    assert first == {
        "CurrentPage": 1,
        "PageCount": 3,
        "ImageCount": 5,
        "Next": "https://badges.test/v1/images/-/page-2.json",
        "Images": [{}, {}],
    }
    assert last == {"CurrentPage": 3, "Images": [{}]}
