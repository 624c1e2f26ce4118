"""What differs between two versions: every fact that is known of both, and no other."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.bounds import size_bytes
from microbadger.image.differences import IN_A_CHANGE, DifferenceDocument, difference, fitted
from microbadger.image.shapes import has_shape
from tests.image.versions import digest, layers, platform, version

SAME: dict[str, Any] = {
    "ConfigDigest": digest("c"),
    "Layers": layers("x"),
    "DownloadSize": 2048,
    "Labels": {"a": "1"},
    "Base": {"Name": "alpine:3.22"},
    "Config": {"User": "app", "Env": ["A=1"], "Cmd": ["run"], "ExposedPorts": ["80/tcp"]},
}


def between(old: dict[str, Any], new: dict[str, Any]) -> DifferenceDocument:
    return difference(version("a", **SAME | old), version("b", **SAME | new))


def configs(old: dict[str, Any], new: dict[str, Any]) -> DifferenceDocument:
    return between({"Config": old}, {"Config": new})


def test_equal_versions_do_not_differ() -> None:
    assert between({}, {}) == {}


@pytest.mark.parametrize(
    ("field", "old", "new", "found"),
    [
        ("Labels", {"ñ": "1", "b": "2"}, {"ñ": "3", "c": ""},
         {"b": {"Old": "2"}, "c": {"New": ""}, "ñ": {"Old": "1", "New": "3"}}),
        ("DownloadSize", 2048, 1024, {"Old": 2048, "New": 1024}),
        ("Base", {"Name": "alpine:3.21"}, {"Name": "alpine:3.22", "Digest": "sha256:1"},
         {"Old": {"Name": "alpine:3.21"}, "New": {"Name": "alpine:3.22", "Digest": "sha256:1"}}),
        ("Platforms", [platform("amd64", "a"), platform("s390x", "b")],
         [platform("amd64", "a"), platform("arm64", "d")],
         {"Added": ["linux/arm64"], "Removed": ["linux/s390x"]}),
    ],
)  # fmt: skip
def test_a_field_that_differs_is_named(field: str, old: Any, new: Any, found: Any) -> None:
    assert between({field: old}, {field: new}) == {field: found}


@pytest.mark.parametrize(
    ("field", "old", "new", "found"),
    [
        ("User", "root", "señor", {"Old": "root", "New": "señor"}),
        ("WorkingDir", None, "/app", {"New": "/app"}),
        ("StopSignal", "SIGINT", None, {"Old": "SIGINT"}),
        ("Entrypoint", ["/a"], ["/a", "-v"], {"Old": ["/a"], "New": ["/a", "-v"]}),
        ("Cmd", None, ["serve"], {"New": ["serve"]}),
        ("ExposedPorts", ["80/tcp"], ["443/tcp", "80/tcp"], {"Added": ["443/tcp"]}),
        ("Volumes", ["/data"], None, {"Removed": ["/data"]}),
        ("Env", ["A=1", "B=x=y", "C="], ["A=2", "C=", "D=4"],
         {"A": {"Old": "1", "New": "2"}, "B": {"Old": "x=y"}, "D": {"New": "4"}}),
    ],
)  # fmt: skip
def test_a_parameter_that_differs_is_named(field: str, old: Any, new: Any, found: Any) -> None:
    assert configs({field: old} if old else {}, {field: new} if new else {}) == {field: found}


def test_layers_are_counted_and_those_in_one_version_only_named() -> None:
    found = between({"Layers": layers("x", "y", "-CMD", "z")}, {"Layers": layers("x", "-ENV", "new", "z")})

    assert found == {
        "Layers": {
            "AddedCount": 1,
            "RemovedCount": 1,
            "KeptCount": 2,
            "Added": [{"Command": "RUN new", "DownloadSize": 1024}],
            "Removed": [{"Command": "RUN y", "DownloadSize": 1024}],
        }
    }


def test_a_layer_that_is_there_twice_counts_twice() -> None:
    found = between({"Layers": layers("x", "x", "y")}, {"Layers": layers("x", "y")})["Layers"]

    assert (found["AddedCount"], found["RemovedCount"], found["KeptCount"]) == (0, 1, 2)


def test_platforms_that_changed_are_named_where_the_main_one_is_the_same() -> None:
    old = [platform("amd64", "1"), platform("arm64", "2"), platform("s390x", "3")]
    new = [platform("amd64", "1"), platform("arm64", "4"), platform("s390x", "5")]

    assert between({"Platforms": old}, {"Platforms": new}) == {
        "Platforms": {"Changed": ["linux/arm64", "linux/s390x"]}
    }


@pytest.mark.parametrize("field", ["Config", "Layers"])
def test_nothing_is_said_of_details_that_one_document_does_not_have(field: str) -> None:
    old, new = version("a", **SAME), version("b", **{**SAME, "Config": {"User": "x"}, "Layers": layers("z")})
    del old[field]  # type: ignore[misc]

    said = {"Layers"} if field == "Config" else {"User", "Env", "Cmd", "ExposedPorts"}
    assert difference(old, new).keys() == difference(new, old).keys() == said


def test_nothing_is_said_of_a_config_that_is_in_the_document_of_an_image_and_may_be_brief_there() -> None:
    brief = {"ConfigDigest", "Layers", "DiffIDs"}
    listed = {field: value for field, value in version("a", **SAME).items() if field not in brief}
    listed["Config"] = {"User": "app"}

    assert difference(version("b", **SAME), listed) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize("why", [{"Unread": "it could not be read"}, {"Unsupported": "a chart"}, {"Platforms": []}])
def test_nothing_but_its_size_is_said_of_a_version_that_was_not_read(why: dict[str, Any]) -> None:
    unread = {**why, "Labels": {}, "Config": {}, "Layers": [], "DownloadSize": 1}

    assert between({}, unread).keys() == between(unread, {}).keys() == {"DownloadSize"}


def test_an_unknown_size_is_no_difference() -> None:
    assert between({"DownloadSize": 0}, {}) == {}


def test_nothing_is_said_of_labels_and_platforms_if_some_are_left_out() -> None:
    cut = {"Cut": ["5 of 1005 labels are left out"], "Labels": {}, "Platforms": [platform("arm64", "c")]}

    assert between({}, cut) == {}


def test_variables_without_values_are_only_there_or_not() -> None:
    found = configs({"Env": ["TOKEN=secret", "OLD=secret"]}, {"Env": ["TOKEN", "NEW"]})

    assert found == {"Env": {"NEW": {"New": ""}, "OLD": {"Old": ""}}}


def large(letter: str, count: int = 100, text: str = "ñ" * 3000) -> dict[str, Any]:
    names = [f"{letter}{number:03}{text}" for number in range(count)]
    config = {
        "User": text + letter,
        "Env": [f"{name}={text}" for name in names],
        "Cmd": names,
        "Entrypoint": names,
        "ExposedPorts": names,
        "Volumes": names,
    }
    return {"Layers": layers(*names), "Labels": dict.fromkeys(names, text), "Config": config}


def test_a_difference_is_bounded_and_says_what_is_left_out() -> None:
    found = difference(version("a", **large("a")), version("b", **large("b")), IN_A_CHANGE)

    assert size_bytes(found) < 100_000
    assert (len(found["Labels"]), len(found["Layers"]["Added"]), found["Layers"]["AddedCount"]) == (20, 20, 100)
    assert found["LeftOut"] == 2 * 180 + 4 * 80
    assert found["Cmd"]["New"][20] == "…"
    assert found["User"]["New"].endswith("ñ…")


def test_texts_that_differ_only_in_what_is_cut_differ() -> None:
    assert "User" in configs({"User": "x" * 5000 + "a"}, {"User": "x" * 5000 + "b"})


def test_a_comparison_has_more_of_it_than_a_change() -> None:
    versions = version("a", **large("a", text="")), version("b", **large("b", text=""))

    assert len(difference(*versions)["Labels"]) == 200
    assert "LeftOut" not in difference(*versions)


def test_a_difference_loses_its_largest_fields_until_it_fits() -> None:
    found = difference(version("a", **large("a")), version("b", **large("b"), DownloadSize=5), IN_A_CHANGE)
    short = fitted(found, 8192)

    assert size_bytes(short) <= 8192
    assert short["User"] == found["User"]
    assert short["LeftOut"] > found["LeftOut"]
    assert fitted(found, 10**6) == found


texts = st.text(max_size=5)
env = st.lists(st.text("AB=", max_size=3), max_size=3)
read = st.fixed_dictionaries(
    {
        "Labels": st.dictionaries(texts, texts, max_size=3),
        "Layers": st.lists(st.sampled_from("wxyz"), max_size=4).map(lambda names: layers(*names)),
        "Config": st.fixed_dictionaries({}, optional={"User": texts, "Env": env, "Cmd": st.lists(texts, max_size=2)}),
        "DownloadSize": st.integers(0, 3),
    }
)


@given(read, read)
def test_there_is_a_difference_exactly_where_documents_differ(old: dict[str, Any], new: dict[str, Any]) -> None:
    found, mirrored = between(old, new), between(new, old)

    assert has_shape(found, DifferenceDocument)
    assert found.keys() == mirrored.keys()
    assert between(old, old) == {}
    assert ("Labels" in found) is (old["Labels"] != new["Labels"])
    assert ("User" in found) is (old["Config"].get("User") != new["Config"].get("User"))
