"""The labels and annotations of an image as its page shows them."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.labels import KNOWN_FIELDS, License, read_labels
from microbadger.site.label_table import LabelRow, label_table

OCI = "org.opencontainers.image"
OLD = "org.label-schema"

EVERYTHING = {oci: "x" for oci, _ in KNOWN_FIELDS.values()}


@pytest.mark.parametrize(
    ("labels", "row"),
    [
        ({f"{OCI}.title": "Bäckerei 🥐"}, LabelRow("Title", f"{OCI}.title", "Bäckerei 🥐")),
        ({f"{OCI}.licenses": "mit"}, LabelRow("License", f"{OCI}.licenses", "MIT", "https://spdx.org/licenses/MIT.html")),
        ({f"{OCI}.licenses": "ours"}, LabelRow("License", f"{OCI}.licenses", "ours")),
        ({f"{OLD}.name": "web"}, LabelRow("Title", f"{OLD}.name", "web")),
        ({f"{OCI}.url": "http://a.example"}, LabelRow("Website", f"{OCI}.url", "https://a.example", "https://a.example")),
        ({f"{OCI}.url": "javascript:alert(1)"}, LabelRow("Website", f"{OCI}.url", "javascript:alert(1)")),
        ({f"{OCI}.revision": "1a2b3c4"}, LabelRow("Commit", f"{OCI}.revision", "1a2b3c4")),
    ],
)
def test_a_known_label_is_named_in_words_and_linked_where_that_is_safe(
    labels: Mapping[str, str], row: LabelRow
) -> None:
    assert label_table(labels, {}).known == [row]


def test_a_commit_leads_to_its_page_where_the_source_is_told() -> None:
    labels = {f"{OCI}.revision": "1a2b3c4", f"{OCI}.source": "git@github.com:example/web.git"}
    commit, source = label_table(labels, {}).known
    assert (commit.url, source.url) == (
        "https://github.com/example/web/commit/1a2b3c4",
        "https://github.com/example/web",
    )


@pytest.mark.parametrize("placeholder", ["", " ", "NOASSERTION"])
def test_a_placeholder_is_no_value_and_hides_none(placeholder: str) -> None:
    table = label_table({f"{OCI}.licenses": "MIT"}, {f"{OCI}.licenses": placeholder})
    assert [row.text for row in table.known] == ["MIT"]


def test_a_time_that_is_a_placeholder_is_not_when_an_image_was_created() -> None:
    table = label_table({f"{OCI}.created": "1970-01-01T00:00:00Z", f"{OLD}.build-date": "2026-11-20"}, {})
    assert [(row.name, row.text) for row in table.known] == [("Created", "2026-11-20")]


def test_what_an_annotation_outdoes_is_still_shown_as_it_is() -> None:
    table = label_table({f"{OCI}.title": "label"}, {f"{OCI}.title": "annotation"})
    assert [row.text for row in table.known] == ["annotation"]
    assert [(row.key, row.text) for row in table.others] == [(f"{OCI}.title", "label")]


@pytest.mark.parametrize(("labels", "annotations"), [(EVERYTHING, {}), ({}, EVERYTHING)])
def test_nothing_is_advised_where_everything_is_told(
    labels: Mapping[str, str], annotations: Mapping[str, str]
) -> None:
    table = label_table(labels, annotations)
    assert (table.dockerfile, table.command) == ("", "")


def test_the_lines_to_add_name_what_is_missing_and_nothing_else() -> None:
    table = label_table({key: "x" for key in EVERYTHING if key not in (f"{OCI}.revision", f"{OCI}.source")}, {})
    assert table.dockerfile == (
        "ARG REVISION\n"
        'LABEL org.opencontainers.image.source="https://HOST/OWNER/REPOSITORY" \\\n'
        '      org.opencontainers.image.revision="$REVISION"'
    )
    assert table.command == (
        "docker build \\\n"
        '  --label org.opencontainers.image.source="https://HOST/OWNER/REPOSITORY" \\\n'
        '  --label org.opencontainers.image.revision="$(git rev-parse HEAD)" \\\n'
        "  ."
    )


def test_lines_that_are_pasted_as_they_are_state_no_fact() -> None:
    table = label_table({}, {})
    pasted = dict(re.findall(r'([\w.]+)="([^"]*)"', table.dockerfile))
    assert pasted[f"{OCI}.licenses"] == "LICENSE-ID"
    facts = read_labels({**pasted, f"{OCI}.revision": "", f"{OCI}.version": ""})  # as arguments are that nobody gives
    assert (facts.source, facts.documentation, facts.version_control) == (None, None, None)
    assert facts.license == License("LICENSE-ID", None)


def test_an_older_label_counts_as_told_and_an_empty_one_does_not() -> None:
    table = label_table({f"{OLD}.license": "MIT", f"{OCI}.description": " "}, {})
    assert f"{OCI}.licenses" not in table.dockerfile
    assert f"{OCI}.description" in table.dockerfile


keys = st.sampled_from([key for pair in KNOWN_FIELDS.values() for key in pair if key]) | st.text()
texts = st.dictionaries(keys, st.text(), max_size=8)


@given(texts, texts)
def test_everything_that_is_told_is_shown_and_every_link_is_https(
    labels: dict[str, str], annotations: dict[str, str]
) -> None:
    table = label_table(labels, annotations)
    pairs = {*labels.items(), *annotations.items()}
    shown = {row.key for row in table.known if (row.key, row.text) not in pairs}
    rows = {(row.key, row.text) for row in [*table.known, *table.others]}
    assert {key for key, _ in pairs - rows} <= shown  # these are shown as what they mean
    assert all(row.url is None or row.url.startswith("https://") for row in [*table.known, *table.others])


@pytest.mark.parametrize(
    ("labels", "annotations", "known"),
    [
        ({f"{OCI}.version": "12"}, {}, [("12", True)]),
        ({f"{OCI}.version": "12"}, {f"{OCI}.version": "1.2"}, [("1.2", False)]),
        ({f"{OCI}.version": "12", f"{OLD}.version": "1.2"}, {}, [("1.2", False)]),
        ({f"{OCI}.version": "NOASSERTION"}, {f"{OCI}.version": " "}, []),
        ({f"{OCI}.version": "12"}, {f"{OCI}.version": "NOASSERTION"}, [("12", True)]),
    ],
)
def test_what_is_the_images_own_comes_before_what_is_the_base_images(
    labels: dict[str, str], annotations: dict[str, str], known: list[tuple[str, bool]]
) -> None:
    table = label_table(labels, annotations, inherited=[f"{OCI}.version"])
    assert [(row.text, row.is_inherited) for row in table.known] == known
    shown = {(row.key, row.text) for row in [*table.known, *table.others]}
    assert shown == {*labels.items(), *annotations.items()}


@pytest.mark.parametrize("inherited", [[], list(EVERYTHING)])
def test_what_only_the_base_image_has_is_advised(inherited: list[str]) -> None:
    assert bool(label_table(EVERYTHING, {}, inherited).dockerfile) == bool(inherited)


def test_a_license_that_asserts_nothing_is_no_license() -> None:
    table = label_table({f"{OCI}.licenses": "NOASSERTION"}, {})
    assert [row.name for row in table.known] == []
    assert [row.text for row in table.others] == ["NOASSERTION"]
