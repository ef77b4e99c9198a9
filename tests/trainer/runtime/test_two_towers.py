"""Two ranks do the arithmetic of one process that has both their networks in its graph."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.flags import build_config
from efficientnet_trainer.input import make_input_fn
from efficientnet_trainer.loss import cross_entropy, weight_decay
from efficientnet_trainer.model import build_logits, normalize
from efficientnet_trainer.optimizer import build_optimizer
from efficientnet_trainer.schedule import learning_rate

pytestmark = pytest.mark.timeout(200)

STEPS = 5


@pytest.fixture(scope="module")
def flags(digits, tmp_path_factory):
    """Flags of a run without chance, and in them the weights that it starts from."""
    folder = tmp_path_factory.mktemp("start")
    values = [
        *digits,
        "--mode=train",
        f"--train_steps={STEPS}",
        "--train_batch_size=32",
        "--dropout_rate=0",
        "--drop_connect_rate=0",
        "--moving_average_decay=0",
        "--base_learning_rate=0.03",
        "--warmup_epochs=0.1",
        "--random_seed=1",
        f"--restore_path={folder}/start",
    ]
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        config = as_config(values, folder)
        build_logits(tf.placeholder(tf.float32, [None, 32, 32, 3]), config.architecture, True, 10)
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / "start"))
    return values


def as_config(flags, model_dir):
    pairs = [flag[2:].split("=", 1) for flag in flags]
    return build_config(dict(pairs, model_dir=str(model_dir)))


def train_two_towers(config):
    """Return the weights after the steps, and how far the largest moved."""
    # The order of the data depends on the graph's seed as well as on the pipeline's.
    tf.set_random_seed(config.random_seed)
    step = tf.train.get_or_create_global_step()
    optimizer = build_optimizer(config, learning_rate(step, config, 2))
    towers = []
    for rank in range(2):
        dataset = make_input_fn(config, True, 2, rank)()
        images, labels = dataset.make_one_shot_iterator().get_next()
        with tf.variable_scope("", reuse=rank > 0):
            logits = build_logits(
                normalize(images, config.architecture), config.architecture, True, 10
            )
        loss = cross_entropy(logits, labels, config.label_smoothing)
        loss += weight_decay(tf.trainable_variables(), config.weight_decay)
        towers.append(optimizer.compute_gradients(loss))
    means = [((one + other) / 2, variable) for (one, variable), (other, _) in zip(*towers)]
    update = optimizer.apply_gradients(means, step)
    weights = {variable.op.name: variable for variable in tf.trainable_variables()}
    tf.train.init_from_checkpoint(config.restore_path, {name: v for name, v in weights.items()})
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        before = session.run(weights)
        for _ in range(STEPS):
            session.run(update)
        after = session.run(weights)
    return after, max(np.abs(after[name] - before[name]).max() for name in after)


def test_two_ranks_end_where_two_towers_do(flags, make_pod, publish_files, tmp_path):
    pods = [make_pod(f"t-1-{index}", 2) for index in range(2)]
    for pod in pods:
        pod.start(*flags, f"--model_dir={tmp_path}")
    publish_files(pods)
    wanted, moved = train_two_towers(as_config(flags, tmp_path))
    for pod in pods:
        assert pod.wait(150) == 0, pod.log_text()
    reader = tf.train.load_checkpoint(str(tmp_path / f"model.ckpt-{STEPS}"))
    differences = {n: np.abs(reader.get_tensor(n) - wanted[n]).max() for n in wanted}
    worst = max(differences, key=differences.get)
    print(f"largest difference {differences[worst]:.2e} in {worst}, largest move {moved:.2e}")
    assert len(wanted) > 50
    assert moved > 0.01
    assert differences[worst] <= 1e-4, worst
