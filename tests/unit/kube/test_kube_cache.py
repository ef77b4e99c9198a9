"""The cache of children: newest wins, the gone stay gone, a list is the truth."""

import itertools
from dataclasses import dataclass, field

import pytest
from efficientnet_operator.core.pod_view import parse_pod
from efficientnet_operator.kube.cache import ChildCache
from hypothesis import given
from hypothesis import strategies as st

KEY = ("default", "b0")


@dataclass
class Watched:
    """A cache of pods and the keys that it told of."""

    told: list = field(default_factory=list)

    def __post_init__(self):
        self.cache = ChildCache("pods", parse_pod, self.told.append)

    def names(self, key=KEY):
        return sorted(p.name for p in self.cache.of_job(key))

    def versions(self):
        return {p.name: p.resource_version for p in self.cache.of_job(KEY)}


@pytest.fixture
def watched():
    return Watched()


def pod(name="p", version=1, *, uid=None, job="b0", namespace="default"):
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(version),
            "labels": {"efficientnet.dev/job-name": job},
        }
    }


def test_children_are_found_by_their_job_and_each_change_is_told(watched):
    watched.cache.put(pod("a"))
    watched.cache.put(pod("b", job="other"))
    assert (watched.names(), watched.names(("default", "other"))) == (["a"], ["b"])
    assert watched.told == [KEY, ("default", "other")]
    assert sorted(watched.cache.jobs()) == [KEY, ("default", "other")]
    assert watched.cache.of_job(("default", "none")) == ()


def test_an_older_version_does_not_undo_a_newer_one(watched):
    watched.cache.put(pod(version=10))
    watched.cache.put(pod(version=9))
    assert watched.versions() == {"p": "10"}
    watched.cache.put(pod(version=11))
    assert watched.versions() == {"p": "11"}
    assert len(watched.told) == 2


def test_versions_compare_as_numbers(watched):
    watched.cache.put(pod(version=9))
    watched.cache.put(pod(version=10))
    assert watched.versions() == {"p": "10"}


def test_a_successor_of_the_same_name_replaces_it(watched):
    watched.cache.put(pod(version=10, uid="first"))
    watched.cache.put(pod(version=12, uid="second"))
    watched.cache.remove(pod(version=11, uid="first"))
    assert [p.uid for p in watched.cache.of_job(KEY)] == ["second"]


def test_a_late_answer_about_a_removed_object_is_not_believed(watched):
    watched.cache.put(pod(version=1))
    watched.cache.remove(pod(version=2))
    watched.cache.put(pod(version=3))
    assert watched.names() == []
    assert watched.cache.jobs() == []


def test_a_list_drops_what_it_does_not_hold_and_tells_of_it(watched):
    watched.cache.put(pod("a", 1))
    watched.cache.put(pod("b", 2))
    watched.told.clear()
    watched.cache.replace("", [parse_pod(pod("b", 5))], "6")
    assert watched.versions() == {"b": "5"}
    assert set(watched.told) == {KEY}


def test_what_was_written_after_the_list_stays(watched):
    watched.cache.put(pod("new", 8))
    watched.cache.replace("", [], "7")
    assert watched.names() == ["new"]


def test_a_list_of_one_namespace_leaves_the_others(watched):
    watched.cache.put(pod("a", namespace="other"))
    watched.cache.replace("default", [], "7")
    assert watched.names(("other", "b0")) == ["a"]


def test_a_list_that_is_older_than_the_watch_undoes_nothing(watched):
    watched.cache.put(pod("a", 9))
    watched.cache.replace("", [parse_pod(pod("a", 3))], "4")
    assert watched.versions() == {"a": "9"}


def test_a_version_that_is_no_number_never_hides_news(watched):
    watched.cache.put(pod(version="x"))
    watched.cache.put(pod(version="y"))
    assert watched.versions() == {"p": "y"}


def test_a_cache_that_follows_nothing_yet_is_not_synced(watched):
    assert not watched.cache.synced


@given(order=st.permutations(range(1, 7)), gone=st.booleans())
def test_events_in_any_order_end_with_the_newest(order, gone):
    watched = Watched()
    for version in order:
        watched.cache.put(pod(version=version))
    if gone:
        watched.cache.remove(pod(version=7))
        watched.cache.put(pod(version=6))
    assert watched.versions() == ({} if gone else {"p": "6"})


@given(events=st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=20))
def test_the_cache_holds_what_a_server_would(events):
    watched = Watched()
    versions = itertools.count(1)
    server = {}
    for round_, (name, deleted) in enumerate(events):
        version = next(versions)
        if deleted and name in server:
            watched.cache.remove(pod(name, version, uid=server.pop(name)))
        elif not deleted:
            uid = server.setdefault(name, f"{name}-{round_}")
            watched.cache.put(pod(name, version, uid=uid))
    assert {p.name: p.uid for p in watched.cache.of_job(KEY)} == server
