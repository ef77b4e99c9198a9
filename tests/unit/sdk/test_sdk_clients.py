"""What one does with jobs, by both clients, against a stand-in of the API server."""

import pytest
from api_stand_in import JOBS, status
from efficientnet_operator.sdk import (
    ForbiddenError,
    GoneError,
    InvalidJobError,
    JobFailedError,
    MissingApiError,
    NotFinishedError,
    NotFoundError,
    NotStartedError,
    RefusedError,
    TakenError,
    WaitTimeoutError,
    build_job,
)
from sdk_builders import a_job, a_pod, ended, failed, running, succeeded

MANIFEST = build_job("b0", image="trainer:1", dataset="/data", output="/output", npus=2)


async def test_a_job_is_submitted_once(client, api, get):
    job = await get(client.submit(MANIFEST))
    assert (job.namespace, job.name, job.uid) == ("team", "b0", "uid-1")
    assert api.objects[f"{JOBS}/b0"]["spec"]["npus"] == 2
    with pytest.raises(TakenError, match="b0 exists already; take another name, or delete"):
        await get(client.submit(MANIFEST))


async def test_a_wrong_job_is_never_sent(client, api, get):
    wrong = {**MANIFEST, "spec": {**MANIFEST["spec"], "npus": 0}}
    with pytest.raises(InvalidJobError, match=r"spec\.npus"):
        await get(client.submit(wrong))
    assert api.requests == []


async def test_a_busy_server_is_asked_again(client, api, get):
    api.refusals["POST", JOBS] += [(429, b"slow down")] * 2
    await get(client.submit(MANIFEST))
    assert [r.partition("?")[0] for r in api.requests] == [f"POST {JOBS}"] * 3


async def test_jobs_are_listed(client, api, get):
    for name in ("b0", "b1"):
        api.add_job(a_job(name, **running(7)))
    states = await get(client.list())
    assert [(s.name, s.phase) for s in states] == [("b0", "Running"), ("b1", "Running")]
    assert len(await get(client.list(everywhere=True))) == 2


async def test_who_asks_is_told_to_the_server(client, api, get):
    await get(client.list())
    assert api.headers[0]["Authorization"] == "Bearer secret"


async def test_an_expired_login_is_renewed_once(client, api, get):
    api.add_job(a_job())
    api.refusals["GET", JOBS] += [(401, status(401, "Unauthorized", "Unauthorized"))]
    assert (await get(client.get("b0"))).name == "b0"
    api.refusals["GET", JOBS] += [(401, status(401, "Unauthorized", "Unauthorized"))] * 2
    with pytest.raises(ForbiddenError, match="does not know who asks"):
        await get(client.get("b0"))


async def test_a_job_that_is_not_there(client, get):
    with pytest.raises(NotFoundError, match="EfficientNetJob team/b9 does not exist"):
        await get(client.get("b9"))


async def test_a_cluster_without_the_operator(client, api, get):
    api.refusals["GET", "/apis"] += [(404, b"404 page not found\n")]
    with pytest.raises(MissingApiError, match="install the operator"):
        await get(client.list())


async def test_waiting_tells_of_each_change(client, api, get):
    job = await get(client.submit(MANIFEST))
    api.script["b0"] = [running(1), running(50), succeeded()]
    seen = []
    state = await get(job.wait(on_change=lambda s: seen.append(s.phase)))
    assert (state.phase, seen) == ("Succeeded", ["New", "Running", "Running", "Succeeded"])


async def test_waiting_ends_at_a_condition_on_the_way(client, api, get):
    job = await get(client.submit(MANIFEST))
    api.script["b0"] = [running(1), succeeded()]
    assert (await get(job.wait("Running"))).phase == "Running"


async def test_a_failed_job_is_an_error_with_its_reason(client, api, get):
    job = await get(client.submit(MANIFEST))
    api.script["b0"] = [running(1), failed()]
    with pytest.raises(JobFailedError, match=r"rank 1 failed \(BadData: .*cut off record"):
        await get(job.wait())
    assert (await get(job.wait("Finished"))).failed


async def test_a_time_that_is_over(client, api, get):
    job = await get(client.submit(MANIFEST))
    api.script["b0"] = [running(1)]
    with pytest.raises(WaitTimeoutError, match=r"is Running, not Succeeded, after 0\.3 s"):
        await get(job.wait(timeout_s=0.3))


async def test_a_job_deleted_while_it_is_watched(client, api, get):
    job = await get(client.submit(MANIFEST))
    api.script["b0"] = [running(1), None]
    with pytest.raises(GoneError, match="team/b0 was deleted; its checkpoints stay"):
        await get(job.wait())
    with pytest.raises(GoneError):
        await get(job.state())


async def test_a_namesake_is_another_job(client, api, get):
    job = await get(client.submit(MANIFEST))
    api.remove(f"{JOBS}/b0")
    await get(client.submit(MANIFEST))
    for use in (job.state, job.suspend, job.resume):
        with pytest.raises(GoneError):
            await get(use())


async def test_watches_that_end_are_opened_anew(client, api, get):
    job = await get(client.submit(MANIFEST))
    api.cut = 1
    api.script["b0"] = [running(1), running(2), succeeded()]
    assert (await get(job.wait())).succeeded


async def test_a_watch_from_too_long_ago_begins_with_a_look(client, api, get):
    job = await get(client.submit(MANIFEST))
    api.script["b0"] = [succeeded()]
    api.watch_refusals = [(410, status(410, "Expired", "too old resource version"))]
    assert (await get(job.wait())).succeeded
    looks = [r for r in api.requests if r == f"GET {JOBS}/b0"]
    assert len(looks) == 2


async def test_progress_comes_with_each_change(client, api, get, collect):
    job = await get(client.submit(MANIFEST))
    again = running(1) | {"restarts": 0}  # another status with the same figures
    api.script["b0"] = [running(1), again, running(60), succeeded()]
    assert [p.step for p in await collect(job.progress())] == [1, 60, 100]


async def test_the_result_is_rank_0s_word(client, api, get):
    api.add_job(a_job(**succeeded(restarts=1)))
    job = await get(client.get("b0"))
    word = '{"rank": 0, "checkpoint": "/output/model.ckpt-100"}'
    gang = [a_pod(i, state=ended(0, m), phase="Succeeded") for i, m in enumerate([word, "{}"])]
    api.add_gang(*gang, ranks=[0, 1])
    result = await get(job.result())
    assert (result.checkpoint, result.top1) == ("/output/model.ckpt-100", 0.987)
    assert (result.step, result.seconds, result.restarts) == (100, 300.0, 1)


async def test_a_result_without_pods_still_has_its_figures(client, api, get):
    api.add_job(a_job(**succeeded()))
    result = await get((await get(client.get("b0"))).result())
    assert (result.checkpoint, result.output, result.top1) == (None, "/output", 0.987)


async def test_no_result_yet_and_none_ever(client, api, get):
    api.add_job(a_job(**running(5)))
    job = await get(client.get("b0"))
    with pytest.raises(NotFinishedError, match="is Running, so it has no result yet"):
        await get(job.result())
    api.set_status("b0", failed())
    with pytest.raises(JobFailedError, match="cut off record"):
        await get(job.result())


async def test_suspend_and_resume(client, api, get):
    job = await get(client.submit(MANIFEST))
    await get(job.suspend())
    assert api.objects[f"{JOBS}/b0"]["spec"]["runPolicy"] == {"suspend": True}
    await get(job.resume())
    assert api.objects[f"{JOBS}/b0"]["spec"]["runPolicy"] == {"suspend": False}


async def test_delete(client, api, get):
    job = await get(client.submit(MANIFEST))
    await get(job.delete())
    assert f"{JOBS}/b0" not in api.objects
    with pytest.raises(NotFoundError):
        await get(job.delete())


async def test_ranks_and_their_table(client, api, get):
    api.add_job(a_job(**running(5)))
    job = await get(client.get("b0"))
    with pytest.raises(NotStartedError, match="has no rank table yet"):
        await get(job.rank_table())
    api.add_gang(a_pod(0), a_pod(1), ranks=[1, 0])
    ranks = await get(job.ranks())
    assert [(r.rank, r.pod, r.node, r.state) for r in ranks] == [
        (0, "b0-1-1", "n1", "Running"),
        (1, "b0-1-0", "n0", "Running"),
    ]
    assert (await get(job.rank_table()))["status"] == "completed"


LOGS = {
    "b0-1-0": ["2026-01-01T10:00:01.5Z first", "2026-01-01T10:00:03Z third"],
    "b0-1-1": ["2026-01-01T10:00:02.25Z second"],
}


async def test_logs_of_all_ranks_are_merged_by_time(client, api, get, collect):
    api.add_job(a_job(**running(5)))
    api.add_gang(a_pod(0), a_pod(1), ranks=[0, 1])
    api.logs = LOGS
    job = await get(client.get("b0"))
    lines = await collect(job.logs())
    assert [str(line) for line in lines] == ["[0] first", "[1] second", "[0] third"]
    assert [line.text for line in await collect(job.logs(ranks=[1]))] == ["second"]
    with pytest.raises(NotFoundError, match="no rank 7; ranks are 0 to 1"):
        await collect(job.logs(ranks=[7]))


async def test_logs_before_there_are_any(client, api, get, collect):
    waiting = {"waiting": {"reason": "ErrImagePull"}}
    api.add_job(a_job(phase="Starting", attempt=1))
    api.add_gang(a_pod(0, state=waiting), ranks=[0])
    with pytest.raises(NotStartedError, match="has no log yet: it is Starting"):
        await collect((await get(client.get("b0"))).logs())


async def test_logs_are_followed_to_the_end_of_the_job(client, api, get, collect):
    api.add_job(a_job(**succeeded()))
    api.add_gang(*(a_pod(i, state=ended(), phase="Succeeded") for i in (0, 1)), ranks=[0, 1])
    api.logs = LOGS
    lines = await collect((await get(client.get("b0"))).logs(follow=True))
    assert sorted(line.text for line in lines) == ["first", "second", "third"]


async def test_a_watch_that_may_not_be_opened(client, api, get):
    job = await get(client.submit(MANIFEST))
    await get(job.state())
    api.watch_refusals = [(403, status(403, "Forbidden", "no watching"))]
    with pytest.raises(ForbiddenError, match="cannot be watched: no watching; ask whoever"):
        await get(job.wait())


async def test_something_else_answers_at_the_address(client, api, get):
    api.refusals["GET", JOBS] += [(200, b"<html>login</html>")]
    with pytest.raises(RefusedError, match="speaks no JSON: <html>login</html>"):
        await get(client.list())
