#!/usr/bin/env python3
"""Compares accuracies that a pod's /metrics showed while it trained with the curve that its report carried into the NasTrial.

  observed.py SEEN TRIAL      SEEN: a number a line; TRIAL: `kubectl get nastrial NAME -o json`
"""

import json
import sys

seen = {float(line) for line in open(sys.argv[1])} - {0.0}
reported = json.load(open(sys.argv[2]))['status']['reported']
carried = {point['value'] for point in reported['curve']}
if not seen:
    sys.exit('no accuracy was seen while the pod trained')
if seen - carried:
    sys.exit(f'seen in /metrics, but not in the report: {sorted(seen - carried)}; reported: {sorted(carried)}')
print(f'{len(seen)} of {len(carried)} accuracies were seen while the pod trained, each as it was reported')
