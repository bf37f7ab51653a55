#!/usr/bin/env python3
"""A training step of this project and of plain PyTorch, in turn on the same machine: prints a table, and writes it as a page.

    make bench-trainer
    python3 trainer/benches/pytorch/compare.py STEP PACKAGES [--size 16,8] [--threads 1] [--page FILE]

STEP is the command of trainer/benches/step.rs, PACKAGES a folder with PyTorch (scripts/pytorch.sh); empty: Python's own.
"""
import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

HERE = Path(__file__).parent
# One process each: the library of OpenMP reads its settings at the start, and memory that one has taken must not count for another.
OURS = {'GOMP_SPINCOUNT': '1000', 'MALLOC_MMAP_THRESHOLD_': '33554432', 'MALLOC_TRIM_THRESHOLD_': '1073741824'}
# What a row is, the mode of step.py, and what is set for it.
ROWS = [
    ('this project', None, {}),
    ('PyTorch as it comes', 'eager', {}),
    ('PyTorch, channels last', 'channels-last', {}),
    ('torch.compile, channels last', 'compile', {}),
]
ON_GPU = [
    ('this project, steps recorded', None, {'NAS_TRAINER_CUDA_GRAPHS': 'on'}),
    *ROWS,
    ('torch.compile with CUDA graphs', 'compile-graphs', {}),
]

parser = argparse.ArgumentParser()
parser.add_argument('step')
parser.add_argument('packages')
parser.add_argument('--size', action='append', help='channels,layers; repeatable')
parser.add_argument('--threads', action='append', type=int, help='repeatable')
parser.add_argument('--genotype', default='const', help='of benches/genotypes.json')
parser.add_argument('--seconds', default='10', help='of timed steps in each process')
parser.add_argument('--rounds', type=int, default=2, help='processes of each row, in turn; the best counts')
parser.add_argument('--compile-up-to', type=int, default=99, metavar='LAYERS', help='torch.compile for no deeper networks: it takes minutes')
parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu', help='cuda: all rows in bf16 on the first GPU')
parser.add_argument('--compiled', type=Path, help='where torch.compile keeps what it has made; else it makes it anew in each run')
parser.add_argument('--page', type=Path)
arguments = parser.parse_args()
scratch = tempfile.TemporaryDirectory()
on_gpu = arguments.device == 'cuda'
rows = ON_GPU if on_gpu else ROWS
sizes = [tuple(map(int, size.split(','))) for size in arguments.size or ['8,5', '16,8', '36,20']]


def measure(mode, settings, channels, layers, threads):
    options = ['--channels', channels, '--layers', layers, '--threads', threads, '--seconds', arguments.seconds, '--genotype', arguments.genotype]
    if mode is None:
        command, env = shlex.split(arguments.step), {**os.environ, **OURS, **settings}
    else:
        command = [sys.executable, HERE / 'step.py', '--mode', mode, *(['--device', 'cuda', '--bf16'] if on_gpu else [])]
        # As a user has it: no setting but where the packages are.
        env = {name: value for name, value in os.environ.items() if name not in (*OURS, 'LD_LIBRARY_PATH')}
        if arguments.packages:
            env['PYTHONPATH'] = arguments.packages
        # Compiled anew, as in a user's first run.
        env['TORCHINDUCTOR_CACHE_DIR'] = str(arguments.compiled or tempfile.mkdtemp(dir=scratch.name))
    done = subprocess.run([str(word) for word in command + options], env=env, capture_output=True, text=True)
    if done.returncode != 0:
        words = f'{" ".join(map(str, command + options))} ended with {done.returncode}:\n{done.stderr[-2000:]}'
        if not on_gpu or mode is None:
            sys.exit(words)
        # What torch.compile can do on a GPU depends on what else is installed.
        print(words, file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def best(results):
    return {
        'speed': max(result['images_per_second'] for result in results),
        'memory': min(result['peak_mib'] for result in results),
        'first': min(result.get('first_step_seconds', 0) for result in results),
    }


model = next((line.split(':')[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')), platform.machine())
machine = f'{model} with {os.cpu_count()} cores'
if on_gpu:
    gpu = subprocess.run(['nvidia-smi', '--query-gpu=name,driver_version', '--format=csv,noheader'], capture_output=True, text=True, check=True)
    machine = f'{gpu.stdout.splitlines()[0].replace(",", ", driver")}, beside {machine}'
print(machine, file=sys.stderr)
table = ['| channels, layers | threads | | images / s | ours is faster by | MiB at most | ours takes |', '|---|---:|---|---:|---:|---:|---:|']
compiled = []
for channels, layers in sizes:
    for threads in arguments.threads or ([1] if on_gpu else [1, 2]):
        # torch.compile once: it takes minutes, and says itself how long.
        found = {name: [] for name, *_ in rows}
        for turn in range(arguments.rounds):
            for name, mode, settings in rows:
                if mode in ('compile', 'compile-graphs') and (turn > 0 or layers > arguments.compile_up_to):
                    continue
                if result := measure(mode, settings, channels, layers, threads):
                    found[name].append(result)
                print(f'C={channels} L={layers}, {threads} thread(s), {name}: {result}', file=sys.stderr)
        ours = best(found[rows[0][0]])
        for place, (name, mode, _) in enumerate(rows):
            if not found[name]:
                continue
            row = best(found[name])
            speed, memory = ours['speed'] / row['speed'], ours['memory'] / row['memory']
            ratios = ('', '') if place == 0 else (f'{speed:.2f}', f'{memory:.2f}')
            table.append(f'| {channels}, {layers} | {threads} | {name} | {row["speed"]:.1f} | {ratios[0]} | {row["memory"]:.0f} | {ratios[1]} |')
            if mode == 'compile' and not arguments.compiled:
                compiled.append(f'{row["first"]:.0f} s (C={channels}, L={layers}, {threads} thread(s))')
text = '\n'.join(table)
print(text)
if arguments.page:
    python = {**os.environ, **({'PYTHONPATH': arguments.packages} if arguments.packages else {})}
    version = subprocess.run([sys.executable, '-c', 'import torch; print(torch.__version__)'], env=python, capture_output=True, text=True, check=True)
    numbers = 'bf16 (autocast), weights in f32' if on_gpu else 'f32'
    memory = 'tensors have held on the GPU' if on_gpu else 'the process has held, with all that it has loaded'
    note = f'`torch.compile` took for its first step {", ".join(compiled)}; that is not in the table.\n' if compiled else ''
    arguments.page.write_text(f'''# What a training step costs{' on a GPU' if on_gpu else ''}

`make bench-trainer{'-gpu' if on_gpu else ''}`, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, on {machine}. One step: forward with drop-path and auxiliary head, loss, backward, clipping, SGD
with momentum, on 64 random images of 32x32 in {numbers}; the architecture is that of `configs/const-experiment.yaml`. The same network in PyTorch {version.stdout.strip()}
([network.py](../../trainer/benches/pytorch/network.py)) is a process of its own, in turn with ours; the best of {arguments.rounds} round(s) counts. Speed is the median over steps after {'six' if on_gpu else 'two'}; memory is the most that
{memory}.

{text}

{note}''')
