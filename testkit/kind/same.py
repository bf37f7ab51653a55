#!/usr/bin/env python3
"""Compares what the trials of a cluster (`kubectl get nastrials -o json`) measured with what those of a laptop (`nasctl describe --output json`) did, of
the same experiment. With several slots the order of results may differ, and with it who is promoted; what a trial is and what it measures at a rung
may not, to the last bit.

  same.py CLUSTER LAPTOP
"""

import json
import sys

cluster, laptop = (json.load(open(path)) for path in sys.argv[1:])


def values(trials):
    return {
        (trial['spec']['number'], json.dumps(trial['spec']['assignment'], sort_keys=True), trial['spec']['seed'], rung['rung']): (rung['outcome'], rung.get('value'))
        for trial in trials for rung in trial['status'].get('rungs', [])
    }


there, here = values(cluster['items']), values(laptop['trials'])
common = there.keys() & here.keys()
first = {key for key in there if key[3] == 0}
differences = [f'{key}: {there[key]} on the cluster, {here[key]} on the laptop' for key in sorted(common) if there[key] != here[key]]
if first - here.keys():
    differences.append(f'trials that the laptop does not have: {sorted(first - here.keys())}')
for difference in differences:
    print(difference, file=sys.stderr)
print(f'{len(there)} values on the cluster, {len(here)} on the laptop, {len(common)} of the same trial and rung: {len(differences)} differences')
sys.exit(bool(differences) or not common)
