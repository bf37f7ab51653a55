#!/usr/bin/env python3
"""Cuts the small, class-balanced copy of Fashion-MNIST in data/fashion-mnist out of the whole data set.

    scripts/cut-fashion-mnist.py SOURCE DESTINATION

SOURCE is a folder with the four original files (70,000 images of 28 x 28 bytes, 10 classes, gzip IDX); on Debian:

    apt-get download dataset-fashion-mnist && dpkg-deb -x dataset-fashion-mnist_*.deb unpacked
    scripts/cut-fashion-mnist.py unpacked/usr/share/datasets/fashion-mnist data/fashion-mnist

The first images of each class in file order are taken (500 of each for training, 100 of each for testing) and stay in file order.
Nothing is drawn and no time is written, so the same source gives the same IDX bytes everywhere (and the same gzip bytes with the
same zlib).

IDX: two zero bytes, a type byte (0x08: unsigned byte), the number of dimensions, each dimension as a big-endian u32, the bytes.
"""

import gzip
import struct
import sys
from pathlib import Path

CLASSES = 10
PER_CLASS = {"train": 500, "t10k": 100}


def read_idx(path: Path, dimensions: int) -> tuple[tuple[int, ...], bytes]:
    """The shape and the bytes of a gzip IDX file of unsigned bytes; ends the program if the file is not one."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:4] != bytes([0, 0, 0x08, dimensions]):
        sys.exit(f"{path}: not an IDX file of {dimensions}-dimensional unsigned bytes")
    start = 4 + 4 * dimensions
    shape = struct.unpack(f">{dimensions}I", raw[4:start])
    size = 1
    for length in shape:
        size *= length
    if len(raw) != start + size:
        sys.exit(f"{path}: holds {len(raw) - start} bytes where its header says {size}")
    return shape, raw[start:]


def write_idx(path: Path, shape: tuple[int, ...], data: bytes) -> None:
    """Writes a gzip IDX file that names neither a time nor a file."""
    header = bytes([0, 0, 0x08, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    path.write_bytes(gzip.compress(header + data, compresslevel=9, mtime=0))


def first_of_each_class(labels: bytes, count: int) -> list[int]:
    """The positions of the first `count` examples of each class, ascending."""
    seen = [0] * CLASSES
    chosen = []
    for position, label in enumerate(labels):
        if seen[label] < count:
            seen[label] += 1
            chosen.append(position)
    if any(found < count for found in seen):
        sys.exit(f"a class has fewer than {count} examples: {seen}")
    return chosen


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} SOURCE DESTINATION")
    source, destination = map(Path, sys.argv[1:])
    destination.mkdir(parents=True, exist_ok=True)
    for part, count in PER_CLASS.items():
        images_name, labels_name = f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"
        (total, height, width), images = read_idx(source / images_name, 3)
        (labelled,), labels = read_idx(source / labels_name, 1)
        if labelled != total:
            sys.exit(f"{source}: {total} images but {labelled} labels in {part}")
        chosen = first_of_each_class(labels, count)
        size = height * width
        cut = b"".join(images[i * size : (i + 1) * size] for i in chosen)
        write_idx(destination / images_name, (len(chosen), height, width), cut)
        write_idx(destination / labels_name, (len(chosen),), bytes(labels[i] for i in chosen))


if __name__ == "__main__":
    main()
