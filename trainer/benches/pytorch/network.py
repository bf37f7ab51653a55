"""The DARTS network for CIFAR-10 (Liu et al. 2019, github.com/quark0/darts, and Determined's benchmark after it) in plain PyTorch."""
import torch
from torch import nn


class ReLUConvBN(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.op = nn.Sequential(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return self.op(x)


class FactorizedReduce(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv_1 = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.conv_2 = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = self.relu(x)
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], dim=1))


class Separable(nn.Module):
    """`sep_conv` (two of these convolutions) or `dil_conv` (one, with dilation)."""

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


def operation(name, channels, stride):
    match name:
        case 'avg_pool_3x3':
            return nn.AvgPool2d(3, stride, 1, count_include_pad=False)
        case 'max_pool_3x3':
            return nn.MaxPool2d(3, stride, 1)
        case 'skip_connect':
            return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
        case 'sep_conv_3x3' | 'sep_conv_5x5':
            return Separable(channels, int(name[-1]), [stride, 1], 1)
        case 'dil_conv_3x3' | 'dil_conv_5x5':
            return Separable(channels, int(name[-1]), [stride], 2)
    raise ValueError(name)


class Cell(nn.Module):
    def __init__(self, kind, choices, older, newer, channels, older_is_larger):
        super().__init__()
        self.preprocess0 = FactorizedReduce(older, channels) if older_is_larger else ReLUConvBN(older, channels)
        self.preprocess1 = ReLUConvBN(newer, channels)
        edges = [f'{kind}_node{node}_edge{edge}' for node in range(1, 5) for edge in (1, 2)]
        self.inputs = [choices[edge] for edge in edges]
        stride = [2 if kind == 'reduce' and choices[edge] < 2 else 1 for edge in edges]
        self._ops = nn.ModuleList(operation(choices[f'{edge}_op'], channels, s) for edge, s in zip(edges, stride))

    def forward(self, older, newer, drop_path_prob, masks):
        states = [self.preprocess0(older), self.preprocess1(newer)]
        for node in range(4):
            states.append(sum(self.edge(edge, states, drop_path_prob, masks) for edge in (2 * node, 2 * node + 1)))
        return torch.cat(states[2:], dim=1)

    def edge(self, edge, states, drop_path_prob, masks):
        x = self._ops[edge](states[self.inputs[edge]])
        if self.training and drop_path_prob > 0 and not isinstance(self._ops[edge], nn.Identity):
            kept = 1 - drop_path_prob
            mask = next(masks) if masks else torch.empty(x.size(0), dtype=x.dtype, device=x.device).bernoulli_(kept)
            x = x.div(kept).mul(mask.view(-1, 1, 1, 1))
        return x


class AuxiliaryHead(nn.Module):
    """For 8x8 images."""

    def __init__(self, channels, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, stride=3, padding=0, count_include_pad=False),
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
    def __init__(self, channels, layers, choices, classes=10):
        super().__init__()
        width = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.cells = nn.ModuleList()
        older, newer, halved = width, width, False
        for index in range(layers):
            kind = 'reduce' if index in (layers // 3, 2 * layers // 3) else 'normal'
            channels *= 2 if kind == 'reduce' else 1
            self.cells.append(Cell(kind, choices, older, newer, channels, halved))
            older, newer, halved = newer, 4 * channels, kind == 'reduce'
            if index == 2 * layers // 3:
                self.auxiliary_head = AuxiliaryHead(newer, classes)
        self.auxiliary_at = 2 * layers // 3
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(newer, classes)

    def forward(self, images, drop_path_prob=0.0, masks=None):
        """`masks`: for each edge that may be dropped, in order, 1 for the images that keep it; else they are drawn."""
        older = newer = self.stem(images)
        for index, cell in enumerate(self.cells):
            older, newer = newer, cell(older, newer, drop_path_prob, masks)
            if index == self.auxiliary_at and self.training:
                auxiliary = self.auxiliary_head(newer)
        logits = self.classifier(self.global_pooling(newer).flatten(1))
        return (logits, auxiliary) if self.training else logits
