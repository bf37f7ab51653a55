#!/usr/bin/env python3
"""Compares the trials of a cluster (`kubectl get nastrials -o json`) with those of a laptop (`nasctl describe --output json`) of the same
experiment with one slot: configurations, seeds, decisions with their reasons and views, and every value to the last bit.

  compare.py CLUSTER LAPTOP
"""

import json
import sys

cluster, laptop = (json.load(open(path)) for path in sys.argv[1:])


def essence(trial):
    spec = trial['spec']
    decided = {name: spec[name] for name in ('number', 'assignment', 'seed', 'targetRung', 'grants', 'stopped', 'retired')}
    return {**decided, 'rungs': trial['status']['rungs']}


there = sorted(map(essence, cluster['items']), key=lambda trial: trial['number'])
here = sorted(map(essence, laptop['trials']), key=lambda trial: trial['number'])
differences = [f'{a}\n{b}' for a, b in zip(there, here) if a != b]
if len(there) != len(here):
    differences.append(f'{len(there)} trials on the cluster, {len(here)} on the laptop')
for difference in differences:
    print(difference, file=sys.stderr)
print(f'{len(there)} trials, {sum(len(trial["rungs"]) for trial in there)} values: {len(differences)} differences between cluster and laptop')
sys.exit(bool(differences))
