"""From a created job to a published rank table, on a real API server."""

import pytest

TWO_HOSTS = {"npus": 4, "scheduling": {"npusPerHost": 2}}


@pytest.mark.parametrize("form", ["pod-uid", "node-ip"])
def test_a_job_gets_its_table_whichever_form_the_plugin_writes(lab, form):
    job = lab.job(**TWO_HOSTS)
    pods = job.run(form=form)
    table = job.table()
    assert (table["status"], table["version"], table["server_count"]) == ("completed", "1.0", "2")
    hosts = sorted({p["status"]["hostIP"] for p in pods})
    assert [s["server_id"] for s in table["server_list"]] == hosts
    for number, (server, host) in enumerate(zip(table["server_list"], hosts, strict=True)):
        last = host.rpartition(".")[2]
        assert server["device"] == [
            {
                "device_id": str(chip),
                "device_ip": f"192.168.{100 + chip}.{last}",
                "rank_id": str(2 * number + chip),
            }
            for chip in (0, 1)
        ]
