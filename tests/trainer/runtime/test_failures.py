"""What an exception means for the operator."""

import os

import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.errors import ConfigError, DataError, DivergedError
from efficientnet_trainer.failures import explain
from efficientnet_trainer.owner import OwnerLostError

ENDS = {
    "bad configuration": (ConfigError("--x is y"), 2, "--x is y"),
    "bad data": (DataError("no such file"), 3, "no such file"),
    "another run owns the folder": (OwnerLostError("taken"), 75, "taken"),
    "a peer hung up": (
        tf.errors.UnavailableError(None, None, "Socket closed\nmore"),
        75,
        "lost another rank: Socket closed",
    ),
    "a peer's death cancelled the step": (
        tf.errors.CancelledError(None, None, "Cancelled"),
        75,
        "lost another rank: Cancelled",
    ),
    "a picture that is none": (
        tf.errors.InvalidArgumentError(
            None, None, "Expected image (JPEG, PNG, or GIF), got unknown format"
        ),
        3,
        "JPEG or PNG: Expected image",
    ),
    "an argument that is not the data's fault": (
        tf.errors.InvalidArgumentError(None, None, "Matrix size-incompatible"),
        1,
        "InvalidArgumentError: Matrix size-incompatible",
    ),
    "the loss is lost": (
        tf.train.NanLossDuringTrainingError(),
        3,
        "the loss is no number; there is no checkpoint yet; lower --base_learning_rate",
    ),
    "the weights are lost": (
        DivergedError("the weights of step 7 are no finite numbers"),
        3,
        "the weights of step 7 are no finite numbers; there is no checkpoint yet",
    ),
    "the disk is full, says a saver that is not ours": (
        tf.errors.ResourceExhaustedError(None, None, "/out/x; No space left on device\nmore"),
        75,
        "/out/x; No space left on device; there is no checkpoint yet; make room",
    ),
    "memory is full": (
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
        1,
        "ResourceExhaustedError: OOM when allocating tensor",
    ),
    "a fault of ours": (KeyError("x"), 1, "KeyError: 'x'"),
}


@pytest.mark.parametrize("error", [FileExistsError, NotADirectoryError, PermissionError])
def test_a_folder_that_cannot_be_written_to_is_named_with_the_way_out(make_config, error):
    config = make_config()
    code, message = explain(error(13, "no right", f"{config.model_dir}/settings.json"), config)
    assert code == 1
    assert message.startswith(f"--model_dir {config.model_dir} cannot be written to ([Errno 13]")
    assert f"name a folder that user {os.getuid()} may write to" in message
    _, elsewhere = explain(error(13, "no right", "/proc/1/x"), config)
    assert elsewhere == f"{error.__name__}: [Errno 13] no right: '/proc/1/x'"


@pytest.mark.parametrize("error, code, message", ENDS.values(), ids=ENDS)
def test_explain(make_config, error, code, message):
    found_code, found = explain(error, make_config())
    assert found_code == code
    assert message in found
    assert "\n" not in found
