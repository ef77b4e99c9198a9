"""``efficientnet-trainer describe``: what a member of the family consists of.

The figures come from the built graph, not from the tables, so they are what a checkpoint
of this trainer holds.
"""

import argparse
import json
from typing import Any, Dict

from efficientnet_trainer.architecture import MODEL_NAMES, architecture
from efficientnet_trainer.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--model_name``, ``--num_label_classes`` and ``--json``."""
    parser.add_argument(
        "--model_name",
        default="efficientnet-b0",
        choices=MODEL_NAMES,
        metavar="NAME",
        help="member of the family: " + ", ".join(MODEL_NAMES),
    )
    parser.add_argument(
        "--num_label_classes", type=int, help="classes (default: those of the published model)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Print the description of one member.

    Raises:
        ConfigError: no class at all.
    """
    classes = args.num_label_classes
    if classes is not None and classes < 1:
        raise ConfigError(f"--num_label_classes is {classes}; use 1 or more")
    description = describe(args.model_name, classes)
    if args.json:
        print(json.dumps(description))
    else:
        _print_table(description)
    return 0


def describe(model_name: str, num_classes: Any = None) -> Dict[str, Any]:
    """Build a member's graph and list its variables in the order of their creation.

    Args:
        model_name: the member.
        num_classes: outputs of the classifier; None for the published number.

    Returns:
        ``parameters`` counts the trainable numbers, as the literature does; the moving
        statistics of batch normalisation are listed as not trainable.
    """
    import tensorflow.compat.v1 as tf

    from efficientnet_trainer.model import build_logits

    member = architecture(model_name)
    tf.logging.set_verbosity(tf.logging.ERROR)
    with tf.Graph().as_default():
        size = member.image_size
        images = tf.placeholder(tf.float32, [None, size, size, 3])
        build_logits(images, member, False, num_classes or member.num_classes)
        trainable = {v.op.name for v in tf.trainable_variables()}
        parameters = sum(v.shape.num_elements() for v in tf.trainable_variables())
        variables = [
            {"name": v.op.name, "shape": v.shape.as_list(), "trainable": v.op.name in trainable}
            for v in tf.global_variables()
        ]
    return {
        "model_name": model_name,
        "image_size": size,
        "parameters": parameters,
        "trainable_variables": len(trainable),
        "variables": variables,
    }


def _print_table(description: Dict[str, Any]) -> None:
    width = max(len(variable["name"]) for variable in description["variables"])
    for variable in description["variables"]:
        shape = "x".join(str(size) for size in variable["shape"])
        note = "" if variable["trainable"] else "  moving statistic"
        print(f"{variable['name']:<{width}}  {shape}{note}")
    size = description["image_size"]
    print(
        f"{description['model_name']}: {description['parameters']:,} parameters in "
        f"{description['trainable_variables']} trainable variables, images of {size} x {size}"
    )
