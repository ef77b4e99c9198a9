import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.cli import main
from efficientnet_trainer.dataset_index import DatasetIndex
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.prepare.imagenet import read_ground_truth
from efficientnet_trainer.prepare.layout import read_csv, read_folders


@pytest.fixture
def prepare(capsys, monkeypatch, tmp_path):
    """Run ``prepare`` in this process; return its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*words, processes=1):
        code = main(["prepare", *[str(word) for word in words], "--processes", str(processes)])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


@pytest.fixture
def make_folders(tmp_path, encode_image):
    """Write images of constant colours: {"cat/1.png": 10} under ``src``."""

    def make(files):
        for number, (name, content) in enumerate(files.items()):
            path = tmp_path / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            kind = {"jpg": "jpeg", "JPEG": "jpeg"}.get(name.split(".")[-1], name.split(".")[-1])
            if not isinstance(content, bytes):
                content = encode_image(np.full((40, 60, 3), content + number % 2), kind)
            path.write_bytes(content)
        return tmp_path / "src"

    return make


def read_examples(folder, split):
    """Return {file name in the source: (label, text, height, width, first pixel)}."""
    found = {}
    for name in sorted(os.listdir(str(folder))):
        if not name.startswith(split + "-"):
            continue
        for serialized in tf.io.tf_record_iterator(str(folder / name)):
            feature = tf.train.Example.FromString(serialized).features.feature
            with tf.Session() as session:
                encoded = feature["image/encoded"].bytes_list.value[0]
                pixel = session.run(tf.image.decode_image(encoded))[0, 0, 0]
            found[feature["image/filename"].bytes_list.value[0].decode()] = (
                feature["image/class/label"].int64_list.value[0],
                feature["image/class/text"].bytes_list.value[0].decode(),
                feature["image/height"].int64_list.value[0],
                feature["image/width"].int64_list.value[0],
                int(pixel),
            )
    return found


def animals(count=3):
    return {
        f"{name}/{number}.{ending}": 50 * place
        for place, name in enumerate(("cat", "dog"), 1)
        for number, ending in zip(range(count), ("png", "jpg", "gif", "bmp") * count)
    }


FEW = ("--train_shards", 2, "--validation_shards", 1)


def test_folders_become_shards_with_labels_and_an_index(prepare, make_folders, tmp_path):
    make_folders(animals(4))
    code, printed = prepare("imagefolder", "src", "out", *FEW)
    assert code == 0, printed
    assert "out: 6 training and 2 validation images, 2 classes, labels 1..2" in printed
    assert "--num_train_images=6 --num_eval_images=2 --num_label_classes=2" in printed
    assert (tmp_path / "out" / "labels.txt").read_text() == "1:cat\n2:dog\n"
    records = read_examples(tmp_path / "out", "train")
    records.update(read_examples(tmp_path / "out", "validation"))
    assert set(records) == set(animals(4))
    for name, (label, text, height, width, pixel) in records.items():
        assert (text, height, width) == (name.split("/")[0], 40, 60)
        assert label == {"cat": 1, "dog": 2}[text]
        assert pixel == pytest.approx(50 * label, abs=4)
    names = sorted(os.listdir(str(tmp_path / "out")))
    shards = ["train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001"]
    assert names == ["efficientnet-index.json", "labels.txt", *shards]
    index = DatasetIndex.load(str(tmp_path / "out"))
    summaries = [index.find(str(tmp_path / "out" / name)) for name in shards]
    assert [(s.records, s.label_low) for s in summaries] == [(3, 1), (3, 1), (2, 1)]


def test_images_are_made_smaller_and_never_larger(prepare, make_folders, tmp_path, encode_image):
    pixels = np.random.RandomState(0).randint(0, 255, (100, 300, 3))
    make_folders(dict(animals(2), **{"cat/wide.png": encode_image(pixels)}))
    code, printed = prepare(
        "imagefolder", "src", "out", *FEW, "--resize", 50, "--validation_percent", 30
    )
    assert code == 0, printed
    records = read_examples(tmp_path / "out", "train")
    records.update(read_examples(tmp_path / "out", "validation"))
    assert records["cat/wide.png"][2:4] == (50, 150)
    assert records["cat/0.png"][2:4] == (40, 60)


def test_broken_images_are_named_and_counted(prepare, make_folders, tmp_path):
    good = make_folders(animals())
    whole = (good / "cat" / "1.jpg").read_bytes()
    make_folders({"cat/cut.jpg": whole[:200], "dog/empty.png": b"", "dog/text.jpg": b"hello"})
    code, printed = prepare("imagefolder", "src", "out", *FEW, "--max_broken", 2)
    assert code == 3
    assert "--max_broken is 2" in printed.splitlines()[-1]
    code, printed = prepare("imagefolder", "src", "out", *FEW, "--max_broken", 3)
    assert code == 0
    assert "broken: cat/cut.jpg: no readable JPEG or PNG" in printed
    assert "broken: dog/empty.png: the file is empty" in printed
    assert "broken: dog/text.jpg: no JPEG, PNG, GIF or BMP by its first bytes" in printed
    assert "broken images left out: 3" in printed
    kept = set(read_examples(tmp_path / "out", "train"))
    assert kept | set(read_examples(tmp_path / "out", "validation")) == set(animals())


def test_a_killed_run_goes_on_where_it_was(make_folders, tmp_path):
    make_folders({f"{name}/{n}.png": 9 for name in "ab" for n in range(150)})
    words = ["prepare", "imagefolder", "src", "out", "--train_shards", "27"]
    words += ["--validation_shards", "3", "--processes", "1"]
    command = [sys.executable, "-m", "efficientnet_trainer.cli", *words]
    first = subprocess.Popen(
        command, cwd=str(tmp_path), stderr=subprocess.DEVNULL, start_new_session=True
    )
    notes = tmp_path / "out" / ".prepare"
    deadline = time.monotonic() + 60
    while not list(notes.glob("*.json")):
        assert time.monotonic() < deadline
        assert first.poll() is None
        time.sleep(0.005)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = {
        path.name: path.stat().st_mtime_ns
        for note in notes.glob("*.json")
        for path in [tmp_path / "out" / note.stem]
    }
    (tmp_path / "out" / ".train-00003-of-00027.1.partial").write_bytes(b"half")
    second = subprocess.run(command, cwd=str(tmp_path), capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    assert "out: 270 training and 30 validation images" in second.stdout
    found = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert len(found) == 27 + 3 + 2
    assert {name: found[name] for name in done} == done, "what was done is not done again"


def test_the_same_command_again_finds_it_done(prepare, make_folders, tmp_path):
    make_folders(animals())
    prepare("imagefolder", "src", "out", *FEW)
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("train-*")}
    code, _ = prepare("imagefolder", "src", "out", *FEW)
    assert code == 0
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("train-*")} == before
    code, printed = prepare("imagefolder", "src", "out", *FEW, "--resize", 20)
    assert code == 2
    assert "out already has train-00000-of-00002 of another set" in printed


def test_two_processes_write_what_one_does(prepare, make_folders, tmp_path):
    make_folders(animals(6))
    for out, processes in (("one", 1), ("two", 2)):
        code, printed = prepare("imagefolder", "src", out, *FEW, processes=processes)
        assert code == 0, printed
    for path in (tmp_path / "one").glob("*-of-*"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_csv_file_names_images_classes_and_splits(make_folders, tmp_path):
    make_folders(animals(2))
    table = tmp_path / "list.csv"
    table.write_text(
        "path,label,split\nsrc/cat/0.png,katze,train\nsrc/dog/0.png,hund,\n"
        "src/cat/1.jpg,katze,val\n"
    )
    source = read_csv(str(table), 10)
    assert source.class_names == ["hund", "katze"]
    assert [item.name for item in source.splits["validation"]] == ["src/cat/1.jpg"]
    assert all(os.path.exists(item.path) for items in source.splits.values() for item in items)


def test_own_splits_are_kept(make_folders):
    files = {"train/a/1.png": 1, "train/b/1.png": 1, "val/a/2.png": 1, "val/b/x.txt": b""}
    source = read_folders(str(make_folders(files)), 50)
    assert [item.name for item in source.splits["train"]] == ["train/a/1.png", "train/b/1.png"]
    assert [item.name for item in source.splits["validation"]] == ["val/a/2.png"]
    assert [os.path.basename(path) for path in source.ignored] == ["x.txt"]


def test_held_out_images_stay_held_out_as_others_come(make_folders):
    source = make_folders({f"{name}/{n}.png": 1 for name in "ab" for n in range(40)})
    before = {item.name for item in read_folders(str(source), 25).splits["validation"]}
    make_folders({"c/1.png": 1, "c/2.png": 1})
    after = {item.name for item in read_folders(str(source), 25).splits["validation"]}
    assert len(before) == 20
    assert before < after
    assert len(after) == 21, "a class of two has one of them"


UNUSABLE = {
    "no folder": ({}, ["imagefolder", "nowhere", "out"], "SRC nowhere does not exist"),
    "one class": (
        {"cat/1.png": 1},
        ["imagefolder", "src", "out"],
        "found 1 training images in 1 classes (cat)",
    ),
    "a class that only validates": (
        {"train/a/1.png": 1, "train/b/1.png": 1, "val/c/1.png": 1},
        ["imagefolder", "src", "out"],
        "class c has validation images and no training image",
    ),
    "more files than images": (
        {"a/1.png": 1, "b/1.png": 1},
        ["imagefolder", "src", "out"],
        "--train_shards is 16, but train has 2 images; use fewer",
    ),
    "a CSV file without labels": (
        {"list.csv": b"path,class\nx,y\n"},
        ["imagefolder", "src/list.csv", "out"],
        "src/list.csv has the columns path, class; wanted path and label",
    ),
    "a CSV file with a strange split": (
        {"list.csv": b"path,label,split\nx,y,dev\n"},
        ["imagefolder", "src/list.csv", "out"],
        "src/list.csv line 2: split is dev; use train or validation",
    ),
    "a share of all": (
        {},
        ["imagefolder", "src", "out", "--validation_percent", "100"],
        "--validation_percent is 100; use 0 to less than 100",
    ),
    "no validation folder": (
        {"train/a/1.png": 1},
        ["imagenet", "src", "out"],
        "SRC src has no folder validation; unpack the validation archive there",
    ),
    "no ground truth": (
        {"train/a/1.png": 1, "train/b/1.png": 1, "val/1.png": 1},
        ["imagenet", "src", "out"],
        "unpack the development kit there or name the file with --ground_truth",
    ),
}


@pytest.mark.parametrize("files, words, message", UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_prepared_is_refused(files, words, message, prepare, make_folders):
    make_folders(files)
    code, printed = prepare(*words)
    assert code == 2
    assert message in printed


SYNSETS = ["n01440764", "n01443537", "n01484850"]


@pytest.fixture
def kit(tmp_path):
    """A development kit whose numbers are not in the order of the synsets."""
    savemat = pytest.importorskip("scipy.io").savemat
    rows = [(1, SYNSETS[2]), (2, SYNSETS[0]), (3, SYNSETS[1])]
    table = np.array(rows, dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O")])
    folder = tmp_path / "src" / "ILSVRC2012_devkit_t12" / "data"
    folder.mkdir(parents=True)
    savemat(str(folder / "meta.mat"), {"synsets": table})
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text("2\n1\n2\n")
    return folder


def test_imagenet_gets_tf_slims_labels(kit, prepare, make_folders, tmp_path):
    files = {f"train/{synset}/{synset}_1.JPEG": 50 for synset in SYNSETS}
    files.update({f"val/ILSVRC2012_val_0000000{n}.JPEG": 50 for n in (1, 2, 3)})
    make_folders(files)
    code, printed = prepare("imagenet", "src", "out", *FEW)
    assert code == 0, printed
    found = read_examples(tmp_path / "out", "validation")
    assert [found[name][:2] for name in sorted(found)] == [
        (1, SYNSETS[0]),
        (3, SYNSETS[2]),
        (1, SYNSETS[0]),
    ]
    labels = (tmp_path / "out" / "labels.txt").read_text().split()
    assert labels == [f"{n}:{synset}" for n, synset in enumerate(SYNSETS, 1)]


def test_ground_truth_may_be_synsets_and_must_be_known(kit, tmp_path):
    by_name = tmp_path / "names.txt"
    by_name.write_text("\n".join(SYNSETS))
    assert read_ground_truth(str(by_name)) == SYNSETS
    strange = kit / "strange.txt"
    strange.write_text("1\n7\n")
    with pytest.raises(ConfigError, match="has the number 7, which is no class of the kit"):
        read_ground_truth(str(strange))
    (kit / "meta.mat").write_bytes(json.dumps({}).encode())
    with pytest.raises(ConfigError, match=r"is not the development kit's meta\.mat"):
        read_ground_truth(str(kit / "ILSVRC2012_validation_ground_truth.txt"))
