"""Image files and their likeliest classes, as lines."""

import io

import numpy as np
import pytest
from efficientnet_trainer.errors import ConfigError, DataError
from efficientnet_trainer.flags import build_config
from efficientnet_trainer.inference import Network
from efficientnet_trainer.predict import (
    find_images,
    likeliest,
    predict_files,
    read_class_names,
)


@pytest.fixture
def images(tmp_path, encode_image):
    """A folder of three images and a file that is none."""
    folder = tmp_path / "images"
    folder.mkdir()
    random = np.random.RandomState(2)
    for name in ("b.png", "a.jpg", "c.JPEG"):
        pixels = random.randint(0, 256, (20, 30, 3))
        kind = "png" if name.endswith("png") else "jpeg"
        (folder / name).write_bytes(encode_image(pixels, kind))
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def predict(saved_network, tmp_path):
    """Predict files with the saved network; return the lines, cut at tabs."""

    def run(*files, **flags):
        values = dict(saved_network, data_dir=str(tmp_path), mode="predict", predict_files=files)
        output = io.StringIO()
        config = build_config(dict(values, **flags))
        try:
            predict_files(config, config.model_dir, output)
        finally:
            run.lines = [line.split("\t") for line in output.getvalue().splitlines()]
        return run.lines

    return run


def test_the_images_of_a_folder_are_answered_by_name(predict, images, tmp_path, saved_network):
    (tmp_path / "labels.txt").write_text("1:one\n2:two words\n")
    lines = predict(str(images), top_k=3)
    names = [str(images / name) for name in ("a.jpg", "b.png", "c.JPEG")]
    assert [line[0] for line in lines] == [name for name in names for _ in range(3)]
    for first in (0, 3, 6):
        shares = [float(line[2]) for line in lines[first : first + 3]]
        assert shares == sorted(shares, reverse=True)
    known = {"1": ["one"], "2": ["two words"]}
    assert all(line[3:] == known.get(line[1], []) for line in lines)
    config = build_config(saved_network)
    with Network(config, config.model_dir) as network:
        pixels = network.decode([(images / "b.png").read_bytes()])
        row = network.answer(pixels).probabilities[0]
    # Labels count from 1, classes from 0.
    assert int(lines[3][1]) == row.argmax() + 1
    assert float(lines[3][2]) == pytest.approx(row.max(), abs=1e-6)


def test_all_classes_at_most(predict, images):
    assert len(predict(str(images / "b.png"), top_k=99)) == 10


def test_a_broken_file_is_named_and_the_others_answered(predict, images):
    (images / "aa.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    with pytest.raises(DataError, match=r"1 of 4 files hold no readable JPEG or PNG: .*aa\.png"):
        predict(str(images), top_k=1)
    assert len(predict.lines) == 3


def test_what_is_not_there_is_said_before_anything(images, tmp_path):
    with pytest.raises(ConfigError, match=r"none\.png is not there"):
        find_images([str(images / "b.png"), str(images / "none.png")])
    with pytest.raises(ConfigError, match=r"has no file \.jpg, \.jpeg, \.png"):
        find_images([str(tmp_path)])


def test_equal_probabilities_come_by_label():
    assert likeliest(np.array([0.2, 0.3, 0.3, 0.2]), 3, 0) == [(1, 0.3), (2, 0.3), (0, 0.2)]


def test_a_data_set_without_names_has_none(tmp_path):
    assert read_class_names(str(tmp_path)) == {}
    (tmp_path / "labels.txt").write_text("one\n")
    with pytest.raises(DataError, match=r"labels\.txt: line 1 is 'one', not label:name"):
        read_class_names(str(tmp_path))
