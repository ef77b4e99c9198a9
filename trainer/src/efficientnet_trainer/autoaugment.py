"""AutoAugment and RandAugment: which distortions a training image gets, and how strong.

A policy is tables of numbers; a random row or entry of them picks the distortions of an
image, and only those are computed.  Levels go from 0 to 10, as in the papers; beyond 10
they are extrapolated.
"""

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer import image_ops
from efficientnet_trainer.config import TrainerConfig

MAX_LEVEL = 10.0
PUBLISHED_SIZE = 224
"""Side of the images for which distances were published, pixels."""
V0_TRANSLATION = 150.0
"""Pixels at level 10, as in the paper.  The trainer that is replaced has 250, with which v0
moves a whole image of 224 pixels out of sight."""
RANDAUGMENT_TRANSLATION = 100.0

_STRENGTHS = {
    # In the unit of the op, at level 0 and at level 10.
    "Posterize": (0.0, 4.0),
    "Solarize": (0.0, 256.0),
    "SolarizeAdd": (0.0, 110.0),
    "Color": (0.1, 1.9),
    "Contrast": (0.1, 1.9),
    "Brightness": (0.1, 1.9),
    "Sharpness": (0.1, 1.9),
    "Rotate": (0.0, 30.0),
    "ShearX": (0.0, 0.3),
    "ShearY": (0.0, 0.3),
    "Cutout": (0.0, 40.0),
}
_WHOLE = ("Posterize", "Solarize", "SolarizeAdd")
_DISTANCES = ("TranslateX", "TranslateY", "Cutout")

_V0 = """
    Equalize .8 1     ShearY .8 4
    Color .4 9        Equalize .6 3
    Color .4 1        Rotate .6 8
    Solarize .8 3     Equalize .4 7
    Solarize .4 2     Solarize .6 2
    Color .2 0        Equalize .8 8
    Equalize .4 8     SolarizeAdd .8 3
    ShearX .2 9       Rotate .6 8
    Color .6 1        Equalize 1 2
    Invert .4 9       Rotate .6 0
    Equalize 1 9      ShearY .6 3
    Color .4 7        Equalize .6 0
    Posterize .4 6    AutoContrast .4 7
    Solarize .6 8     Color .6 9
    Solarize .2 4     Rotate .8 9
    Rotate 1 7        TranslateY .8 9
    ShearX 0 0        Solarize .8 4
    ShearY .8 0       Color .6 4
    Color 1 0         Rotate .6 2
    Equalize .8 4     Equalize 0 8
    Equalize 1 4      AutoContrast .6 2
    ShearY .4 7       SolarizeAdd .6 7
    Posterize .8 2    Solarize .6 10
    Solarize .6 8     Equalize .6 1
    Color .8 6        Rotate .4 5
"""
"""Two distortions a row, each with its probability and level; all rows are as likely."""

_RANDAUGMENT = (
    "AutoContrast",
    "Equalize",
    "Invert",
    "Rotate",
    "Posterize",
    "Solarize",
    "Color",
    "Contrast",
    "Brightness",
    "Sharpness",
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
    "Cutout",
    "SolarizeAdd",
)


class Policy(NamedTuple):
    """How training images are distorted."""

    num_draws: int
    """Random numbers for an image."""
    distort: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    """Takes pixels float32 [h, w, 3] from 0 to 255, and random numbers float32 [num_draws] from
    0 to below 1; returns such pixels."""


def build_policy(config: TrainerConfig) -> Optional[Policy]:
    """Return the policy that the flags name, or None."""
    if config.autoaugment_name == "v0":
        return autoaugment_v0(config.image_size)
    if config.autoaugment_name == "randaugment":
        return randaugment(config.image_size, config.randaug_num_layers, config.randaug_magnitude)
    return None


def autoaugment_v0(image_size: int) -> Policy:
    """Return AutoAugment's policy of the EfficientNet trainers.

    Source: Cubuk et al. 2018.
    """
    rows = [_parse_row(line.split()) for line in _V0.split("\n") if line.strip()]
    names = sorted({name for row in rows for name, _, _ in row})
    kinds = [[names.index(name) for name, _, _ in row] for row in rows]
    chances = [[chance for _, chance, _ in row] for row in rows]
    strengths = [
        [_strength(name, level, V0_TRANSLATION, image_size) for name, _, level in row]
        for row in rows
    ]

    def distort(image: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        row = tf.cast(draws[0] * len(rows), tf.int32)
        picked, chance, strength = (tf.gather(each, row) for each in (kinds, chances, strengths))
        # Beyond the names: none of them.
        picked = tf.where_v2(draws[1:3] < chance, picked, len(names))
        return _apply(image, names, picked, strength, tf.reshape(draws[3:], [2, 2]))

    return Policy(7, distort)


def randaugment(image_size: int, num_layers: int, magnitude: float) -> Policy:
    """Return the policy of ``num_layers`` distortions, any of them, all of one level.

    Source: Cubuk et al. 2019; the distortions are those of the EfficientNet trainers.
    """
    strengths = [
        _strength(name, magnitude, RANDAUGMENT_TRANSLATION, image_size) for name in _RANDAUGMENT
    ]

    def distort(image: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        picked = tf.cast(draws[:num_layers] * len(_RANDAUGMENT), tf.int32)
        places = tf.reshape(draws[num_layers:], [num_layers, 2])
        return _apply(image, _RANDAUGMENT, picked, tf.gather(strengths, picked), places)

    return Policy(3 * num_layers, distort)


def _parse_row(words: List[str]) -> List[Tuple[str, float, float]]:
    """Return (name, probability, level) of each distortion."""
    return [
        (name, float(chance), float(level))
        for name, chance, level in zip(words[0::3], words[1::3], words[2::3])
    ]


def _strength(name: str, level: float, translation: float, image_size: int) -> float:
    """Return what a level means to a distortion, in the unit of its op.

    Args:
        name: of the distortion; the strength of some is nothing.
        level: 0 to 10, or beyond.
        translation: pixels that level 10 moves an image of the published size.
        image_size: side of the image, pixels.
    """
    at_most = (0.0, translation) if name.startswith("Translate") else (0.0, 0.0)
    low, high = _STRENGTHS.get(name, at_most)
    strength = low + (high - low) * (level / MAX_LEVEL)
    if name in _DISTANCES:
        # As published, from that size on; what is smaller would be filled, or left empty.
        strength *= min(1.0, image_size / PUBLISHED_SIZE)
    return float(int(strength)) if name in _WHOLE else strength


def _apply(
    image: tf.Tensor,
    names: Sequence[str],
    picked: tf.Tensor,
    strengths: tf.Tensor,
    places: tf.Tensor,
) -> tf.Tensor:
    """Distort an image several times.

    Args:
        image: float32 [h, w, 3], 0 .. 255.
        names: distortions to choose from.
        picked: int32 [n], the numbers of those that come about; a number beyond is none.
        strengths: float32 [n], each in the unit of its op.
        places: float32 [n, 2] from 0 to below 1, for sign and place.
    """

    def distort(number: tf.Tensor, image: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
        strength, (first, second) = strengths[number], tf.unstack(places[number])
        branches = [
            lambda name=name: _DISTORTIONS[name](image, strength, first, second) for name in names
        ]
        distorted = tf.switch_case(picked[number], branches, default=lambda: image)
        distorted.set_shape(image.shape)
        return number + 1, distorted

    # A loop, not copies: building and loading a graph of every distortion takes a while.
    count = int(picked.shape[0])
    return tf.while_loop(lambda number, _: number < count, distort, [0, image])[1]


Distortion = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def _even(function: Callable[[tf.Tensor], tf.Tensor]) -> Distortion:
    """Make a distortion of a function that knows no strength."""
    return lambda image, *_: function(image)


def _graded(function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Distortion:
    return lambda image, strength, *_: function(image, strength)


def _two_way(function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Distortion:
    """Make a distortion that goes one way or the other."""
    return lambda image, strength, draw, _: function(
        image, tf.where_v2(draw < 0.5, strength, -strength)
    )


_DISTORTIONS: Dict[str, Distortion] = {
    "AutoContrast": _even(image_ops.autocontrast),
    "Equalize": _even(image_ops.equalize),
    "Invert": _even(image_ops.invert),
    "Posterize": _graded(image_ops.posterize),
    "Solarize": _graded(image_ops.solarize),
    "SolarizeAdd": _graded(image_ops.solarize_add),
    "Color": _graded(image_ops.color),
    "Contrast": _graded(image_ops.contrast),
    "Brightness": _graded(image_ops.brightness),
    "Sharpness": _graded(image_ops.sharpness),
    "Rotate": _two_way(image_ops.rotate),
    "ShearX": _two_way(image_ops.shear_x),
    "ShearY": _two_way(image_ops.shear_y),
    "TranslateX": _two_way(image_ops.translate_x),
    "TranslateY": _two_way(image_ops.translate_y),
    "Cutout": image_ops.cutout,
}
