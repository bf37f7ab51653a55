#!/usr/bin/env python3
"""Trains the network of trainer/benches/pytorch/network.py as tests/equal/main.rs does, and records what came of it: tests/equal/record.json.

    NAS_WRITE_DRAWS=/tmp/draws.json cargo test --release -p nas-trainer --test equal
    PYTHONPATH="$(scripts/pytorch.sh)" python3 trainer/tests/equal/record.py /tmp/draws.json

The draws are what the trainer's own generator decides (order, crops, flips, cutouts, dropped edges), which no other program has. All else is
computed here: images, weights, augmentation, network, loss, schedule, clipping, SGD, metrics.
"""
import gzip
import json
import math
import sys
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / 'trainer' / 'benches' / 'pytorch'))
from network import Network  # noqa: E402

torch.set_num_threads(1)
MASK = (1 << 64) - 1


def hashed(t, i):
    """splitmix64 of place i of tensor t, uniform in [-1, 1)."""
    z = (((t << 32) | i) + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    z ^= z >> 31
    return (z >> 11) / (1 << 53) * 2 - 1


def read_idx(name, header):
    return torch.frombuffer(bytearray(gzip.decompress((ROOT / 'data/fashion-mnist' / name).read_bytes())[header:]), dtype=torch.uint8)


def three_channels(images):
    """[N, 28, 28] in a frame of zeros, as it is, mirrored, and on its side: [N, 3, 32, 32]."""
    framed = nn.functional.pad(images, (2, 2, 2, 2))
    return torch.stack([framed, framed.flip(2), framed.transpose(1, 2)], dim=1)


def augmented(images, changes, cutout, mean, std):
    out = []
    for image, (top, left, flip, y, x) in zip(images, changes):
        crop = nn.functional.pad(image, (4, 4, 4, 4))[:, top:top + 32, left:left + 32]
        crop = crop.flip(2) if flip else crop
        crop = (crop / 255 - mean[:, None, None]) / std[:, None, None]
        half = cutout // 2
        rows, columns = slice(max(y - half, 0), max(y + half, 0)), slice(max(x - half, 0), max(x + half, 0))
        crop[:, rows, columns] = 0
        out.append(crop)
    return torch.stack(out)


def train(draws, kind, steps):
    setting = draws['setting']
    images = three_channels(read_idx('train-images-idx3-ubyte.gz', 16).view(-1, 28, 28)).to(kind)
    labels = read_idx('train-labels-idx1-ubyte.gz', 8).long()
    scaled = images[:setting['train']].double() / 255
    mean, std = scaled.mean((0, 2, 3)).to(kind), scaled.std((0, 2, 3), unbiased=False).to(kind)
    network = Network(setting['channels'], setting['layers'], setting['choices']).to(kind)
    for t, (name, parameter) in enumerate(network.named_parameters()):
        if parameter.dim() > 1:
            fan_in = parameter[0].numel()
            values = [hashed(t, i) / math.sqrt(fan_in) for i in range(parameter.numel())]
            parameter.data = torch.tensor(values, dtype=torch.double).view(parameter.shape).to(kind)
        else:
            parameter.data.fill_(1.0 if name.endswith('weight') else 0.0)
    optimizer = torch.optim.SGD(network.parameters(), setting['learning_rate'], momentum=0.9, weight_decay=3e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=setting['epochs'])
    loss_of = nn.CrossEntropyLoss()
    record = {'loss': [], 'norm': [], 'magnitude': [], 'learning_rate': []}
    for number, step in enumerate(draws['steps'][:steps]):
        epoch = number // setting['batches_per_epoch']
        if number > 0 and number % setting['batches_per_epoch'] == 0:
            scheduler.step()
        probability = setting['drop_path_prob'] * epoch / setting['epochs']
        batch = augmented(images[step['places']], step['changes'], setting['cutout'], mean, std)
        masks = iter(torch.tensor([[int(bit) for bit in edge] for edge in step['kept']], dtype=kind)) if step['kept'] else None
        logits, auxiliary = network(batch, probability, masks)
        targets = labels[step['places']]
        loss = loss_of(logits, targets) + setting['auxiliary_weight'] * loss_of(auxiliary, targets)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), setting['max_norm'])
        record['loss'].append(loss.item())
        record['norm'].append(norm.item())
        record['learning_rate'].append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        record['magnitude'].append(sum(parameter.abs().sum().item() for parameter in network.parameters()))
    network.eval()
    with torch.no_grad():
        held_out = slice(setting['train'], setting['train'] + setting['evaluate'])
        logits = network((images[held_out] / 255 - mean[:, None, None]) / std[:, None, None])
        ranked = logits.topk(5, 1).indices.eq(labels[held_out].unsqueeze(1))
        record['accuracy'] = ranked[:, 0].double().mean().item()
        record['top5_accuracy'] = ranked.any(1).double().mean().item()
        record['evaluation_loss'] = loss_of(logits, labels[held_out]).item()
    return record


draws = json.loads(Path(sys.argv[1]).read_text())
record = {'torch': torch.__version__, 'f64': train(draws, torch.double, len(draws['steps'])), 'f32': train(draws, torch.float, 20)}
Path(__file__).with_name('record.json').write_text(json.dumps(record) + '\n')
for kind in ('f64', 'f32'):
    print(kind, {name: value if isinstance(value, float) else value[-1] for name, value in record[kind].items()})
