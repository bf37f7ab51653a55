#!/usr/bin/env python3
"""The least that a trainer needs, without data or packages. What it "trains" is one number that nears 1 step by step.

    nasctl conform --unit batches --rungs 1,2,150 --param learning_rate=0.05 -- python3 examples/minimal/trainer.py
"""
import json
import math
import os
import signal
import sys
import time
from pathlib import Path

stops = []  # first of all, so that no signal comes too early
signal.signal(signal.SIGTERM, lambda *_: stops.append(True))

env = os.environ
attempt, target = int(env['NAS_ATTEMPT']), int(env['NAS_TARGET_RUNG'])
rungs = [int(step) for step in env['NAS_RUNG_STEPS'].split(',')]
every = float(env.get('NAS_CHECKPOINT_EVERY') or 0) or math.inf
trial = Path(env['NAS_CHECKPOINT_DIR'])
own = trial / f"a{attempt}-{env.get('NAS_POD_UID') or time.time_ns()}"


def leave(code, message):
    """Ends the process; with code 0 the message is the report, else it tells people why."""
    Path(env.get('NAS_TERMINATION_LOG', '/dev/termination-log')).write_text(message)
    if code:
        print(message, file=sys.stderr)
    sys.exit(code)


def read_parameters():
    text = env['NAS_PARAMETERS']
    parameters = json.loads(text if text.startswith('{') else Path(text).read_text())
    if unknown := parameters.keys() - {'learning_rate'}:
        leave(78, f'unknown parameters {sorted(unknown)}: this trainer knows learning_rate')
    rate = parameters.get('learning_rate', 0.1)
    if isinstance(rate, bool) or not isinstance(rate, (int, float)):
        leave(78, f'learning_rate is {rate!r}: it must be a number')
    return rate


def check_fence():
    for path in trial.glob('a*-*'):
        if int(path.name[1:].split('-')[0]) > attempt:
            leave(70, f'attempt {attempt} is void: {path} is newer')


def newest():
    """The state with the most steps, of whichever attempt."""
    states = [json.loads(path.read_text()) for path in trial.glob('a*-*/state.json')]
    return max(states, key=lambda state: state['step'], default={'step': 0, 'number': 0.0, 'results': []})


def save(state):
    check_fence()
    with open(own / 'state.tmp', 'w') as file:
        file.write(json.dumps(state))
        file.flush()
        os.fsync(file.fileno())
    os.replace(own / 'state.tmp', own / 'state.json')


if env['NAS_CONTRACT'] != '1':
    leave(64, f"NAS_CONTRACT is {env['NAS_CONTRACT']}: this trainer knows 1")
if env['NAS_METRIC'] != 'accuracy':
    leave(78, f"NAS_METRIC is {env['NAS_METRIC']!r}: this trainer reports accuracy")
rate = read_parameters()
if sys.argv[1:] == ['check']:  # `nasctl run` asks before its first trial
    print(f'trains one number with learning_rate {rate}')
    sys.exit(0)
check_fence()
own.mkdir(parents=True, exist_ok=True)
state = newest()
results = state['results']
if rate > 1:
    results.append({'rung': len(results), 'outcome': 'Infeasible', 'message': f'learning_rate {rate} is above 1'})
saved = time.monotonic()
while len(results) <= target and rate <= 1:
    if stops:
        save(state)
        leave(143, 'stopped after a checkpoint')
    time.sleep(0.005)  # in place of work
    state['number'] += rate * (1 - state['number'])
    state['step'] += 1
    ended = state['step'] == rungs[len(results)]
    if ended:
        results.append({'rung': len(results), 'outcome': 'Value', 'value': state['number']})
    if ended or time.monotonic() - saved >= every:
        save(state)
        saved = time.monotonic()
leave(0, json.dumps({'attempt': attempt, 'seq': len(results), 'step': state['step'], 'results': results}))
