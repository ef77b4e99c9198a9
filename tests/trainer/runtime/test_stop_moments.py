"""SIGTERM at each moment of a run: it ends as it should, and what was done can be loaded."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from efficientnet_trainer.resume import find_resume_point

pytestmark = pytest.mark.timeout(200)

STEPS = 4
MOMENTS = {
    "while TensorFlow is imported": ("waiting", [], 0, 143),
    "while it evaluates between steps": ("evaluating", ["--steps_per_eval=2"], 2, 143),
    # Training is over: what is left is done, for nothing would do it later.
    "while it exports": ("exporting", ["--eval_batch_size=360"], STEPS, 0),
}


class Stopped:
    """A run that is told to stop in its first moment of one phase."""

    def __init__(self, folder, phase, flags):
        self.model_dir = folder / "out"
        self._report = folder / "rank-0.json"
        self._phase = phase
        env = {name: value for name, value in os.environ.items() if "ENJ" not in name}
        env.update(ENJ_REPORT_DIR=str(folder), ENJ_STOP_GRACE_S="150")
        words = [f"--model_dir={self.model_dir}", f"--train_steps={STEPS}", *flags]
        words += [f"--export_dir={folder / 'export'}", "--width_coefficient=0.1"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "efficientnet_trainer.cli", "train", *words],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def stop(self):
        """Send the signal if it is time; tell whether it was sent or came too late."""
        if self._process.poll() is None and not self._in_phase():
            return False
        self._process.send_signal(signal.SIGTERM)
        return True

    def end(self):
        """Return exit code and log."""
        return self._process.wait(150), self._process.stdout.read()

    def kill(self):
        self._process.kill()
        self._process.stdout.close()
        self._process.wait()

    def _in_phase(self):
        try:
            state = json.loads(self._report.read_text())
        except FileNotFoundError:
            return False
        return state["phase"] == self._phase and self._hears()

    def _hears(self):
        """Tell whether SIGTERM has a handler; Python itself starts without one."""
        with open(f"/proc/{self._process.pid}/status") as status:
            (mask,) = re.findall(r"^SigCgt:\s+([0-9a-f]+)$", status.read(), re.M)
        return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, quick, eventually):
    """All runs at once, each of which is stopped in its moment."""
    runs = {
        moment: Stopped(tmp_path_factory.mktemp("run"), phase, [*quick, *flags])
        for moment, (phase, flags, _, _) in MOMENTS.items()
    }
    waiting = dict(runs)

    def all_told():
        for moment in [m for m, run in waiting.items() if run.stop()]:
            del waiting[moment]
        return not waiting

    try:
        eventually(all_told, 150, "each run was in its phase")
        yield runs
    finally:
        for run in runs.values():
            run.kill()
            shutil.rmtree(str(run.model_dir), ignore_errors=True)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_stop_leaves_what_was_done(stopped, moment):
    _, _, least_step, wanted_code = MOMENTS[moment]
    code, log = stopped[moment].end()
    assert code == wanted_code, log
    assert "asked to stop" in log
    point = find_resume_point(str(stopped[moment].model_dir))
    if not least_step:
        assert point is None
        assert "stopped by SIGTERM before its first step, with nothing to save" in log
        return
    assert point.step >= least_step
    if wanted_code == 143:
        assert f"stopped by SIGTERM at step {point.step} after saving a checkpoint" in log
        assert point.step < STEPS
