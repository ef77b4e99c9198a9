"""The two images, run as a cluster would: from their archives, by runc, with nothing writable.

Each archive is unpacked into a storage of its own, so that what is tested is
the file that nodes import and not what buildah still holds.
"""

import json
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "tools/images/build.sh"


def build(which: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BUILD, which], check=True, capture_output=True, text=True, timeout=900)


@dataclass
class Image:
    """One unpacked image: its root file system and the configuration in its archive."""

    rootfs: Path
    config: dict
    bundle: Path

    def run(self, *args: str, uid: int | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command as Kubernetes' restricted profile would: no capability, nothing to write.

        Only /tmp is writable, as an emptyDir would make it; there is no network.
        """
        spec = json.loads((self.bundle / "config.json").read_text())
        uid = uid if uid is not None else int(self.config["User"].split(":")[0])
        spec["root"] = {"path": str(self.rootfs), "readonly": True}
        spec["process"] |= {
            "terminal": False,
            "user": {"uid": uid, "gid": uid},
            "args": list(args),
            "env": self.config["Env"],
            "cwd": self.config["WorkingDir"],
            "capabilities": {},
        }
        tmp = {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]}
        spec["mounts"] = [m for m in spec["mounts"] if m["destination"] != "/tmp"] + [tmp]
        (self.bundle / "config.json").write_text(json.dumps(spec))
        name = f"image-test-{os.getpid()}"
        command = [
            "runc",
            "--root",
            str(self.bundle / "state"),
            "run",
            "--bundle",
            str(self.bundle),
        ]
        return subprocess.run([*command, name], capture_output=True, text=True, timeout=120)


def unpack(archive: str, folder: Path):
    storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]

    def buildah(*args: str) -> str:
        command = ["buildah", "--storage-driver", "overlay", *storage, *args]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    container = buildah("from", f"oci-archive:{archive}")
    config = json.loads(buildah("inspect", "--type", "container", container))["OCIv1"]["config"]
    subprocess.run(["runc", "spec"], cwd=folder, check=True)
    try:
        yield Image(Path(buildah("mount", container)), config, folder)
    finally:
        buildah("umount", container)
        buildah("rm", container)
        shutil.rmtree(folder / "storage")  # pytest would keep gigabytes of it


@pytest.fixture(scope="module", params=["operator", "trainer"])
def either_image(request) -> Image:
    return request.getfixturevalue(f"{request.param}_image")


@pytest.fixture(scope="module")
def operator_image(tmp_path_factory):
    yield from unpack(build("operator").stdout.strip(), tmp_path_factory.mktemp("operator"))


@pytest.fixture(scope="module")
def trainer_image(tmp_path_factory):
    yield from unpack(build("trainer").stdout.strip(), tmp_path_factory.mktemp("trainer"))


def test_the_operator_runs_with_a_read_only_root(operator_image):
    result = operator_image.run("efficientnet-operator", "crd")
    assert result.returncode == 0, result.stderr
    assert "efficientnetjobs.efficientnet.dev" in result.stdout


def test_the_operator_runs_under_a_uid_that_no_passwd_entry_names(operator_image):
    """As OpenShift assigns one; kopf asks for the user's name when it starts."""
    script = "import getpass, kopf; print(getpass.getuser())"
    result = operator_image.run("python", "-c", script, uid=1000730000)
    assert (result.returncode, result.stdout) == (0, "efficientnet-operator\n"), result.stderr


def test_the_trainer_has_tensorflow_and_the_digits(trainer_image):
    script = (
        "import tensorflow, sklearn.datasets as d;"
        "print(tensorflow.__version__, d.load_digits().images.shape)"
    )
    result = trainer_image.run("python", "-W", "ignore", "-c", script)
    assert (result.returncode, result.stdout) == (0, "1.15.5 (1797, 8, 8)\n"), result.stderr


def test_the_trainer_command_is_on_the_path(trainer_image):
    result = trainer_image.run("efficientnet-trainer", "describe", "--help")
    assert result.returncode == 0, result.stderr
    assert "--model_name" in result.stdout


USERS = {"operator": "65532:65532", "trainer": "1000:1000"}


@pytest.mark.parametrize("which", USERS)
def test_the_image_says_what_it_is_and_runs_as_nobody_special(which, request):
    image = request.getfixturevalue(f"{which}_image")
    assert image.config["User"] == USERS[which]
    assert image.config["Entrypoint"] == [f"efficientnet-{which}"]
    assert image.config["Labels"]["org.opencontainers.image.title"] == f"efficientnet-{which}"
    assert image.config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_the_root_really_is_read_only(either_image):
    result = either_image.run("python", "-c", "open('/opt/venv/x', 'w')", uid=0)
    assert "Read-only file system" in result.stderr


def test_nothing_of_the_build_is_left(either_image):
    """No tool, cache, index setting or certificate of the machine that built it."""
    folders = ["build", "root/.cache", "run/secrets", "tmp", "var/cache/apt", "var/lib/apt/lists"]
    left = [p for f in folders for p in (either_image.rootfs / f).glob("**/*") if p.is_file()]
    assert left == []


def test_the_mounts_of_the_build_took_no_folder_with_them(either_image):
    folders = ["bin", "etc", "home", "opt", "root", "run", "tmp", "usr", "var"]
    assert [f for f in folders if not (either_image.rootfs / f).is_dir()] == []
    assert stat.S_IMODE((either_image.rootfs / "tmp").stat().st_mode) == 0o1777


def test_the_trainers_interpreter_brings_no_package_of_its_host(trainer_image):
    site = trainer_image.rootfs / "usr/local/lib/python3.7/site-packages"
    assert [p.name for p in site.iterdir()] == []


def test_every_module_is_compiled(either_image):
    """A read-only root can not cache bytecode, and would compile at each start."""
    script = (
        "import importlib.util as u, pathlib, efficientnet_NAME as p;"
        "print([str(m) for m in pathlib.Path(p.__path__[0]).rglob('*.py')"
        " if not pathlib.Path(u.cache_from_source(str(m))).exists()])"
    ).replace("NAME", either_image.config["Entrypoint"][0].split("-")[1])
    result = either_image.run("python", "-c", script)
    assert (result.returncode, result.stdout) == (0, "[]\n"), result.stderr


STARTED = {"operator": "efficientnet_operator.cli", "trainer": "efficientnet_trainer.launch"}


@pytest.mark.parametrize("which", STARTED)
def test_all_that_a_start_imports_is_compiled(which, request):
    """The standard library, too: slim images leave its bytecode out."""
    script = (
        f"import os, sys, {STARTED[which]};"
        "print([m.__file__ for m in sys.modules.values() if getattr(m, '__cached__', None)"
        " and not os.path.exists(m.__cached__)])"
    )
    result = request.getfixturevalue(f"{which}_image").run("python", "-c", script)
    assert (result.returncode, result.stdout) == (0, "[]\n"), result.stderr


def test_an_unchanged_image_is_not_built_again(operator_image, trainer_image):
    first, second = build("all"), build("all")
    assert second.stdout == first.stdout and len(first.stdout.split()) == 2
    assert second.stderr == ""
