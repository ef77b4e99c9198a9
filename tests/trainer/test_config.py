import argparse

import pytest
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.flags import add_arguments, from_arguments

PLACES = ["--data_dir=/d", "--model_dir=/m"]


def parse(*words):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_arguments(parser)
    return from_arguments(parser.parse_args(list(words)))


ORIGINAL_DEFAULTS = {
    "model_name": "efficientnet-b0",
    "mode": "train_and_eval",
    "train_steps": 218949,
    "train_batch_size": 2048,
    "eval_batch_size": 1024,
    "num_train_images": 1281167,
    "num_eval_images": 50000,
    "steps_per_eval": 6255,
    "iterations_per_loop": 1251,
    "num_parallel_calls": 64,
    "num_label_classes": 1000,
    "base_learning_rate": 0.016,
    "momentum": 0.9,
    "moving_average_decay": 0.9999,
    "weight_decay": 1e-5,
    "label_smoothing": 0.1,
    "data_format": "channels_last",
    "num_steps": 1000,
    "eval_timeout": None,
    "export_dir": None,
    "input_image_size": None,
    "dropout_rate": None,
    "drop_connect_rate": None,
    "autoaugment_name": None,
    "randaug_num_layers": 2,
    "randaug_magnitude": 10,
    "mixup_alpha": 0.0,
}


@pytest.mark.parametrize("name, want", ORIGINAL_DEFAULTS.items(), ids=ORIGINAL_DEFAULTS)
def test_defaults_are_the_original_trainers(name, want):
    assert getattr(parse(*PLACES), name) == want


WORDS = {
    "name=value": (["--train_steps=7"], "train_steps", 7),
    "name value": (["--train_steps", "7"], "train_steps", 7),
    "true": (["--crop_and_flip=true"], "crop_and_flip", True),
    "false": (["--crop_and_flip=false"], "crop_and_flip", False),
    "a small rate": (["--base_learning_rate=1e-3"], "base_learning_rate", 0.001),
    "a list by commas": (["--restore_exclude=a/, b/"], "restore_exclude", ("a/", "b/")),
    "a list of choices": (
        ["--export_formats=graph_def,tflite"],
        "export_formats",
        ("graph_def", "tflite"),
    ),
    "one class": (["--num_label_classes=1"], "num_label_classes", 1),
    "an empty value is unset": (["--export_dir="], "export_dir", None),
    "an empty value takes the default": (["--train_steps="], "train_steps", 218949),
    "the last of two wins": (["--train_steps=7", "--train_steps=8"], "train_steps", 8),
}


@pytest.mark.parametrize("words, name, want", WORDS.values(), ids=WORDS)
def test_words_become_values(words, name, want):
    assert getattr(parse(*PLACES, *words), name) == want


WRONG = {
    "no number": (
        "--train_steps=many",
        "--train_steps is 'many': input should be a valid integer",
    ),
    "too small": ("--train_batch_size=0", "--train_batch_size is '0': .* greater than or equal"),
    "out of a choice": (
        "--mode=test",
        "--mode is 'test': .*'train_and_eval', 'train', 'eval', 'predict' or 'export'",
    ),
    "out of the choices of a list": ("--export_formats=saved_model,onnx", "'onnx'"),
    "export to nowhere": ("--mode=export", "--mode=export needs --export_dir, where to"),
    "prediction of nothing": ("--mode=predict", "--mode=predict needs --predict_files"),
    "a checkpoint to train from": (
        "--checkpoint_path=/c",
        "--mode=train_and_eval goes on from --model_dir, .* use --restore_path",
    ),
    "no boolean": ("--crop_and_flip=maybe", "--crop_and_flip is 'maybe': .*boolean"),
    "not finite": ("--base_learning_rate=nan", "--base_learning_rate is 'nan': .*finite"),
    "unknown model": ("--model_name=b0", "--model_name is 'b0': no such model; choose one of"),
    "no class": ("--num_label_classes=0", "--num_label_classes is '0'"),
    "too many classes": ("--num_label_classes=100001", "--num_label_classes is '100001'"),
    "augmentation": ("--autoaugment_name=v1", "--autoaugment_name is 'v1': .*'v0' or 'randaugm"),
    "mixup": ("--mixup_alpha=-1", "--mixup_alpha is '-1': .*greater than or equal to 0"),
    "a batch that does not split": (
        "--gradient_accumulation_steps=3",
        "--gradient_accumulation_steps is 3, which does not divide --train_batch_size 2048; use",
    ),
    "no directory": ("--data_dir=", "--data_dir is required: directory of the TFRecord files"),
}


@pytest.mark.parametrize("word, message", WRONG.values(), ids=WRONG)
def test_a_wrong_value_names_flag_value_and_way_out(word, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse(*PLACES, word)
    assert caught.value.exit_code == 2


def test_all_wrong_flags_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        parse("--train_steps=0", "--mode=x")
    for flag in ("--data_dir", "--model_dir", "--train_steps", "--mode"):
        assert flag in str(caught.value)


OFFSETS = {
    "labels count from 1": ([], 1),
    "a background class takes labels as they are": (["--num_label_classes=1001"], 0),
    "asked for": (["--label_offset=0"], 0),
    "asked for with a background class": (["--num_label_classes=1001", "--label_offset=1"], 1),
}


@pytest.mark.parametrize("words, want", OFFSETS.values(), ids=OFFSETS)
def test_class_offset(words, want):
    assert parse(*PLACES, *words).class_offset == want


CHECKPOINTS = {
    "an epoch of one rank": (["--train_batch_size=256"], 1, 5004),
    "an epoch of eight ranks": (["--train_batch_size=256"], 8, 625),
    "an epoch of less than a step": (["--num_train_images=10"], 8, 1),
    "asked for": (["--save_checkpoints_steps=50"], 8, 50),
}


@pytest.mark.parametrize("words, ranks, want", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_checkpoint_steps(words, ranks, want):
    assert parse(*PLACES, *words).checkpoint_steps(ranks) == want


def test_the_image_size_is_the_models_unless_asked_for():
    assert parse(*PLACES, "--model_name=efficientnet-b3").image_size == 300
    assert parse(*PLACES, "--input_image_size=32").image_size == 32


def test_every_flag_says_what_it_is():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    described = {action.dest for action in parser._actions if action.help}
    assert described >= set(TrainerConfig.model_fields)
