"""Build a member of the family as a TensorFlow 1 graph.

``architecture`` has settled every figure; this walks its blocks.  Normalisation of
pixels is a function of its own, so that ``logits`` can feed a network as it is.
"""

from typing import Callable, Sequence

import tensorflow.compat.v1 as tf

from efficientnet_trainer import layers
from efficientnet_trainer.architecture import Architecture, Block
from efficientnet_trainer.freezing import freeze_variables, is_frozen

BATCH_NORM = "tpu_batch_normalization"
"""The layer's name in the public checkpoints, which were trained on TPUs."""


def normalize(images: tf.Tensor, architecture: Architecture) -> tf.Tensor:
    """Scale pixels to what the network was made for.

    Args:
        images: float32 [n, h, w, 3], 0 .. 255.
        architecture: gives mean and standard deviation by channel.

    Returns:
        float32 [n, h, w, 3], about zero mean and unit variance.
    """
    mean = tf.constant(architecture.mean, shape=[1, 1, 1, 3], dtype=images.dtype)
    stddev = tf.constant(architecture.stddev, shape=[1, 1, 1, 3], dtype=images.dtype)
    return (images - mean) / stddev


def build_logits(
    images: tf.Tensor,
    architecture: Architecture,
    is_training: bool,
    num_classes: int,
    data_format: str = "channels_last",
    freeze: Sequence[str] = (),
) -> tf.Tensor:
    """Build the network and return its logits.

    Variables get the names of the public checkpoints, ``<model name>/...``.  In training,
    the moving averages' updates join the collection UPDATE_OPS.

    Args:
        images: float32 [n, h, w, 3], normalised; channels last in either data format.
        architecture: the member.
        is_training: batch statistics, dropout and drop-connect; else moving averages.
        num_classes: outputs of the classifier.
        data_format: layout inside the network, ``channels_last`` or ``channels_first``.
        freeze: prefixes of the variables that are not trained.

    Returns:
        float32 [n, num_classes].
    """
    network = _Network(architecture, is_training, layers.Layout(data_format), freeze)
    if data_format == "channels_first":
        images = tf.transpose(images, [0, 3, 1, 2])
    with tf.variable_scope(architecture.name):
        outputs = network.stem(images)
        for index, block in enumerate(architecture.blocks):
            with tf.variable_scope(f"blocks_{index}"):
                outputs = network.block(outputs, block)
        logits = network.head(outputs, num_classes)
    freeze_variables(freeze)
    return logits


class _Network:
    """The parts of one network, which share its member, mode and layout."""

    def __init__(
        self,
        architecture: Architecture,
        is_training: bool,
        layout: layers.Layout,
        freeze: Sequence[str],
    ) -> None:
        self._architecture = architecture
        self._is_training = is_training
        self._layout = layout
        self._freeze = freeze
        self._activate: Callable[[tf.Tensor], tf.Tensor] = layers.activation(
            architecture.activation, is_training
        )

    def stem(self, images: tf.Tensor) -> tf.Tensor:
        with tf.variable_scope("stem"):
            outputs = self._conv(images, self._architecture.stem_filters, 3, 2, "conv2d")
            return self._activate(self._norm(outputs, 0))

    def block(self, inputs: tf.Tensor, block: Block) -> tf.Tensor:
        outputs = self._fused(inputs, block) if block.fused else self._mobile(inputs, block)
        if not block.skip:
            return outputs
        if self._is_training and block.drop_rate:
            outputs = layers.drop_connect(outputs, block.drop_rate)
        return outputs + inputs

    def head(self, inputs: tf.Tensor, num_classes: int) -> tf.Tensor:
        with tf.variable_scope("head"):
            outputs = self._conv(inputs, self._architecture.head_filters, 1, 1, "conv2d")
            outputs = self._activate(self._norm(outputs, 0))
            pooled = tf.reduce_mean(outputs, self._layout.spatial_axes)
            if self._is_training and self._architecture.dropout_rate:
                pooled = tf.nn.dropout(pooled, rate=self._architecture.dropout_rate)
            dense = tf.layers.Dense(
                num_classes, kernel_initializer=layers.dense_initializer, name="dense"
            )
            return dense(pooled)

    def _mobile(self, inputs: tf.Tensor, block: Block) -> tf.Tensor:
        """Expand, convolve each channel, weigh the channels, project."""
        outputs, done = inputs, 0
        if block.expand:
            outputs = self._conv(outputs, block.expanded_filters, 1, 1, "conv2d")
            outputs, done = self._activate(self._norm(outputs, 0)), 1
        outputs = layers.depthwise_conv2d(
            outputs, block.kernel_size, block.stride, self._layout, "depthwise_conv2d"
        )
        outputs = self._activate(self._norm(outputs, done))
        if block.squeeze_filters:
            outputs = layers.squeeze_excite(
                outputs, block.squeeze_filters, self._activate, self._layout
            )
        outputs = self._conv(outputs, block.output_filters, 1, 1, _numbered("conv2d", done))
        return self._norm(outputs, done + 1)

    def _fused(self, inputs: tf.Tensor, block: Block) -> tf.Tensor:
        """Expand with a full 3x3 convolution, then project; the projection has the stride."""
        outputs = self._conv(inputs, block.expanded_filters, 3, 1, "conv2d")
        outputs = self._activate(self._norm(outputs, 0))
        outputs = self._conv(outputs, block.output_filters, 1, block.stride, "conv2d_1")
        return self._norm(outputs, 1)

    def _conv(
        self, inputs: tf.Tensor, filters: int, kernel_size: int, stride: int, name: str
    ) -> tf.Tensor:
        return layers.conv2d(inputs, filters, kernel_size, stride, self._layout, name)

    def _norm(self, inputs: tf.Tensor, number: int) -> tf.Tensor:
        name = _numbered(BATCH_NORM, number)
        scope = f"{tf.get_variable_scope().name}/{name}/"
        return layers.batch_norm(
            inputs,
            self._is_training and not is_frozen(scope, self._freeze),
            self._architecture.batch_norm_momentum,
            self._layout,
            name,
        )


def _numbered(name: str, number: int) -> str:
    """Name the layers of one kind in a scope as the checkpoints do: x, x_1, x_2."""
    return f"{name}_{number}" if number else name
