"""What the hooks tell of a step, with a graph of three ops in place of the network."""

import re
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer import hooks, input_watch, pictures
from efficientnet_trainer.confusion import ConfusionHook, note_answers
from efficientnet_trainer.errors import DivergedError
from efficientnet_trainer.input_watch import METER, watch_input
from efficientnet_trainer.progress import ProgressReporter
from efficientnet_trainer.stop import StopFlag

NO_SAMPLES = 0


@pytest.fixture
def train(make_config, tmp_path):
    """Make steps over the batches of an input function, and return the rank's state."""

    def run(
        input_fn, steps, losses=None, between=(), reporter=None, clock=time.monotonic, **flags
    ):
        config = make_config(train_steps=steps, train_batch_size=4, num_train_images=16, **flags)
        reporter = reporter or ProgressReporter(None, 0, steps)
        features, _ = tf.data.make_one_shot_iterator(input_fn()).get_next()
        step = tf.train.get_or_create_global_step()
        loss = tf.gather(tf.constant(losses or [0.5] * steps), step)
        with tf.control_dependencies([loss, features]):
            done = step.assign_add(1)
        figures = {"step": done, "loss": loss, "rate": tf.constant(0.25)}
        report = hooks.ReportHook(config, 1, figures, reporter, str(tmp_path / "summaries"), clock)
        with tf.train.MonitoredSession(hooks=[report, *between]) as session:
            for _ in range(steps):
                session.run(done)
        return reporter.state

    return run


def batches(count=1000, size=8):
    images = np.stack([np.full((size, size, 3), 30.0 * n, np.float32) for n in range(4)])
    return tf.data.Dataset.from_tensors((images, np.arange(4, dtype=np.int32))).repeat(count)


class SlowMotion(tf.train.SessionRunHook):
    """A clock that only batches and steps move; each of them takes its seconds."""

    def __init__(self, batch_s, step_s):
        self.now = 0.0
        self._batch_s = batch_s
        self._step_s = step_s

    def after_run(self, run_context, run_values):
        self.now += self._step_s

    def wait_for_batch(self):
        self.now += self._batch_s

    def batches(self):
        @tf.autograph.experimental.do_not_convert
        def wait(images, labels):
            with tf.control_dependencies([tf.py_func(self.wait_for_batch, [], [])]):
                return tf.identity(images), labels

        return batches().map(wait)


WAITS = {
    # seconds of a batch, seconds of a step, share that is waited in percent
    "a slow input and a quick step": (3.0, 1.0, 75.0),
    "a quick input and a slow step": (1.0, 4.0, 20.0),
    "an input that is there at once": (0.0, 1.0, 0.0),
}


@pytest.mark.parametrize("batch_s, step_s, percent", WAITS.values(), ids=WAITS)
def test_the_wait_for_input_is_a_metric_and_a_line(
    train, capsys, monkeypatch, batch_s, step_s, percent
):
    motion = SlowMotion(batch_s, step_s)
    monkeypatch.setattr(
        input_watch.tf, "timestamp", lambda: tf.py_func(lambda: motion.now, [], tf.float64)
    )
    input_fn = watch_input(motion.batches, NO_SAMPLES)
    state = train(input_fn, 12, between=[motion], clock=lambda: motion.now, log_steps=6)
    assert state.input_wait_ratio == pytest.approx(percent / 100, abs=0.05)
    lines = re.findall(
        r"^input: ([\d.]+)% of a step waited, ([\d.]+) of ([\d.]+) s$",
        capsys.readouterr().out,
        re.M,
    )
    assert [tuple(map(float, line)) for line in lines[1:]] == [
        (percent, batch_s, batch_s + step_s)
    ]
    assert len(lines) == 2


def test_a_watched_input_has_the_same_batches():
    plain = tf.data.make_one_shot_iterator(batches(2)).get_next()
    watched = tf.data.make_one_shot_iterator(watch_input(lambda: batches(2), 1)()).get_next()
    assert tf.get_collection(METER)
    assert [t.shape for t in watched] == [t.shape for t in plain]
    with tf.Session() as session:
        for _ in range(2):
            for own, other in zip(*session.run((plain, watched))):
                np.testing.assert_array_equal(own, other)
        with pytest.raises(tf.errors.OutOfRangeError):
            session.run(watched)


SAMPLES = {
    "of the first batch and each third one": (3, 7, [1, 4, 7]),
    "of none": (NO_SAMPLES, 7, []),
}


@pytest.mark.parametrize("every, steps, kept", SAMPLES.values(), ids=SAMPLES)
def test_images_are_kept(every, steps, kept):
    images, _ = tf.data.make_one_shot_iterator(
        watch_input(lambda: batches(size=300), every)()
    ).get_next()
    (meter,) = tf.get_collection(METER)
    found = {}
    with tf.Session() as session:
        for step in range(1, steps + 1):
            session.run(images)
            taken = meter.take_images()
            if taken is not None:
                found[step] = taken
    assert list(found) == kept
    for sample in found.values():
        # 300 pixels are thinned out to every second.
        assert (sample.shape, sample.dtype) == ((4, 150, 150, 3), np.uint8)
        assert sample[:, 0, 0, 0].tolist() == [0, 30, 60, 90]


def test_steps_fill_state_and_curves(train, tmp_path, capsys):
    state = train(watch_input(batches, 100), 6, log_steps=2)
    assert (state.step, state.restored_step, state.loss, state.learning_rate) == (6, 0, 0.5, 0.25)
    assert state.epoch == 1.5
    # The first compiles the graph, so it says nothing of a step.
    assert sum(state.step_seconds_counts) == 5
    assert list(state.start_seconds) == ["graph", "session", "first_step"]
    out = capsys.readouterr().out
    assert re.search(r"^first step [\d.]+ s after the start: import 0.0, graph ", out, re.M)
    lines = re.findall(r"^step:(\d+)  epoch:([\d.]+) ips:[\d.]+ loss:0.5 lr:0.25$", out, re.M)
    assert lines == [("2", "0.5"), ("4", "1.0"), ("6", "1.5")]
    scalars, images = read_summaries(tmp_path / "summaries")
    assert scalars == {
        tag: [2, 4, 6]
        for tag in ("loss", "learning_rate", "images_per_second", "input_wait_ratio")
    }
    (sheet,) = images["augmented_images"]
    assert (sheet.height, sheet.width, sheet.colorspace) == (8, 32, 3)


def test_counts_go_on_in_the_next_session_of_a_process(train, tmp_path):
    reporter = ProgressReporter(None, 0)
    first = train(watch_input(batches, NO_SAMPLES), 3, reporter=reporter).model_copy()
    with tf.Graph().as_default():
        second = train(watch_input(batches, NO_SAMPLES), 3, reporter=reporter)
    # The first step of each compiles its graph.
    assert [sum(state.step_seconds_counts) for state in (first, second)] == [2, 4]
    assert second.step_seconds_sum > first.step_seconds_sum
    assert second.input_wait_seconds > first.input_wait_seconds


def test_the_loss_scale_is_told_where_there_is_one(train):
    tf.add_to_collection(hooks.LOSS_SCALE, tf.constant(1024.0))
    assert train(batches, 2).loss_scale == 1024.0


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run_at_its_step(train, loss):
    with pytest.raises(DivergedError, match=f"the loss of step 3 is {loss}"):
        train(batches, 5, losses=[0.5, 0.4, loss, 0.3, 0.2])


def read_summaries(folder):
    scalars, images = {}, {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in tf.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.HasField("image"):
                    images.setdefault(value.tag, []).append(value.image)
                else:
                    scalars.setdefault(value.tag, []).append(event.step)
    return scalars, images


def test_the_confusion_matrix_is_drawn_at_the_end(tmp_path):
    labels = tf.constant([0, 1, 2, -1])
    logits = tf.one_hot([0, 2, 2, 1], 3)
    tf.train.get_or_create_global_step()
    note_answers(logits, labels, str(tmp_path))
    reporter, nothing = ProgressReporter(None, 0), tf.no_op()
    with tf.train.MonitoredSession(hooks=[hooks.EvaluationHook(reporter, StopFlag())]) as session:
        session.run(nothing)
    assert reporter.state.phase == "evaluating"
    _, images = read_summaries(tmp_path)
    (drawn,) = images["confusion_matrix"]
    with tf.Session() as session:
        pixels = session.run(tf.image.decode_png(drawn.encoded_image_string))
    counts = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 1]])
    np.testing.assert_array_equal(pixels, pictures.draw_confusion(counts))


def test_too_many_classes_are_not_drawn(tmp_path):
    note_answers(tf.zeros([1, pictures.MAX_CLASSES + 1]), tf.constant([0]), str(tmp_path))
    nothing = tf.no_op()
    with tf.train.MonitoredSession(hooks=[ConfusionHook()]) as session:
        session.run(nothing)
    assert list(tmp_path.iterdir()) == []
