"""The generated files in the repository are those that the models give."""

from pathlib import Path

import pytest
import yaml
from efficientnet_operator.api.crd import build_crd
from efficientnet_operator.api.docs import build_reference
from efficientnet_operator.api.generate import format_crd, main

ROOT = Path(__file__).parents[3]
FILES = {
    "deploy/crd/efficientnetjobs.yaml": format_crd,
    "docs/reference/efficientnetjob.md": build_reference,
}


@pytest.mark.parametrize("path, build", FILES.items(), ids=FILES)
def test_no_drift(path, build):
    assert (ROOT / path).read_text() == build(), "run `make verify` and commit what it writes"


def test_generate_writes_into_each_folder(tmp_path, capsys):
    main(
        ["--crd", str(tmp_path / "a"), "--crd", str(tmp_path / "b"), "--reference", str(tmp_path)]
    )
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "a/efficientnetjobs.yaml",
        "b/efficientnetjobs.yaml",
        "efficientnetjob.md",
    ]
    assert all(path.is_file() for path in written)


def test_the_yaml_is_the_crd():
    assert yaml.safe_load(format_crd()) == build_crd()


def test_the_yaml_survives_a_helm_template():
    """The chart ships it as a template, where double braces would be evaluated."""
    assert "{{" not in format_crd()


def test_the_reference_shows_type_default_and_constraint():
    assert "| `npusPerPod` | integer | `1` | `1`, `2`, `4`, `8` | NPUs of each pod" in (
        build_reference()
    )
    assert (
        "| `npus` | integer | required | 1 to 8192 | NPUs of the job in all" in build_reference()
    )
