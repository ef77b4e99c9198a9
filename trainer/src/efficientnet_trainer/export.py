"""Write the trained network as a SavedModel that takes encoded images.

The last stage of a run with --export_dir, on rank 0 alone and on the CPU: serving needs
neither ranks nor NPUs.  The weights are the moving averages that evaluation measured.
"""

import tensorflow.compat.v1 as tf

from efficientnet_trainer.backend import Rank, TensorFlowBackend, session_config
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.model_fn import RunContext, make_model_fn
from efficientnet_trainer.preprocess import preprocess_image

INPUT = "encoded_images"


def export_model(run: RunContext, checkpoint_path: str) -> str:
    """Write a SavedModel below --export_dir and return its folder.

    Its signature ``serving_default`` takes ``encoded_images`` (strings [n], JPEG or PNG) and
    returns ``probabilities`` (float32 [n, classes]) and ``classes`` (int64 [n], from 0; the
    records' labels are these plus the label offset).
    """
    alone = Rank(0, 1, 1)
    on_cpu = run._replace(rank=alone, backend=TensorFlowBackend(run.config, alone))
    estimator = tf.estimator.Estimator(
        make_model_fn(on_cpu),
        config=tf.estimator.RunConfig(
            model_dir=run.config.model_dir, session_config=session_config(alone)
        ),
    )
    folder = estimator.export_saved_model(
        run.config.export_dir,
        lambda: _build_receiver(run.config),
        checkpoint_path=checkpoint_path,
    )
    return str(folder.decode())


def _build_receiver(config: TrainerConfig) -> tf.estimator.export.TensorServingInputReceiver:
    encoded = tf.placeholder(tf.string, [None], name=INPUT)
    images = tf.map_fn(
        lambda image: preprocess_image(
            image, config.image_size, is_training=False, crop_and_flip=config.crop_and_flip
        ),
        encoded,
        dtype=tf.float32,
    )
    return tf.estimator.export.TensorServingInputReceiver(images, {INPUT: encoded})
