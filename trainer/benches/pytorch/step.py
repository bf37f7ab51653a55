"""What a training step of the same network costs in plain PyTorch: one line of JSON, as `cargo bench --bench step` prints it.

    python3 trainer/benches/pytorch/step.py --mode eager --channels 16 --layers 8 --threads 1
"""
import argparse
import json
import re
import statistics
import time
from pathlib import Path

import torch
from torch import nn

from network import Network

parser = argparse.ArgumentParser()
parser.add_argument('--mode', choices=['eager', 'channels-last', 'compile'], default='eager')
parser.add_argument('--channels', type=int, default=16)
parser.add_argument('--layers', type=int, default=8)
parser.add_argument('--batch', type=int, default=64)
parser.add_argument('--threads', type=int, default=1)
parser.add_argument('--genotype', default='const')
parser.add_argument('--seconds', type=float, default=10)
arguments = parser.parse_args()

torch.set_num_threads(arguments.threads)
torch.manual_seed(1)
choices = json.loads((Path(__file__).parents[1] / 'genotypes.json').read_text())[arguments.genotype]
network = Network(arguments.channels, arguments.layers, choices)
images, labels = torch.randn(arguments.batch, 3, 32, 32), torch.randint(10, (arguments.batch,))
if arguments.mode != 'eager':
    network, images = network.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(network.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
loss_of = nn.CrossEntropyLoss()
forward = torch.compile(network) if arguments.mode == 'compile' else network


def step():
    logits, auxiliary = forward(images, 0.1)
    loss = loss_of(logits, labels) + 0.4 * loss_of(auxiliary, labels)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimizer.step()


began = time.perf_counter()
step()
first = time.perf_counter() - began
step()
times, cpu = [], time.process_time()
while len(times) < 3 or sum(times) < arguments.seconds:
    began = time.perf_counter()
    step()
    times.append(time.perf_counter() - began)
cpu = time.process_time() - cpu
peak = int(re.search(r'VmHWM:\s+(\d+) kB', Path('/proc/self/status').read_text())[1]) / 1024
print(json.dumps({
    'images_per_second': arguments.batch / statistics.median(times),
    'images_per_cpu_second': arguments.batch * len(times) / cpu,
    'peak_mib': peak,
    'steps': len(times),
    'first_step_seconds': first,
}))
