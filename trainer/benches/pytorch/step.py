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
parser.add_argument('--mode', choices=['eager', 'channels-last', 'compile', 'compile-graphs'], default='eager')
parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
parser.add_argument('--bf16', action='store_true', help='autocast, as a user switches it on')
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
device, on_gpu = torch.device(arguments.device), arguments.device == 'cuda'
if on_gpu:
    torch.set_float32_matmul_precision('high')
network = network.to(device)
images, labels = torch.randn(arguments.batch, 3, 32, 32, device=device), torch.randint(10, (arguments.batch,), device=device)
if arguments.mode != 'eager':
    network, images = network.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(network.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
loss_of = nn.CrossEntropyLoss()
forward = {'compile': torch.compile(network), 'compile-graphs': torch.compile(network, mode='reduce-overhead')}.get(arguments.mode, network)


def step():
    with torch.autocast(arguments.device, torch.bfloat16, enabled=arguments.bf16):
        logits, auxiliary = forward(images, 0.1)
        loss = loss_of(logits, labels) + 0.4 * loss_of(auxiliary, labels)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimizer.step()


def timed(count):
    began = time.perf_counter()
    for _ in range(count):
        step()
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - began


# A GPU is not waited for between steps.
at_once = 20 if on_gpu else 1
first = timed(1)
timed(5 if on_gpu else 1)
times, cpu = [], time.process_time()
while len(times) < 3 or sum(times) < arguments.seconds:
    times.append(timed(at_once))
cpu = time.process_time() - cpu
peak = int(re.search(r'VmHWM:\s+(\d+) kB', Path('/proc/self/status').read_text())[1]) / 1024
print(json.dumps({
    'images_per_second': arguments.batch * at_once / statistics.median(times),
    'images_per_cpu_second': arguments.batch * at_once * len(times) / cpu,
    'peak_mib': torch.cuda.max_memory_allocated() / 2**20 if on_gpu else peak,
    'steps': len(times) * at_once,
    'first_step_seconds': first,
}))
