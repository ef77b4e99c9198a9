"""The layers of the family, with the variable names of its public checkpoints.

Every layer is named by its caller: the checkpoints number equal layers inside a scope
(``conv2d``, ``conv2d_1``), and an explicit name can not be shifted by a layer that one
member has and another has not.
"""

import math
from typing import Any, Callable, Dict, Sequence

import tensorflow.compat.v1 as tf

BATCH_NORM_EPSILON = 1e-3
IMAGENET_CLASSES = 1000


class Layout:
    """Where the axes are in one data format."""

    def __init__(self, data_format: str) -> None:
        channels_first = data_format == "channels_first"
        self.data_format = data_format
        self.short = "NCHW" if channels_first else "NHWC"
        self.channel_axis = 1 if channels_first else 3
        self.spatial_axes = [2, 3] if channels_first else [1, 2]

    def strides(self, stride: int) -> Sequence[int]:
        """Strides of all four axes for one spatial stride."""
        return [1, 1, stride, stride] if self.channel_axis == 1 else [1, stride, stride, 1]


def conv_initializer(shape: Any, dtype: Any = None, partition_info: Any = None) -> tf.Tensor:
    """Draw from Normal(0, sqrt(2 / fan out)), not truncated.

    The last axis counts as the outputs; a depthwise kernel has one there, as published.
    """
    del partition_info
    height, width, _, outputs = (int(size) for size in shape)
    stddev = math.sqrt(2.0 / (height * width * outputs))
    return tf.random.normal(shape, mean=0.0, stddev=stddev, dtype=dtype)


def dense_initializer(shape: Any, dtype: Any = None, partition_info: Any = None) -> tf.Tensor:
    """Draw evenly from +-1/sqrt(classes), of a thousand classes where there are fewer.

    The published bound is that for ImageNet.  Taken for ten classes it is 0.32, and a new
    network begins with logits of several units, which it has to unlearn first.
    """
    del partition_info
    bound = 1.0 / math.sqrt(max(int(shape[1]), IMAGENET_CLASSES))
    return tf.random.uniform(shape, -bound, bound, dtype=dtype)


def conv2d(
    inputs: tf.Tensor,
    filters: int,
    kernel_size: int,
    stride: int,
    layout: Layout,
    name: str,
    use_bias: bool = False,
) -> tf.Tensor:
    """Convolve with SAME padding."""
    layer = tf.layers.Conv2D(
        filters,
        kernel_size,
        strides=stride,
        padding="same",
        data_format=layout.data_format,
        use_bias=use_bias,
        kernel_initializer=conv_initializer,
        name=name,
    )
    return layer(inputs)


def depthwise_conv2d(
    inputs: tf.Tensor, kernel_size: int, stride: int, layout: Layout, name: str
) -> tf.Tensor:
    """Convolve each channel with a kernel of its own, SAME padding, no bias."""
    channels = int(inputs.shape[layout.channel_axis])
    with tf.variable_scope(name):
        kernel = tf.get_variable(
            "depthwise_kernel",
            [kernel_size, kernel_size, channels, 1],
            dtype=inputs.dtype,
            initializer=conv_initializer,
        )
        return tf.nn.depthwise_conv2d(
            inputs, kernel, layout.strides(stride), "SAME", data_format=layout.short
        )


def batch_norm(
    inputs: tf.Tensor, is_training: bool, momentum: float, layout: Layout, name: str
) -> tf.Tensor:
    """Normalise over the batch; in training the moving averages' updates join UPDATE_OPS."""
    layer = tf.layers.BatchNormalization(
        axis=layout.channel_axis, momentum=momentum, epsilon=BATCH_NORM_EPSILON, name=name
    )
    return layer(inputs, training=is_training)


def squeeze_excite(
    inputs: tf.Tensor,
    squeeze_filters: int,
    activate: Callable[[tf.Tensor], tf.Tensor],
    layout: Layout,
) -> tf.Tensor:
    """Weigh the channels by a gate that sees their means over the image."""
    channels = int(inputs.shape[layout.channel_axis])
    with tf.variable_scope("se"):
        means = tf.reduce_mean(inputs, layout.spatial_axes, keepdims=True)
        reduced = conv2d(means, squeeze_filters, 1, 1, layout, "conv2d", use_bias=True)
        gate = conv2d(activate(reduced), channels, 1, 1, layout, "conv2d_1", use_bias=True)
        return tf.sigmoid(gate) * inputs


def drop_connect(inputs: tf.Tensor, drop_rate: float) -> tf.Tensor:
    """Zero whole samples by chance and scale up the kept ones, so that the mean stays.

    Args:
        inputs: [n, ...] a block's output before its skip is added.
        drop_rate: chance per sample, 0 .. 1.
    """
    keep = 1.0 - drop_rate
    shape = [tf.shape(inputs)[0], 1, 1, 1]
    kept = tf.floor(keep + tf.random.uniform(shape, dtype=inputs.dtype))
    return inputs / keep * kept


def activation(name: str, is_training: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    """Look up an architecture's activation.

    Swish has a gradient of its own in training.  A graph that is saved has none: it would
    carry a node that only training understands.
    """
    if is_training and name == "swish":
        return _swish_for_training
    return _ACTIVATIONS[name]


def _swish(inputs: tf.Tensor) -> tf.Tensor:
    # Written out: tf.nn.swish is a graph function, which a SavedModel and an NPU's graph
    # compiler would have to carry.
    return inputs * tf.sigmoid(inputs)


@tf.custom_gradient
def _swish_for_training(inputs: tf.Tensor) -> Any:
    """Return swish, whose gradient keeps the inputs alone until it is due.

    TensorFlow's own would keep the sigmoid and its product, too.  On a CPU a step of b0 is a
    seventh shorter like this, and takes a seventh less memory.
    """

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        # Else the sigmoid would be computed when the inputs are there, and be kept after all.
        with tf.control_dependencies([upstream]):
            gate = tf.sigmoid(inputs)
        return upstream * gate * (1.0 + inputs * (1.0 - gate))

    return _swish(inputs), gradient


_ACTIVATIONS: Dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "swish": _swish,
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
}
