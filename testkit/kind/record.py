#!/usr/bin/env python3
"""Records what happens in a cluster until it is ended: every change of the objects that matter (one file of JSON lines a kind, each with the time
when it came), the events as text, and the log of every container, also of pods that are gone when somebody asks.

  KUBECONFIG=... record.py KUBECTL FOLDER
"""

import base64
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

KINDS = {
    'pods': '/api/v1/pods', 'jobs': '/apis/batch/v1/jobs', 'events': '/apis/events.k8s.io/v1/events', 'nodes': '/api/v1/nodes',
    'deployments': '/apis/apps/v1/deployments', 'leases': '/apis/coordination.k8s.io/v1/namespaces/nas-system/leases',
    'nasexperiments': '/apis/nas-operator.dev/v1alpha1/nasexperiments', 'nastrials': '/apis/nas-operator.dev/v1alpha1/nastrials',
}
kubectl, folder = sys.argv[1:]


class Server:
    """The API server, as the kubeconfig names it."""

    def __init__(self):
        config = json.loads(subprocess.run([kubectl, 'config', 'view', '--raw', '--minify', '-o', 'json'], capture_output=True, check=True).stdout)
        cluster, user = config['clusters'][0]['cluster'], config['users'][0]['user']
        self.at = urllib.parse.urlsplit(cluster['server'])
        self.tls = ssl.create_default_context(cadata=base64.b64decode(cluster['certificate-authority-data']).decode())
        with tempfile.NamedTemporaryFile() as file:
            file.write(base64.b64decode(user['client-certificate-data']) + base64.b64decode(user['client-key-data']))
            file.flush()
            self.tls.load_cert_chain(file.name)

    def lines(self, path):
        """The lines of an answer, as they come; of none where the server has none."""
        connection = http.client.HTTPSConnection(self.at.hostname, self.at.port, context=self.tls)
        try:
            connection.request('GET', path)
            answer = connection.getresponse()
            if answer.status == 200:
                yield from answer
        finally:
            connection.close()


server = Server()
followed = set()


def record(kind, path):
    """Watches one kind for ever. After a break what is there comes again; what came already is left out."""
    seen = {}
    with open(f'{folder}/{kind}.jsonl', 'a', buffering=1) as sink, open(f'{folder}/{kind}.txt', 'a', buffering=1) as text:
        while True:
            try:
                for line in server.lines(f'{path}?watch=true'):
                    change = json.loads(line)
                    meta = change['object'].get('metadata', {})
                    version = meta.get('resourceVersion')
                    if seen.get(meta.get('uid')) == (version, change['type']):
                        continue
                    seen[meta.get('uid')] = (version, change['type'])
                    meta.pop('managedFields', None)
                    sink.write(json.dumps({'at': time.time(), **change}) + '\n')
                    text.write(told(kind, change))
                    if kind == 'pods':
                        follow(change['object'])
            except (OSError, http.client.HTTPException, ValueError):
                pass
            time.sleep(1)


def told(kind, change):
    """A change in one line."""
    there = change['object']
    meta = there.get('metadata', {})
    now = time.strftime('%H:%M:%S')
    if kind == 'events':
        about = there.get('regarding', {})
        return f'{now} {about.get("kind")} {about.get("namespace")}/{about.get("name")} {there.get("reason")}: {there.get("note")}\n'
    status = there.get('status', {})
    state = status.get('phase') or ' '.join(f'{c["type"]}={c["status"]}({c.get("reason", "")})' for c in status.get('conditions') or [])
    return f'{now} {change["type"]} {meta.get("namespace", "")}/{meta.get("name")} {there.get("spec", {}).get("nodeName", "")} {state}\n'


def follow(pod):
    """Keeps the log of each container of a pod of ours, once it has started."""
    meta = pod['metadata']
    if meta['namespace'] == 'kube-system':
        return
    for status in [*pod.get('status', {}).get('initContainerStatuses', []), *pod.get('status', {}).get('containerStatuses', [])]:
        key = status.get('containerID')
        if key and key not in followed:
            followed.add(key)
            threading.Thread(target=keep, args=(meta, status['name'], status['restartCount']), daemon=True).start()


def keep(meta, container, restarts):
    place = f'{folder}/logs/{meta["namespace"]}'
    os.makedirs(place, exist_ok=True)
    path = f'/api/v1/namespaces/{meta["namespace"]}/pods/{meta["name"]}/log?follow=true&timestamps=true&container={container}'
    with open(f'{place}/{meta["name"]}.{container}.{restarts}.log', 'ab', buffering=0) as sink:
        try:
            for line in server.lines(path):
                sink.write(line)
        except (OSError, http.client.HTTPException):
            pass  # the pod is gone


os.makedirs(folder, exist_ok=True)
for name, where in KINDS.items():
    threading.Thread(target=record, args=(name, where), daemon=True).start()
threading.Event().wait()
