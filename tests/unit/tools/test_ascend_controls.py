"""The control file by which tests steer a running plugin."""

import pytest
from ascend_sim.controls import ControlFile, Controls, write_controls
from pydantic import ValidationError


def test_without_a_file_everything_is_as_it_should_be(tmp_path):
    assert ControlFile(tmp_path / "none.json").current() == Controls()
    assert ControlFile(None).current() == Controls()


def test_a_change_is_seen_by_whoever_reads(tmp_path):
    path = tmp_path / "node0.json"
    file = ControlFile(path)
    assert file.current() == Controls()
    first = Controls(unhealthy=frozenset({3}), device_ips={5: "-1"}, period_s=0.5)
    write_controls(path, first)
    assert file.current() == first
    second = Controls(scattered=True, server_id="node-ip", paused=True)
    write_controls(path, second)
    assert file.current() == second
    path.unlink()
    assert file.current() == Controls()


REFUSED = {
    "a chip that no server has": '{"unhealthy": [8]}',
    "a setting that does not exist": '{"unhealty": [3]}',
    "a loop without a pause": '{"period_s": 0}',
    "a form that was never written": '{"server_id": "host"}',
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_a_wrong_setting_is_refused(content, tmp_path):
    path = tmp_path / "node0.json"
    path.write_text(content)
    with pytest.raises(ValidationError):
        ControlFile(path).current()
