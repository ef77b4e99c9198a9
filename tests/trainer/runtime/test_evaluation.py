"""One checkpoint evaluated by any number of ranks: each image counts once."""

import json
import threading

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.backend import Rank, TensorFlowBackend
from efficientnet_trainer.evaluation import Evaluator
from efficientnet_trainer.flags import build_config
from efficientnet_trainer.model_fn import RunContext
from efficientnet_trainer.progress import ProgressReporter
from efficientnet_trainer.resume import read_resume_point
from efficientnet_trainer.stop import StopFlag

IMAGES = 11
SPLITS = {
    # ranks, files, batch
    "one rank": (1, (11,), 100),
    "a file for each of two": (2, (6, 5), 4),
    "three ranks share two files": (3, (6, 5), 2),
    "more ranks than images": (12, (11,), 100),
}


@pytest.fixture
def evaluate(write_split, build_example, encode_image, saved_network, tmp_path):
    """Evaluate a saved network with a number of ranks, each a thread."""
    images = np.random.RandomState(1).randint(0, 256, (IMAGES, 16, 16, 3))

    def run(ranks, files, batch):
        records = [
            build_example(index % 10 + 1, encode_image(image))
            for index, image in enumerate(images)
        ]
        ends = np.cumsum(files)
        write_split("validation", [records[end - n : end] for n, end in zip(files, ends)])
        own = {"data_dir": str(tmp_path), "model_dir": str(tmp_path / "out")}
        sizes = {"eval_batch_size": batch, "num_eval_images": IMAGES}
        config = build_config({**saved_network, **own, **sizes})
        runs = [make_run(config, Rank(rank, ranks, 1)) for rank in range(ranks)]
        others = [threading.Thread(target=each.assist) for each in runs[1:]]
        for other in others:
            other.start()
        try:
            path = saved_network["model_dir"] + "/model.ckpt-5"
            return runs[0].evaluate(read_resume_point(path))
        finally:
            runs[0].dismiss()
            for other in others:
                other.join(60)

    return run


def make_run(config, rank):
    backend = TensorFlowBackend(config, rank)
    reporter = ProgressReporter(None, rank.rank)
    return Evaluator(RunContext(config, rank, backend, reporter, StopFlag(), False), {})


@pytest.fixture(scope="module")
def found_first():
    return {}


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_each_image_counts_once(split, evaluate, found_first, tmp_path):
    results = evaluate(*split)
    assert results["global_step"] == 5
    archived = json.loads((tmp_path / "out" / "best" / "evaluation.json").read_text())
    assert archived["images"] == IMAGES
    # The first case, one rank with one batch, is the measure of all.
    assert results == pytest.approx(found_first.setdefault("results", results), rel=1e-5)
    assert 0 < results["top_5_accuracy"] < 1
    # TensorBoard has the sums of all ranks, and nothing of one alone.
    shown = {}
    for path in (tmp_path / "out").glob("**/events.out.tfevents.*"):
        assert path.parent.name == "eval"
        for event in tf.train.summary_iterator(str(path)):
            figures = [v for v in event.summary.value if v.HasField("simple_value")]
            shown.update({figure.tag: figure.simple_value for figure in figures})
    assert dict(shown, global_step=5) == pytest.approx(results)
