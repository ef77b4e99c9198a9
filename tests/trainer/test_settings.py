import argparse
import json
import stat

import pytest
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.flags import add_arguments, from_arguments
from efficientnet_trainer.settings import FILE, tell_differences, write_settings


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


USES = {
    # flags of the use, what is told
    "as it was trained": ([], []),
    "what changes no image": (["--train_batch_size=6", "--mode=eval", "--eval_batch_size=2"], []),
    "the same, written out": (["--input_image_size=224"], []),
    "labels that inspection found": (["--label_offset=1"], []),
    "other images": (
        ["--crop_and_flip=true", "--input_image_size=64"],
        [
            "--input_image_size is 64, but the weights were trained with 224",
            "--crop_and_flip is true, but the weights were trained with false",
        ],
    ),
}


@pytest.mark.parametrize("beside", ["run", "run/model.ckpt-3", "run/best/model.ckpt-3"])
@pytest.mark.parametrize("words, told", USES.values(), ids=USES)
def test_a_use_that_shows_other_images_is_told(words, told, beside, kept, tmp_path):
    _, path = kept
    found = tell_differences(parse(f"--config={path}", *words), str(tmp_path / beside))
    assert [line.partition(" (")[0] for line in found] == told


def test_the_way_out_is_a_flag_and_a_field(kept):
    _, path = kept
    use = parse(f"--config={path}", "--crop_and_flip=true")
    (line,) = tell_differences(use, str(path.parent))
    words = "give --crop_and_flip=false, in a job spec.training.augmentation.cropAndFlip"
    assert line.endswith(f"; {words}")
    assert tell_differences(parse(f"--config={path}", "--crop_and_flip=false"), str(path)) == []


def test_labels_from_another_number_are_told(kept):
    _, path = kept
    write_settings(str(path.parent), parse(f"--config={path}", "--label_offset=0").model_dump(), 1)
    (line,) = tell_differences(parse(f"--config={path}", "--label_offset=1"), str(path.parent))
    assert line.startswith("--label_offset is 1, but the weights were trained with 0 (")


UNREADABLE = {"none": None, "no JSON": "{", "another version's": '{"flags": {"sharding": 1}}'}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_a_checkpoint_without_settings_is_used_in_silence(text, kept, tmp_path):
    if text is not None:
        (tmp_path / FILE).write_text(text)
    assert tell_differences(kept[0], str(tmp_path / "model.ckpt-3")) == []
