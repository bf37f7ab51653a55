#!/usr/bin/env python3
"""A small PyTorch network on IDX images, as a trainer. Parameters: learning_rate (a number), channels (a whole number).

    nasctl conform --unit batches --rungs 20,40,400 --param learning_rate=0.05 --param channels=8 -- python3 examples/pytorch/trainer.py
"""
import signal
stops = []  # before PyTorch is loaded, so that no signal comes too early
signal.signal(signal.SIGTERM, lambda *_: stops.append(True))
import gzip, json, math, os, sys, time
from pathlib import Path
import torch
from torch import nn

BATCH = 64
env = os.environ
attempt, target, seed = (int(env[f'NAS_{name}']) for name in ('ATTEMPT', 'TARGET_RUNG', 'SEED'))
every = float(env.get('NAS_CHECKPOINT_EVERY') or 0) or math.inf
trial = Path(env['NAS_CHECKPOINT_DIR'])
own = trial / f"a{attempt}-{env.get('NAS_POD_UID') or time.time_ns()}"

def leave(code, message):
    """Ends the process; with code 0 the message is the report, else it tells people why."""
    Path(env.get('NAS_TERMINATION_LOG', '/dev/termination-log')).write_text(message)
    print(message, file=sys.stderr)
    sys.exit(code)

def read_idx(name, header):
    path = Path(env['NAS_DATA_DIR'], env['NAS_DATA_NAME'], f'train-{name}-ubyte.gz')
    try:
        return torch.frombuffer(bytearray(gzip.decompress(path.read_bytes())[header:]), dtype=torch.uint8)
    except OSError as error:
        leave(65, f'cannot read the data set: {error}')

def check_fence():
    if any(int(path.name[1:].split('-')[0]) > attempt for path in trial.glob('a*-*')):
        leave(70, f'attempt {attempt} is void: a newer one has begun')

def save():
    check_fence()
    with open(own / 'state.tmp', 'wb') as file:
        torch.save({'step': step, 'results': results, 'model': model.state_dict(), 'sgd': sgd.state_dict()}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(own / 'state.tmp', own / 'state.pt')

if env['NAS_CONTRACT'] != '1':
    leave(64, f"NAS_CONTRACT is {env['NAS_CONTRACT']}: this trainer knows 1")
if env['NAS_METRIC'] != 'accuracy' or env.get('NAS_VALIDATION', 'Heldout') != 'Heldout':
    leave(78, 'this trainer reports the metric accuracy on images that it holds out: NAS_METRIC=accuracy, NAS_VALIDATION=Heldout')
parameters = json.loads(env['NAS_PARAMETERS'] if env['NAS_PARAMETERS'][0] == '{' else Path(env['NAS_PARAMETERS']).read_text())
rate, channels = parameters.get('learning_rate', 0.05), parameters.get('channels', 8)
if type(rate) not in (int, float) or type(channels) is not int or (unknown := parameters.keys() - {'learning_rate', 'channels'}):
    leave(78, f'of {parameters}, learning_rate must be a number, channels a whole number, and nothing else may be there')
if sys.argv[1:] == ['check']:  # `nasctl run` asks before its first trial
    sys.exit(print(f'a network with {channels} channels'))
torch.set_num_threads(int(env.get('NAS_THREADS') or torch.get_num_threads()))
images, labels = read_idx('images-idx3', 16).view(-1, 1, 28, 28) / 255, read_idx('labels-idx1', 8).long()
held_out = torch.arange(len(images)) % 10 == 9  # for NAS_VALIDATION=Heldout: decides, and is not trained on
train = (~held_out).nonzero().flatten()
batches = math.ceil(len(train) / BATCH)
rungs = [int(steps) * (batches if env['NAS_STEP_UNIT'] == 'epochs' else 1) for steps in env['NAS_RUNG_STEPS'].split(',')]

torch.manual_seed(seed)
model = nn.Sequential(nn.Conv2d(1, channels, 5, 2), nn.ReLU(), nn.Conv2d(channels, 2 * channels, 5, 2), nn.ReLU(), nn.Flatten(), nn.Linear(32 * channels, 10))
sgd = torch.optim.SGD(model.parameters(), rate, momentum=0.9)
step, results, saved = 0, [], time.monotonic()
check_fence()
own.mkdir(parents=True, exist_ok=True)
states = [torch.load(path) for path in trial.glob('a*-*/state.pt')]
if states:
    newest = max(states, key=lambda state: state['step'])
    step, results = newest['step'], newest['results']
    model.load_state_dict(newest['model'])
    sgd.load_state_dict(newest['sgd'])

while len(results) <= target:
    if stops:
        save()
        leave(143, 'stopped after a checkpoint')
    # The order of an epoch follows from the seed: who resumes in its middle sees the same images.
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed + step // batches))
    batch = train[order[step % batches * BATCH:][:BATCH]]
    loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
    sgd.zero_grad()
    loss.backward()
    sgd.step()
    step += 1
    ended = step == rungs[len(results)]
    if not math.isfinite(loss.item()):
        results.append({'rung': len(results), 'outcome': 'Diverged', 'message': f'the loss is {loss.item()} at batch {step}'})
        break
    if ended:
        with torch.no_grad():
            value = (model(images[held_out]).argmax(1) == labels[held_out]).float().mean().item()
        results.append({'rung': len(results), 'outcome': 'Value', 'value': value, 'metrics': {'loss': round(loss.item(), 5)}})
    if ended or time.monotonic() - saved >= every:
        save()
        saved = time.monotonic()
steps = step // batches if env['NAS_STEP_UNIT'] == 'epochs' else step
leave(0, json.dumps({'attempt': attempt, 'seq': len(results), 'step': steps, 'results': results}))
