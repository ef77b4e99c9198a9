"""The cache of children: newest wins, the gone stay gone, a list is the truth."""

import asyncio
import itertools
from dataclasses import dataclass, field

import aiohttp
import pytest
from efficientnet_operator.core.pod_view import parse_pod
from efficientnet_operator.kube import cache as cache_module
from efficientnet_operator.kube import refusals as refusals_module
from efficientnet_operator.kube.cache import ChildCache
from efficientnet_operator.kube.client import ApiError
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


EVENTS = st.tuples(
    st.integers(1, 8),  # which version of the object
    st.sampled_from(["put", "list"]),
)


@given(events=st.lists(EVENTS, min_size=1, max_size=20))
def test_any_order_and_repetition_of_what_one_object_was_ends_with_its_newest_state(events):
    watched = Watched()
    for version, how in events:
        if how == "put":
            watched.cache.put(pod(version=version))
        else:
            watched.cache.replace("", [parse_pod(pod(version=version))], str(version))
    assert watched.versions() == {"p": str(max(version for version, _ in events))}


@given(late=st.lists(EVENTS, max_size=10), heir=st.booleans())
def test_nothing_brings_a_deleted_object_back(late, heir):
    watched = Watched()
    watched.cache.put(pod(version=1, uid="dead"))
    watched.cache.remove(pod(version=9, uid="dead"))
    if heir:
        watched.cache.put(pod(version=10, uid="heir"))
    for version, how in late:
        if how == "put":
            watched.cache.put(pod(version=version, uid="dead"))
        else:
            watched.cache.replace("", [parse_pod(pod(version=version, uid="dead"))], str(version))
    watched.cache.remove(pod(version=9, uid="dead"))
    assert [p.uid for p in watched.cache.of_job(KEY)] == (["heir"] if heir else [])


class Answers:
    """An API server as the cache knows it: lists, and watches that end or break."""

    def __init__(self, *lists, events=()):
        self.lists = list(lists)
        self.events = list(events)

    async def list_all(self, path, parse, selector):
        if not self.lists:
            await asyncio.Event().wait()
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        documents, version = answer
        return [parse(d) for d in documents], version

    async def watch(self, path, selector, version, heard):
        for event in self.events:
            heard()
            yield event
        await asyncio.Event().wait()


BROKEN_LISTS = {
    "a server error": ApiError(500, "InternalError", "etcd"),
    "no connection": aiohttp.ClientError("refused"),
    "no answer in time": TimeoutError(),
    "an object that is none": ([None], "1"),
    "an object whose metadata is text": ([{"metadata": "none"}], "1"),
}


@pytest.mark.parametrize("broken", BROKEN_LISTS.values(), ids=BROKEN_LISTS)
async def test_a_list_that_fails_in_any_way_is_asked_for_again(broken, watched, monkeypatch):
    monkeypatch.setattr(cache_module, "RETRY_S", 0)
    answers = Answers(broken, ([pod()], "1"))
    following = asyncio.create_task(watched.cache.follow(answers, "/api/v1/pods", ""))
    async with asyncio.timeout(10):
        while not watched.names() and not following.done():
            await asyncio.sleep(0)
    assert (watched.names(), watched.cache.synced, following.done()) == (["p"], True, False)
    following.cancel()


BROKEN_EVENTS = {
    "without an object": {"type": "ADDED"},
    "whose object has no metadata": {"type": "ADDED", "object": {}},
    "that is none": None,
}


@pytest.mark.parametrize("broken", BROKEN_EVENTS.values(), ids=BROKEN_EVENTS)
async def test_after_an_event_of_no_known_shape_it_is_listed_again(broken, watched, monkeypatch):
    monkeypatch.setattr(cache_module, "RETRY_S", 0)
    answers = Answers(([], "1"), ([pod()], "2"), events=[broken])
    following = asyncio.create_task(watched.cache.follow(answers, "/api/v1/pods", ""))
    async with asyncio.timeout(10):
        while not watched.names() and not following.done():
            await asyncio.sleep(0)
    assert (watched.names(), following.done()) == (["p"], False)
    following.cancel()


NO_RIGHT = ApiError(403, "Forbidden", "no right")


@pytest.mark.parametrize("refused, absence", [(1, None), (4, 403)])
async def test_an_optional_api_that_is_refused_once_it_was_read_is_doubted(
    refused, absence, watched, monkeypatch
):
    monkeypatch.setattr(cache_module, "RETRY_S", 0)
    monkeypatch.setattr(refusals_module, "RETRY_S", 0)
    answers = Answers(([pod()], "1"), *[NO_RIGHT] * refused, events=[None])
    following = asyncio.create_task(
        watched.cache.follow(answers, "/api/v1/pods", "", optional=True)
    )
    async with asyncio.timeout(10):
        while answers.lists and not following.done():
            await asyncio.sleep(0)
    assert (watched.cache.absence(""), watched.cache.synced) == (absence, True)
    assert (watched.cache.silent_s is None) == (absence is not None)
    following.cancel()
