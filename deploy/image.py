#!/usr/bin/env python3
"""Writes a container image as a docker-archive (for `docker load`, `ctr images import`, `kind load image-archive`), without a registry
or an engine. The same inputs give the same image: times are 0 and owners are as asked for.

  image.py --tag NAME:TAG --output FILE [--layer TAR]... [--file SOURCE:DEST]... [--program SOURCE:DEST]... [--folder DEST[:MODE]]...
           [--symlink DEST:TARGET]... [--entrypoint WORD]... [--env NAME=VALUE]... [--user UID:GID] [--stop-signal SIGNAL] [--label NAME=VALUE]...

--program also takes in the shared libraries that the program is linked with, at the places where the loader finds them.
"""

import argparse
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import tempfile


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--tag', required=True)
    parser.add_argument('--output', required=True)
    for name in ('layer', 'file', 'program', 'folder', 'symlink', 'entrypoint', 'env', 'label'):
        parser.add_argument(f'--{name}', action='append', default=[])
    parser.add_argument('--user')
    parser.add_argument('--stop-signal')
    return parser.parse_args()


def libraries(program):
    """Where the loader finds the libraries of a program: (path in the image, real path)."""
    listed = subprocess.run(['ldd', program], capture_output=True, text=True, check=True).stdout
    assert 'not found' not in listed, f'{program} lacks libraries:\n{listed}'
    for line in listed.splitlines():
        if found := re.search(r'^\s*(?:\S+ => )?(/\S+) \(0x', line):
            yield os.path.normpath(found[1]), os.path.realpath(found[1])


class Layer:
    """A tar of single files, with the folders above them."""

    def __init__(self, path):
        self.tar = tarfile.open(path, 'w', format=tarfile.GNU_FORMAT)
        self.there = set()

    def entry(self, path, mode=0o755, kind=tarfile.REGTYPE):
        self.folder(os.path.dirname(path))
        info = tarfile.TarInfo(path.strip('/'))
        info.mode, info.type = mode, kind
        self.there.add(path.strip('/'))
        return info

    def folder(self, path, mode=0o755):
        path = path.strip('/')
        if path and path not in self.there:
            self.folder(os.path.dirname(path))
            self.tar.addfile(self.entry(path, mode, tarfile.DIRTYPE))

    def file(self, source, path):
        if path.strip('/') in self.there:
            return
        info = self.entry(path, 0o755 if os.access(source, os.X_OK) else 0o644)
        info.size = os.path.getsize(source)
        with open(source, 'rb') as content:
            self.tar.addfile(info, content)

    def tree(self, source, path):
        if os.path.isdir(source):
            self.folder(path)
            for name in sorted(os.listdir(source)):
                self.tree(f'{source}/{name}', f'{path}/{name}')
        else:
            self.file(source, path)

    def symlink(self, path, target):
        info = self.entry(path, 0o777, tarfile.SYMTYPE)
        info.linkname = target
        self.tar.addfile(info)


def write_layer(options, path):
    layer = Layer(path)
    for folder in options.folder:
        name, _, mode = folder.partition(':')
        layer.folder(name, int(mode or '755', 8))
    for pair in options.symlink:
        layer.symlink(*pair.split(':'))
    for pair in options.program:
        source, place = pair.split(':')
        layer.file(source, place)
        for name, real in libraries(source):
            # What lies beside the program stays beside it: its run path says so.
            beside = os.path.relpath(name, os.path.dirname(os.path.abspath(source)))
            layer.file(real, name if beside.startswith('..') else f'{os.path.dirname(place)}/{beside}')
    for pair in options.file:
        layer.tree(*pair.split(':'))
    layer.tar.close()


def digest(path):
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(options.output))) as work:
        layers = list(options.layer)
        if options.file or options.folder or options.symlink or options.program:
            layers.append(f'{work}/layer.tar')
            write_layer(options, layers[-1])
        digests = [digest(layer) for layer in layers]
        config = {'Env': ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', *options.env], 'Entrypoint': options.entrypoint}
        config.update({'User': options.user} if options.user else {})
        config.update({'StopSignal': options.stop_signal} if options.stop_signal else {})
        config.update({'Labels': dict(label.split('=', 1) for label in options.label)} if options.label else {})
        image = {
            'architecture': 'amd64', 'os': 'linux', 'created': '1970-01-01T00:00:00Z', 'config': config,
            'rootfs': {'type': 'layers', 'diff_ids': [f'sha256:{digest}' for digest in digests]},
        }
        text = json.dumps(image, sort_keys=True).encode()
        name = f'{hashlib.sha256(text).hexdigest()}.json'
        places = [f'{digest}/layer.tar' for digest in digests]
        manifest = json.dumps([{'Config': name, 'RepoTags': [options.tag], 'Layers': places}]).encode()
        part = f'{options.output}.part'
        with tarfile.open(part, 'w', format=tarfile.GNU_FORMAT) as archive:
            for layer, place in zip(layers, places):
                info = tarfile.TarInfo(place)
                info.size = os.path.getsize(layer)
                with open(layer, 'rb') as content:
                    archive.addfile(info, content)
            for entry, content in ((name, text), ('manifest.json', manifest)):
                info = tarfile.TarInfo(entry)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        os.replace(part, options.output)
    print(f'{options.tag}: {os.path.getsize(options.output) / 1e6:.0f} MB')


main()
