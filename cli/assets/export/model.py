"""@TITLE@

Plain PyTorch, nothing else. Written by `nasctl export`; the network is the DARTS network of Liu, Simonyan and Yang (2019).

    from model import load
    network = load()                  # reads weights.safetensors beside this file; load(None): without weights
    scores = network(normalize(images))   # images: [N, @CHANNELS_IN@, H, W], numbers from 0 to 1

    python3 model.py --check          # does it say of the images in reference.safetensors what the trainer's network said?
"""
import argparse
import json
import pathlib
import struct
import sys

import torch
from torch import nn

GENOTYPE = @GENOTYPE@
CHANNELS = @CHANNELS@
LAYERS = @LAYERS@
AUXILIARY = @AUXILIARY@
CHAINS = @CHAINS@  # operations of separable convolutions: their kernel, number and dilation
CLASSES = @CLASSES@
IMAGE = @IMAGE@  # channels, height, width
MEAN = @MEAN@  # of each channel of the training images, of numbers from 0 to 1; None: not known here
STD = @STD@
WEIGHTS = pathlib.Path(__file__).with_name("weights.safetensors")
REFERENCE = pathlib.Path(__file__).with_name("reference.safetensors")
TOLERANCE = 1e-4  # of the greatest score, where that is above 1: sums in another order differ by a hundredth of it


def normalize(images):
    """Images of numbers from 0 to 1, as the network was trained to see them."""
    if MEAN is None:
        raise ValueError("the mean and deviation of the training images are not known: set MEAN and STD")
    shape = (1, -1, 1, 1)
    return (images - torch.tensor(MEAN, dtype=images.dtype).view(shape)) / torch.tensor(STD, dtype=images.dtype).view(shape)


class ReLUConvBN(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.op = nn.Sequential(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return self.op(x)


class FactorizedReduce(nn.Module):
    """Halves height and width; an odd side gets zeros at its end for the half of the channels that sees the odd pixels."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_1 = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.conv_2 = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = torch.relu(x)
        whole = nn.functional.pad(x, (0, x.size(3) % 2, 0, x.size(2) % 2))
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(whole[:, :, 1:, 1:])], dim=1))


class Separable(nn.Module):
    """Separable convolutions, one after the other: two of them are `sep_conv`, one with dilation is `dil_conv`."""

    def __init__(self, channels, kernel, strides, dilation):
        super().__init__()
        layers = []
        for stride in strides:
            layers += [
                nn.ReLU(),
                nn.Conv2d(channels, channels, kernel, stride, dilation * (kernel // 2), dilation, groups=channels, bias=False),
                nn.Conv2d(channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            ]
        self.op = nn.Sequential(*layers)

    def forward(self, x):
        return self.op(x)


class Zero(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return x[:, :, :: self.stride, :: self.stride] * 0.0


def operation(name, channels, stride):
    if name == "none":
        return Zero(stride)
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride, 1, count_include_pad=False)
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride, 1)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
    if name in CHAINS:
        kernel, times, dilation = CHAINS[name]
        return Separable(channels, kernel, [stride] + [1] * (times - 1), dilation)
    raise ValueError(name)


class Cell(nn.Module):
    """Four nodes, each the sum of two operations on earlier states; edges of a reduction cell that read a cell have stride 2."""

    def __init__(self, kind, older, newer, channels, older_is_larger):
        super().__init__()
        self.preprocess0 = FactorizedReduce(older, channels) if older_is_larger else ReLUConvBN(older, channels)
        self.preprocess1 = ReLUConvBN(newer, channels)
        edges = [edge for node in GENOTYPE[kind]["nodes"] for edge in node]
        self.inputs = [edge["input"] for edge in edges]
        strides = [2 if kind == "reduce" and edge["input"] < 2 else 1 for edge in edges]
        self._ops = nn.ModuleList(operation(edge["op"], channels, stride) for edge, stride in zip(edges, strides))

    def forward(self, older, newer):
        states = [self.preprocess0(older), self.preprocess1(newer)]
        for node in range(4):
            first, second = (self._ops[edge](states[self.inputs[edge]]) for edge in (2 * node, 2 * node + 1))
            states.append(first + second)
        return torch.cat(states[2:], dim=1)


class AuxiliaryHead(nn.Module):
    """A second classifier for training alone: mean to 2x2, 1x1 to 128 channels, 2x2 to 768, linear."""

    def __init__(self, channels, classes, height, width):
        super().__init__()
        sizes = [(5, 3) if 8 <= side <= 10 else (-(-side // 2), side // 2) for side in (height, width)]
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d((sizes[0][0], sizes[1][0]), (sizes[0][1], sizes[1][1]), count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class Network(nn.Module):
    """Scores of the classes; in training, where there is an auxiliary head, a pair: those, and its own."""

    def __init__(self):
        super().__init__()
        image, height, width = IMAGE
        channels = CHANNELS
        self.stem = nn.Sequential(nn.Conv2d(image, 3 * channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * channels))
        self.cells = nn.ModuleList()
        older, newer, halved = 3 * channels, 3 * channels, False
        self.auxiliary_at = 2 * LAYERS // 3 if AUXILIARY else None
        for index in range(LAYERS):
            kind = "reduce" if index in (LAYERS // 3, 2 * LAYERS // 3) else "normal"
            if kind == "reduce":
                channels, height, width = 2 * channels, -(-height // 2), -(-width // 2)
            self.cells.append(Cell(kind, older, newer, channels, halved))
            older, newer, halved = newer, 4 * channels, kind == "reduce"
            if index == self.auxiliary_at:
                self.auxiliary_head = AuxiliaryHead(newer, CLASSES, height, width)
        self.classifier = nn.Linear(newer, CLASSES)

    def forward(self, images):
        older = newer = self.stem(images)
        auxiliary = None
        for index, cell in enumerate(self.cells):
            older, newer = newer, cell(older, newer)
            if self.training and index == self.auxiliary_at:
                auxiliary = self.auxiliary_head(newer)
        scores = self.classifier(newer.mean(dim=(2, 3)))
        return scores if auxiliary is None else (scores, auxiliary)


def read_tensors(path):
    """The tensors of a safetensors file: the length of its head, its head as JSON, and then all numbers."""
    data = bytearray(pathlib.Path(path).read_bytes())
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    kinds = {"F32": torch.float32, "U8": torch.uint8}
    tensors = {}
    for name, about in head.items():
        if name == "__metadata__":
            continue
        if about["dtype"] not in kinds:
            raise ValueError(f"{name} is {about['dtype']}, not one of {', '.join(kinds)}")
        kind, (begin, end) = kinds[about["dtype"]], about["data_offsets"]
        numbers = torch.frombuffer(data, dtype=kind, offset=8 + length + begin, count=(end - begin) // kind.itemsize)
        tensors[name] = numbers.reshape(about["shape"]).clone()
    return tensors


def load(weights=WEIGHTS):
    """The network, ready to be evaluated; with `weights` None, untrained and ready to be trained."""
    network = Network()
    if weights is None:
        return network
    missing, unexpected = network.load_state_dict(read_tensors(weights), strict=False)
    # How many batches a batch norm has seen is of no use after training, and is not kept.
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"{weights} is of another network: it lacks {missing} and has {unexpected}")
    return network.eval()


def check(network, reference=REFERENCE):
    """The greatest difference of a score from what the trainer's network said of the same images, and the greatest score."""
    known = read_tensors(reference)
    device = next(network.parameters()).device
    with torch.no_grad():
        logits = network(normalize(known["images"].float() / 255).to(device)).cpu()
    return (logits - known["logits"]).abs().max().item(), known["logits"].abs().max().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", required=True, help="compare what this network says of the images in reference.safetensors with what the trainer's said"
    )
    parser.parse_args()
    if not REFERENCE.exists():
        sys.exit(f"{REFERENCE} is not there: the trainer that wrote these weights kept no images")
    difference, greatest = check(load())
    verdict = f"the scores differ by {difference:.1e} at the most, of {greatest:.3g}"
    # A difference that is no number is none that is small.
    if not difference <= TOLERANCE * max(1.0, greatest):
        sys.exit(f"{verdict}: this is not the network that was trained (at most {TOLERANCE:.0e} is rounding)")
    print(f"{verdict}: the network that was trained")


if __name__ == "__main__":
    main()
