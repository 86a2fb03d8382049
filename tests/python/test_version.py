"""`trimtab.KubeVersion`."""

from __future__ import annotations

import pickle
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab import InvalidInput, KubeVersion, UnsupportedVersion, node


@pytest.mark.parametrize(
    ("text", "minor", "patch"),
    [("v1.34.2-gke.1", 34, 2), ("1.21+", 21, None), ("v1.30.4-eks-a1b2c3", 30, 4), (" v1.28.5+k3s1", 28, 5)],
)
def test_what_clusters_report_is_read(text: str, minor: int, patch: int | None) -> None:
    version = KubeVersion(text)
    assert (version.minor, version.patch) == (minor, patch)


def test_versions_are_ordered_equal_hashable_and_picklable() -> None:
    versions = [KubeVersion(text) for text in ("1.12.0", "1.30.4", "1.30", "1.31.0", "1.37")]
    mixed = [versions[at] for at in (3, 0, 4, 2, 1)]
    assert sorted(mixed) == versions
    assert {KubeVersion("v1.30.4"), KubeVersion("1.30.4-gke.1")} == {versions[1]}
    assert pickle.loads(pickle.dumps(versions)) == versions
    assert [str(versions[1]), repr(versions[1])] == ["1.30.4", "KubeVersion('1.30.4')"]
    assert KubeVersion(versions[1]) == versions[1]
    assert KubeVersion("1.30") != "1.30"


@pytest.mark.parametrize(("text", "nearest"), [("1.11.3", "1.12"), ("1.38", "1.37"), ("2.0", "1.37"), ("0.9", "1.12")])
def test_outside_of_the_range_the_nearest_is_offered_and_never_taken(text: str, nearest: str) -> None:
    with pytest.raises(UnsupportedVersion) as caught:
        node.pod_qos({}, version=text)
    assert caught.value.nearest == KubeVersion(nearest)
    assert text in str(caught.value)


@given(st.text())
def test_any_text_is_a_version_or_an_error(text: str) -> None:
    with suppress(InvalidInput, UnsupportedVersion):
        KubeVersion(text)


def test_a_version_object_does_what_its_text_does() -> None:
    pod = {"status": {"qosClass": "Bogus"}}
    for text in ("1.28", "1.29", "1.37.2"):
        assert node.pod_qos(pod, version=KubeVersion(text)) == node.pod_qos(pod, version=text)


def test_a_number_is_no_version() -> None:
    with pytest.raises(TypeError):
        KubeVersion(1.3)  # type: ignore[arg-type]
