"""Start as bare as it goes: import TensorFlow, build the network and its update, run it once.

    python bare_start.py BATCH

Prints JSON: seconds by stage from the process's start, and its largest memory in MB. The
graph is b0's at 32 pixels, built by the trainer's own layers; there is no input, no hook, no
checkpoint.
"""

import json
import os
import resource
import sys
import warnings

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
warnings.filterwarnings("ignore", category=FutureWarning)

import tensorflow.compat.v1 as tf  # noqa: E402
from efficientnet_trainer.backend import read_rank, session_config  # noqa: E402
from efficientnet_trainer.flags import build_config  # noqa: E402
from efficientnet_trainer.loss import cross_entropy, weight_decay  # noqa: E402
from efficientnet_trainer.meters import StartClock, process_age_s  # noqa: E402
from efficientnet_trainer.model import build_logits, normalize  # noqa: E402
from efficientnet_trainer.optimizer import build_optimizer, build_train_op  # noqa: E402
from efficientnet_trainer.schedule import learning_rate  # noqa: E402


def main():
    batch = int(sys.argv[1])
    clock = StartClock(process_age_s)
    clock.reach("import")
    tf.logging.set_verbosity(tf.logging.ERROR)
    config = build_config({"data_dir": "none", "model_dir": "none", "num_label_classes": 10})
    images = tf.placeholder(tf.float32, [batch, 32, 32, 3])
    labels = tf.placeholder(tf.int32, [batch])
    network = config.architecture
    logits = build_logits(normalize(images, network), network, True, 10, config.data_format)
    loss = cross_entropy(logits, labels, config.label_smoothing)
    loss += weight_decay(tf.trainable_variables(), config.weight_decay)
    step = tf.train.get_or_create_global_step()
    optimizer = build_optimizer(config, learning_rate(step, config, 1))
    train_op = build_train_op(optimizer, loss, config, step)
    initialize = tf.global_variables_initializer()
    clock.reach("graph")
    session = tf.Session(config=session_config(read_rank({})))
    session.run(initialize)
    clock.reach("session")
    fed = {images: np.zeros([batch, 32, 32, 3]), labels: np.zeros([batch])}
    session.run([train_op, loss], fed)
    clock.reach("first_step")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    sys.stdout.write(json.dumps({"stages": clock.stages, "peak_mb": peak_mb}) + "\n")


if __name__ == "__main__":
    main()
