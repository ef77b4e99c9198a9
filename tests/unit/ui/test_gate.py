"""Who may look: tokens of headers, and what the API server is asked about them."""

import base64

import aiohttp
import pytest
from efficientnet_operator.core.job_history import History
from efficientnet_operator.kube.client import ApiError
from efficientnet_operator.ui.gate import ACCESS_REVIEWS, TOKEN_REVIEWS, Gate, read_token
from efficientnet_operator.ui.server import serve_pages


def basic(text):
    return "Basic " + base64.b64encode(text).decode()


HEADERS = {
    "none": ("", ""),
    "bearer": ("Bearer abc", "abc"),
    "in other letters": ("bearer  abc ", "abc"),
    "a browser's": (basic(b"me:abc"), "abc"),
    "without a name": (basic(b":abc"), "abc"),
    "with a colon": (basic(b"me:a:c"), "a:c"),
    "a name alone": (basic(b"me"), ""),
    "no base64": ("Basic ???", ""),
    "no text": (basic(b"\xff\xfe"), ""),
    "another scheme": ("Digest abc", ""),
}


@pytest.mark.parametrize("header, token", HEADERS.values(), ids=HEADERS)
def test_tokens_of_headers(header, token):
    assert read_token(header) == token


class Reviewer:
    """Stands for the API server: knows two tokens, and lets one of them read one namespace."""

    def __init__(self, error=None):
        self.error = error
        self.asked = []

    async def create(self, path, body):
        if self.error:
            raise self.error
        spec = body["spec"]
        if path == TOKEN_REVIEWS:
            user = {"good": "ann", "poor": "bob"}.get(spec["token"])
            if user is None:
                return {"status": {"error": "unknown"}}
            return {"status": {"authenticated": True, "user": {"username": user, "groups": ["g"]}}}
        assert path == ACCESS_REVIEWS
        self.asked.append(spec)
        where = spec["resourceAttributes"].get("namespace")
        return {"status": {"allowed": spec["user"] == "ann" and where == "team"}}


JOB = {
    "metadata": {"namespace": "team", "name": "b0", "uid": "1"},
    "spec": {"npus": 1},
    "status": {"phase": "Running"},
}


@pytest.fixture
async def ask():
    """Ask a server that has one job for a page."""
    runners = []

    async def get(path, gate, **headers):
        runner = await serve_pages(0, {("team", "b0"): JOB}, History(), gate)
        runners.append(runner)
        port = next(address[1] for address in runner.addresses if ":" not in address[0])
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as answer,
        ):
            return answer.status, await answer.text(), answer.headers

    yield get
    for runner in runners:
        await runner.cleanup()


ANSWERS = {
    "nobody": ("/ui/team", "", 401, "give a token"),
    "an unknown one": ("/ui/team", "Bearer bad", 401, "does not know this token"),
    "somebody without the right": ("/ui/team", "Bearer poor", 403, "bob may not list"),
    "somebody with the right": ("/ui/team", "Bearer good", 200, "b0"),
    "to one job": ("/ui/team/b0", basic(b":good"), 200, "Running"),
    "to a job that is not there": (
        "/ui/team/b1",
        "Bearer good",
        404,
        "no EfficientNetJob team/b1",
    ),
    "to all namespaces": ("/ui", "Bearer good", 403, "in all namespaces"),
    "to another job's": ("/ui/other/b0", "Bearer good", 403, "may not get"),
}


@pytest.mark.parametrize("path, token, status, words", ANSWERS.values(), ids=ANSWERS)
async def test_who_sees_what(ask, path, token, status, words):
    found, text, headers = await ask(path, Gate(Reviewer()), Authorization=token)
    assert (found, words in text) == (status, True), text
    assert ("WWW-Authenticate" in headers) == (status == 401)
    assert "default-src 'none'" in headers["Content-Security-Policy"]


async def test_the_api_server_is_asked_for_the_one_job(ask):
    reviewer = Reviewer()
    await ask("/ui/team/b0", Gate(reviewer), Authorization="Bearer good")
    assert reviewer.asked == [
        {
            "user": "ann",
            "groups": ["g"],
            "uid": "",
            "extra": {},
            "resourceAttributes": {
                "group": "efficientnet.dev",
                "resource": "efficientnetjobs",
                "verb": "get",
                "namespace": "team",
                "name": "b0",
            },
        }
    ]


async def test_an_api_server_that_does_not_answer_lets_nobody_in(ask):
    gate = Gate(Reviewer(ApiError(500, "InternalError", "no")))
    status, text, _ = await ask("/ui/team", gate, Authorization="Bearer good")
    assert (status, "try again" in text) == (503, True)


async def test_without_a_gate_the_loopback_sees_all(ask):
    for path in ("/ui", "/ui/", "/ui/team", "/ui/team/b0"):
        status, text, _ = await ask(path, None)
        assert (status, "b0" in text) == (200, True)
