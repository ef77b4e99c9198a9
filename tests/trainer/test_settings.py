import argparse
import json
import stat

import pytest
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.flags import add_arguments, from_arguments
from efficientnet_trainer.settings import FILE, write_settings


def parse(*words):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_arguments(parser)
    return from_arguments(parser.parse_args([str(word) for word in words]))


UNUSUAL = [
    "--data_dir=/d",
    "--model_dir=/m",
    "--train_batch_size=24",
    "--gradient_accumulation_steps=3",
    "--dropout_rate=0.4",
    "--crop_and_flip=false",
    "--autoaugment_name=v0",
    "--restore_exclude=a/,b/",
    "--random_seed=7",
    "--weight_decay=1e-7",
]


@pytest.fixture
def kept(tmp_path):
    """A run's flags and the file that it left."""
    config = parse(*UNUSUAL)
    write_settings(str(tmp_path / "run"), config.model_dump(mode="json"), 4)
    return config, tmp_path / "run" / FILE


def test_a_run_is_repeated_from_its_file(kept):
    config, path = kept
    assert parse(f"--config={path}") == config


def test_flags_that_are_given_win(kept):
    config, path = kept
    got = parse("--model_dir=/other", f"--config={path}", "--random_seed=", "--train_steps=9")
    changes = {"model_dir": "/other", "random_seed": None, "train_steps": 9}
    assert got == config.model_copy(update=changes)


def test_the_file_has_every_flag_and_the_ranks(kept):
    config, path = kept
    content = json.loads(path.read_text())
    assert set(content["flags"]) == set(type(config).model_fields)
    assert content["ranks"] == 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in path.parent.iterdir()] == [FILE]


def test_a_later_attempt_writes_it_anew(kept):
    config, path = kept
    write_settings(str(path.parent), dict(config.model_dump(mode="json"), train_steps=5), 8)
    assert json.loads(path.read_text())["ranks"] == 8
    assert parse(f"--config={path}").train_steps == 5


BAD = {
    "missing": (None, r"--config .*bad.json cannot be read: .*No such file.*settings.json"),
    "no JSON": ("{", "cannot be read: .*settings.json of a run"),
    "another file": ("[1]", 'has no object "flags"'),
    "flags of another form": ('{"flags": []}', 'has no object "flags"'),
    "a flag that this version lacks": (
        '{"flags": {"sharding": 1}}',
        r"--sharding is no flag of this trainer.* \(flags that are not given are those of .*bad",
    ),
    "a value that is wrong": ('{"flags": {"train_steps": 0}}', "--train_steps is 0: .*bad.json"),
}


@pytest.mark.parametrize("text, message", BAD.values(), ids=BAD)
def test_a_bad_file_is_named(text, message, tmp_path):
    path = tmp_path / "bad.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        parse("--data_dir=/d", "--model_dir=/m", f"--config={path}")
