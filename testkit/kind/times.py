#!/usr/bin/env python3
"""How long pods of trials took to start, from what record.py has: a table of Markdown.

  times.py FOLDER

From the Job to the pod's node, to the trainer at work (its container is made and libtorch loaded), to its first step (it has read its data and its
checkpoint). Jobs and nodes by when the watch told them; the rest by the trainer's last line, which tells its times: how long it has been at work, and
for how long of that it had begun no step.
"""

import datetime
import json
import pathlib
import re
import statistics
import sys

folder = pathlib.Path(sys.argv[1])


def changes(kind):
    for line in (folder / f'{kind}.jsonl').read_text().splitlines():
        change = json.loads(line)
        yield change['at'], change['type'], change['object']


jobs, bound = {}, {}
for at, kind, job in changes('jobs'):
    if kind == 'ADDED' and job['metadata'].get('labels', {}).get('nas-operator.dev/trial'):
        jobs.setdefault(job['metadata']['uid'], at)
for at, _, pod in changes('pods'):
    owner = pod['metadata'].get('ownerReferences', [{}])[0].get('uid')
    if pod['spec'].get('nodeName') and owner in jobs:
        bound.setdefault(pod['metadata']['name'], (at, owner))

rows = {'Job to node': [], 'node to trainer at work': [], 'trainer at work to first step': [], 'Job to first step': []}
firsts = set()
for name, (node, owner) in sorted(bound.items(), key=lambda item: item[1]):
    if owner in firsts:
        continue  # a second pod of a Job waited for the first one's end
    firsts.add(owner)
    logs = list((folder / 'logs/search').glob(f'{name}.*.log'))
    text = logs[0].read_text() if logs else ''
    last = re.search(r'^(\S+) (\d+\.\d+) s: (\d+\.\d+) s start,', text, re.M)
    if not last:
        continue
    # Nanoseconds are more than Python reads.
    work = datetime.datetime.fromisoformat(re.sub(r'(\.\d{6})\d*', r'\1', last[1])).timestamp() - float(last[2])
    step = work + float(last[3])
    for row, value in zip(rows.values(), (node - jobs[owner], work - node, step - work, step - jobs[owner])):
        row.append(value)

count = len(rows['Job to first step'])
if count < 2:
    sys.exit('fewer than two pods were seen from their Job to their first step')
print(f'| {count} pods | half within | nine of ten within | longest |\n|---|---:|---:|---:|')
for name, values in rows.items():
    print(f'| {name} | {statistics.median(values):.2f} s | {statistics.quantiles(values, n=10, method="inclusive")[8]:.2f} s | {max(values):.2f} s |')
