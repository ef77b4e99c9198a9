"""Entry of ``efficientnet-trainer``: pick the command, run it, turn failures into codes.

Only the chosen command's module is imported, so ``launch`` starts without TensorFlow and
``train`` can prepare for signals before TensorFlow is there.
"""

import argparse
import importlib
import sys
from typing import List, Optional

from efficientnet_trainer.errors import TrainerError

COMMANDS = {
    "launch": "run this pod's ranks under Kubernetes",
    "train": "train and evaluate, one rank (also by hand)",
    "describe": "print a model's parameters and variables",
    "logits": "compute logits of an array of images",
    "prepare": "write a data set as TFRecords",
    "inspect": "say what a data set consists of and what is broken in it",
    "plot": "draw a run's loss, accuracy, rate and speed as PNG",
}


def main(words: Optional[List[str]] = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if words is None else words
    parser = argparse.ArgumentParser(prog="efficientnet-trainer", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        if words[:1] == [name]:
            module = importlib.import_module("efficientnet_trainer." + name)
            module.add_arguments(command)
    args, rest = parser.parse_known_args(words)
    if args.command is None:
        parser.print_help()
        return 2
    if getattr(module, "WORDS_GO_THROUGH", False):
        args.words = rest
    elif rest:
        parser.error("no flag of {}: {}".format(args.command, " ".join(rest)))
    try:
        return int(module.run(args))
    except TrainerError as error:
        sys.stderr.write(f"efficientnet-trainer {args.command}: {error}\n")
        return error.exit_code
    except OSError as error:
        # A file or folder that was named and cannot be used; training has words of its own.
        sys.stderr.write(f"efficientnet-trainer {args.command}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
