"""Measure how many images a second the input pipeline prepares, beside a bare loop.

Runs on the trainer's Python; ``trainer.py`` starts it and reports.  The floor is the same
bytes through fused decode, crop and resize, without records, labels, order or batches.  Kinds
of input take turns, so that what else the machine does meets all of them alike; cores are
taken away until as many are left as threads are wanted.  Bars are held against the CPU time
that the process took: what other processes take away does not count.
"""

import argparse
import io
import json
import os
import time

import numpy as np
import tensorflow.compat.v1 as tf
from efficientnet_trainer import records
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.flags import build_config
from efficientnet_trainer.input import make_input_fn
from efficientnet_trainer.prepare.writing import build_example, shard_name
from PIL import Image

HEIGHT, WIDTH = 375, 500
SIZE = 224
BATCH = 32
SHARDS = 8
PLAIN_SHARE = 0.92
AUGMENTED_SHARE = 0.5
RESIZED_GAIN = 1.5
POLICIES = {"AutoAugment": "v0", "RandAugment": "randaugment"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True, help="where the images are made, or are")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    tf.logging.set_verbosity(tf.logging.ERROR)
    write_images(args.folder, args.images)
    print(json.dumps(measure(args)))


def write_images(folder, count):
    """Write shards of images like ImageNet's, unless they are there: 500 x 375, about 110 KB."""
    if os.path.exists(os.path.join(folder, shard_name("train", SHARDS - 1, SHARDS))):
        return
    chance = np.random.RandomState(0)
    for shard in range(SHARDS):
        path = os.path.join(folder, shard_name("train", shard, SHARDS))
        with tf.io.TFRecordWriter(path) as writer:
            for index in range(shard, count, SHARDS):
                writer.write(
                    build_example(
                        make_jpeg(chance), "JPEG", HEIGHT, WIDTH, 1 + index % 1000, "", ""
                    )
                )


def make_jpeg(chance):
    """Return noise of several grain sizes, which compresses as photographs do."""
    pixels = np.full((HEIGHT, WIDTH, 3), 128.0, np.float32)
    for columns, strength in ((4, 70), (16, 40), (64, 20), (WIDTH, 14)):
        rows = columns * HEIGHT // WIDTH
        for channel in range(3):
            grain = Image.fromarray(chance.normal(size=(rows, columns)).astype(np.float32))
            pixels[..., channel] += strength * np.asarray(
                grain.resize((WIDTH, HEIGHT), Image.BICUBIC)
            )
    buffer = io.BytesIO()
    image = Image.fromarray(np.uint8(np.clip(pixels, 0, 255)))
    image.save(buffer, "jpeg", quality=93, subsampling=2)
    return buffer.getvalue()


def measure(args):
    """Return rows of figures, in images per second, and facts."""
    encoded = read_encoded(args.folder)
    kinds = {"floor": lambda: bare_loop(encoded, args.threads)}
    kinds.update(inputs(args))
    speeds = {name: [] for name in kinds}
    rates = {name: [] for name in kinds}
    for _ in range(args.rounds):
        for name, build in kinds.items():
            if name.startswith("cold"):
                forget(args.folder)
            per_s, per_core_s = run(build, args.threads, len(encoded))
            rates[name].append(per_s)
            speeds[name].append(per_core_s)
    floor = float(np.median(speeds["floor"]))
    plain = float(np.median(speeds["plain"]))
    rows = []
    for name, values in speeds.items():
        threads = f"{args.threads} thread{'s' if args.threads > 1 else ''}"
        wall_floor = float(np.median(rates["floor"]))
        wall = {"name": f"{name}, {threads}, images/s", "values": rates[name]}
        rows.append(dict(wall, floor=wall_floor))
        least = None
        if name == "plain":
            least = PLAIN_SHARE * floor
        elif name in POLICIES:
            least = AUGMENTED_SHARE * floor
        elif name == "cached in memory, resized":
            least = RESIZED_GAIN * plain
        what = f"{name}, {threads}, images per core-second"
        rows.append({"name": what, "values": values, "floor": floor, "least": least})
    sizes = [len(each) for each in encoded]
    return {"rows": rows, "facts": {"images": len(sizes), "bytes an image": int(np.mean(sizes))}}


def inputs(args):
    """Return functions that build each kind of input, by name."""
    kinds = {
        "cold plain": {},
        "plain": {},
        "cached in memory": {"cache": "memory"},
        "cached in memory, resized": {"cache": "memory", "cache_images": "resized"},
    }
    kinds.update({name: {"autoaugment_name": policy} for name, policy in POLICIES.items()})
    found = {}
    for name, flags in kinds.items():
        values = {"data_dir": args.folder, "model_dir": args.folder, "label_offset": 1}
        values.update(train_batch_size=BATCH, num_parallel_calls=args.threads)
        values.update(input_image_size=SIZE, **flags)
        try:
            config = build_config(values)
        except ConfigError:
            continue
        found[name] = make_input_fn(config, True, 1, 0)
    return found


def bare_loop(encoded, threads):
    """Return single images: fused decode and crop, resize, nothing else."""

    def prepare(data):
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            tf.image.extract_jpeg_shape(data),
            tf.constant([0.0, 0.0, 1.0, 1.0], shape=[1, 1, 4]),
            min_object_covered=0.1,
            aspect_ratio_range=(3.0 / 4, 4.0 / 3),
            area_range=(0.08, 1.0),
            max_attempts=10,
            use_image_if_no_bounding_boxes=True,
        )
        window = tf.concat([begin[:2], size[:2]], axis=0)
        image = tf.image.decode_and_crop_jpeg(data, window, channels=3)
        return tf.image.resize_bicubic([image], [SIZE, SIZE])[0]

    return tf.data.Dataset.from_tensor_slices(encoded).repeat().map(prepare, threads)


def run(build, threads, count):
    """Return images per second and per second of CPU once buffers and caches are filled."""
    with tf.Graph().as_default():
        dataset = build()
        images = tf.nest.flatten(tf.data.make_one_shot_iterator(dataset).get_next())[0]
        per_run = 1 if images.shape.ndims == 3 else BATCH
        settings = tf.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
        )
        with tf.Session(config=settings) as session:
            step = session.make_callable(images.op)
            # A pass to fill a cache, and some to find buffers as empty as they stay.
            for _ in range((count + 4 * BATCH) // per_run):
                step()
            runs = count // per_run
            began, cpu_began = time.perf_counter(), time.process_time()
            for _ in range(runs):
                step()
            took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
            return runs * per_run / took_s, runs * per_run / cpu_s


def read_encoded(folder):
    """Return the images' bytes."""
    found = []
    for path in records.find_files(folder, "train"):
        for serialized in tf.io.tf_record_iterator(path):
            feature = tf.train.Example.FromString(serialized).features.feature
            found.append(feature["image/encoded"].bytes_list.value[0])
    return found


def forget(folder):
    """Drop the files from the page cache, so that they are read from the disk."""
    for path in records.find_files(folder, "train"):
        with open(path, "rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()
