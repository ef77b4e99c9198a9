"""The EfficientNet family as tables, and the rules that scale them.

Pure: no TensorFlow.  ``architecture`` turns a member's name into a list of blocks whose
every width, stride and skip is settled; ``model`` only walks that list, and so do the
rounding rules' tests without building a graph.

Sources: Tan and Le 2019 (b0 .. b7), Xie et al. 2020 (b8, l2), and the public EdgeTPU and
lite members.
"""

import math
from typing import Dict, List, NamedTuple, Optional, Tuple

RGB = Tuple[float, float, float]

_IMAGENET_MEAN: RGB = (0.485 * 255, 0.456 * 255, 0.406 * 255)
_IMAGENET_STDDEV: RGB = (0.229 * 255, 0.224 * 255, 0.225 * 255)
_INCEPTION_MEAN: RGB = (127.0, 127.0, 127.0)
_INCEPTION_STDDEV: RGB = (128.0, 128.0, 128.0)

FILTER_DIVISOR = 8
STEM_FILTERS = 32
HEAD_FILTERS = 1280
SQUEEZE_RATIO = 0.25
DROP_CONNECT_RATE = 0.2
BATCH_NORM_MOMENTUM = 0.99


class Stage(NamedTuple):
    """Blocks of one resolution before scaling; only the first has the stride."""

    repeats: int
    kernel_size: int
    stride: int
    expand_ratio: int
    input_filters: int
    output_filters: int
    fused: bool = False
    """Expand with a 3x3 convolution and have no depthwise one (EdgeTPU)."""
    skip: bool = True


class Block(NamedTuple):
    """One inverted bottleneck with every figure settled."""

    kernel_size: int
    stride: int
    expand: bool
    expanded_filters: int
    output_filters: int
    squeeze_filters: int
    """Width of squeeze and excitation; 0 has none."""
    fused: bool
    skip: bool
    drop_rate: float
    """Chance that a training sample skips this block, 0 where there is no skip."""


class Architecture(NamedTuple):
    """One member of the family, ready to be built."""

    name: str
    image_size: int
    """Side of the square input, pixels."""
    dropout_rate: float
    batch_norm_momentum: float
    activation: str
    """``swish``, ``relu`` or ``relu6``."""
    stem_filters: int
    head_filters: int
    num_classes: int
    """Classes of the published checkpoints."""
    mean: RGB
    stddev: RGB
    blocks: Tuple[Block, ...]


class _Family(NamedTuple):
    """What the members of one branch share."""

    stages: Tuple[Stage, ...]
    activation: str
    squeeze: bool
    fixed_ends: bool
    """Stem, head and the repeats of the first and last stage are not scaled."""
    num_classes: int
    mean: RGB
    stddev: RGB


class _Member(NamedTuple):
    family: _Family
    width: float
    depth: float
    image_size: int
    dropout_rate: float


_MOBILE_STAGES = (
    Stage(1, 3, 1, 1, 32, 16),
    Stage(2, 3, 2, 6, 16, 24),
    Stage(2, 5, 2, 6, 24, 40),
    Stage(3, 3, 2, 6, 40, 80),
    Stage(3, 5, 1, 6, 80, 112),
    Stage(4, 5, 2, 6, 112, 192),
    Stage(1, 3, 1, 6, 192, 320),
)
_EDGETPU_STAGES = (
    Stage(1, 3, 1, 4, 24, 24, fused=True, skip=False),
    Stage(2, 3, 2, 8, 24, 32, fused=True),
    Stage(4, 3, 2, 8, 32, 48, fused=True),
    Stage(5, 5, 2, 8, 48, 96),
    Stage(4, 5, 1, 8, 96, 144),
    Stage(2, 5, 2, 8, 144, 192),
)

_STANDARD = _Family(_MOBILE_STAGES, "swish", True, False, 1000, _IMAGENET_MEAN, _IMAGENET_STDDEV)
_LITE = _Family(_MOBILE_STAGES, "relu6", False, True, 1000, _INCEPTION_MEAN, _INCEPTION_STDDEV)
_EDGETPU = _Family(_EDGETPU_STAGES, "relu", False, False, 1001, _INCEPTION_MEAN, _INCEPTION_STDDEV)

_MEMBERS: Dict[str, _Member] = {
    "efficientnet-b0": _Member(_STANDARD, 1.0, 1.0, 224, 0.2),
    "efficientnet-b1": _Member(_STANDARD, 1.0, 1.1, 240, 0.2),
    "efficientnet-b2": _Member(_STANDARD, 1.1, 1.2, 260, 0.3),
    "efficientnet-b3": _Member(_STANDARD, 1.2, 1.4, 300, 0.3),
    "efficientnet-b4": _Member(_STANDARD, 1.4, 1.8, 380, 0.4),
    "efficientnet-b5": _Member(_STANDARD, 1.6, 2.2, 456, 0.4),
    "efficientnet-b6": _Member(_STANDARD, 1.8, 2.6, 528, 0.5),
    "efficientnet-b7": _Member(_STANDARD, 2.0, 3.1, 600, 0.5),
    "efficientnet-b8": _Member(_STANDARD, 2.2, 3.6, 672, 0.5),
    "efficientnet-l2": _Member(_STANDARD, 4.3, 5.3, 800, 0.5),
    "efficientnet-lite0": _Member(_LITE, 1.0, 1.0, 224, 0.2),
    "efficientnet-lite1": _Member(_LITE, 1.0, 1.1, 240, 0.2),
    "efficientnet-lite2": _Member(_LITE, 1.1, 1.2, 260, 0.3),
    "efficientnet-lite3": _Member(_LITE, 1.2, 1.4, 280, 0.3),
    "efficientnet-lite4": _Member(_LITE, 1.4, 1.8, 300, 0.3),
    "efficientnet-edgetpu-S": _Member(_EDGETPU, 1.0, 1.0, 224, 0.2),
    "efficientnet-edgetpu-M": _Member(_EDGETPU, 1.0, 1.1, 240, 0.2),
    "efficientnet-edgetpu-L": _Member(_EDGETPU, 1.2, 1.4, 300, 0.3),
}

MODEL_NAMES: Tuple[str, ...] = tuple(_MEMBERS)


def architecture(
    name: str,
    width: Optional[float] = None,
    depth: Optional[float] = None,
    dropout_rate: Optional[float] = None,
    drop_connect_rate: Optional[float] = None,
    batch_norm_momentum: Optional[float] = None,
) -> Architecture:
    """Settle one member of the family; None leaves a figure as published.

    Raises:
        ValueError: no member has this name.
    """
    if name not in _MEMBERS:
        raise ValueError("no such model; choose one of " + ", ".join(MODEL_NAMES))
    member = _MEMBERS[name]
    family = member.family
    width = member.width if width is None else width
    depth = member.depth if depth is None else depth
    ends_width = 1.0 if family.fixed_ends else width
    drop_connect = DROP_CONNECT_RATE if drop_connect_rate is None else drop_connect_rate
    momentum = BATCH_NORM_MOMENTUM if batch_norm_momentum is None else batch_norm_momentum
    return Architecture(
        name=name,
        image_size=member.image_size,
        dropout_rate=member.dropout_rate if dropout_rate is None else dropout_rate,
        batch_norm_momentum=momentum,
        activation=family.activation,
        stem_filters=round_filters(STEM_FILTERS, ends_width),
        head_filters=round_filters(HEAD_FILTERS, ends_width),
        num_classes=family.num_classes,
        mean=family.mean,
        stddev=family.stddev,
        blocks=_settle_blocks(family, width, depth, drop_connect),
    )


def round_filters(filters: int, width: float) -> int:
    """Scale a width to a multiple of 8 that loses at most a tenth of it."""
    scaled = filters * width
    rounded = int(scaled + FILTER_DIVISOR / 2) // FILTER_DIVISOR * FILTER_DIVISOR
    rounded = max(FILTER_DIVISOR, rounded)
    if rounded < 0.9 * scaled:
        rounded += FILTER_DIVISOR
    return rounded


def round_repeats(repeats: int, depth: float) -> int:
    """Scale a number of blocks, upwards."""
    return math.ceil(depth * repeats)


def _settle_blocks(
    family: _Family, width: float, depth: float, drop_connect_rate: float
) -> Tuple[Block, ...]:
    """Lay out the blocks of all stages; drop-connect grows from 0 with their index."""
    scaled: List[Stage] = []
    for index, stage in enumerate(family.stages):
        is_end = index in (0, len(family.stages) - 1)
        keeps_repeats = family.fixed_ends and is_end
        repeats = stage.repeats if keeps_repeats else round_repeats(stage.repeats, depth)
        # What the stem gives, which where the ends are fixed is not scaled either.
        input_width = 1.0 if family.fixed_ends and index == 0 else width
        first = stage._replace(
            input_filters=round_filters(stage.input_filters, input_width),
            output_filters=round_filters(stage.output_filters, width),
        )
        rest = first._replace(input_filters=first.output_filters, stride=1)
        scaled += [first] + [rest] * (repeats - 1)
    return tuple(
        _settle_block(stage, family.squeeze, drop_connect_rate * index / len(scaled))
        for index, stage in enumerate(scaled)
    )


def _settle_block(stage: Stage, squeeze: bool, drop_rate: float) -> Block:
    skip = stage.skip and stage.stride == 1 and stage.input_filters == stage.output_filters
    # The squeezed width counts from the block's input, not from the expanded one.
    squeeze_filters = max(1, int(stage.input_filters * SQUEEZE_RATIO)) if squeeze else 0
    return Block(
        kernel_size=stage.kernel_size,
        stride=stage.stride,
        expand=stage.expand_ratio != 1,
        expanded_filters=stage.input_filters * stage.expand_ratio,
        output_filters=stage.output_filters,
        squeeze_filters=squeeze_filters,
        fused=stage.fused,
        skip=skip,
        drop_rate=drop_rate if skip else 0.0,
    )
