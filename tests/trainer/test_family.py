"""Every member's variables against the contract, which was written from the published tables."""

import collections
from itertools import groupby

import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.architecture import MODEL_NAMES, architecture
from efficientnet_trainer.model import build_logits

Asked = collections.namedtuple("Asked", "name shape trainable")


def build(member, data_format="channels_last", is_training=False):
    images = tf.placeholder(tf.float32, [None, member.image_size, member.image_size, 3])
    return build_logits(images, member, is_training, member.num_classes, data_format)


def build_from_stand_ins(member, data_format="channels_last"):
    """Build a member around placeholders; return its logits and the variables it asked for.

    Making variables is most of a graph's cost.
    """
    asked = []

    def note(name, shape, trainable=True, **_others):
        asked.append(Asked(name, tf.TensorShape(shape).as_list(), trainable))
        return tf.placeholder(tf.float32, shape)

    with tf.variable_scope("", custom_getter=note):
        return build(member, data_format), asked


def list_variables():
    trainable = set(tf.trainable_variables())
    return [Asked(v.op.name, v.shape.as_list(), v in trainable) for v in tf.global_variables()]


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_members_have_the_variables_of_the_public_checkpoints(name, contract_lines, read_contract):
    member = architecture(name)
    logits, asked = build_from_stand_ins(member)
    assert contract_lines(asked) == read_contract(name)
    assert all(each.name.startswith(name + "/") for each in asked)
    assert logits.shape.as_list() == [None, member.num_classes]


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_members_have_the_same_variables_with_channels_first(name, contract_lines, read_contract):
    member = architecture(name)
    # One of those blocks that follow each other and are alike, as in the contract's lines.
    alike = [block._replace(drop_rate=0.0) for block in member.blocks]
    # The first two differ even so: the stem's filters may not be those that the table gives.
    blocks = alike[:2] + [each for each, before in zip(alike[2:], alike[1:]) if each != before]
    logits, asked = build_from_stand_ins(member._replace(blocks=tuple(blocks)), "channels_first")
    found, wanted = (
        [line for line, _ in groupby(line.split(": ")[1] for line in lines[1:])]
        for lines in (contract_lines(asked), read_contract(name))
    )
    assert found == wanted
    assert logits.shape.as_list() == [None, member.num_classes]


KINDS = {
    "swish, squeeze and excitation": ("efficientnet-b0", "channels_last", True),
    "channels first": ("efficientnet-b0", "channels_first", False),
    "relu6": ("efficientnet-lite0", "channels_last", True),
    "fused blocks": ("efficientnet-edgetpu-S", "channels_last", True),
}


@pytest.mark.parametrize("name, data_format, is_training", KINDS.values(), ids=KINDS)
def test_what_a_network_asks_for_is_what_its_graph_has(name, data_format, is_training):
    build(architecture(name), data_format, is_training)
    found = list_variables()
    with tf.Graph().as_default():
        _, asked = build_from_stand_ins(architecture(name), data_format)
    assert found == asked


def test_a_contract_line_tells_names_and_sizes(contract_lines):
    variables = [
        ("m/stem/conv2d/kernel", [3, 3, 3, 8], True),
        ("m/stem/tpu_batch_normalization/gamma", [8], True),
        ("m/stem/tpu_batch_normalization/moving_mean", [8], False),
        ("m/blocks_0/conv2d/kernel", [1, 1, 8, 4], True),
        ("m/blocks_1/conv2d/kernel", [1, 1, 8, 4], True),
        ("m/head/dense/bias", [2], True),
    ]
    assert contract_lines(variables) == [
        "290 parameters, 5 trainable variables, 1 moving statistics",
        "stem: conv2d/kernel=3x3x3x8 tpu_batch_normalization=8",
        "blocks_0..1: conv2d/kernel=1x1x8x4",
        "head: dense/bias=2",
    ]
