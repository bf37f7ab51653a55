#!/usr/bin/env python3
"""Writes a container image as an archive that is both an OCI image layout and a docker-archive (for `skopeo copy oci-archive:`, `crane push`,
`docker load`, `ctr images import`, `kind load image-archive`), without a registry or an engine. The same inputs give the same image: owners are
root, times are SOURCE_DATE_EPOCH (0).

  image.py --tag NAME:TAG --output FILE [--layer TAR]... [--file SOURCE:DEST]... [--program SOURCE:DEST]... [--tree SOURCE:DEST]...
           [--folder DEST[:MODE]]... [--symlink DEST:TARGET]... [--entrypoint WORD]... [--env NAME=VALUE]... [--user UID:GID]
           [--stop-signal SIGNAL] [--label NAME=VALUE]... [--compress]

--program also takes in the shared libraries that the program is linked with, at the places where the loader finds them, as a layer of their own
below the others: a newer program of the same libraries is a small download. --tree, for much that seldom changes, is another. --compress: layers are
gzip'd, as in registries.
"""

import argparse
import datetime
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile

EPOCH = int(os.environ.get('SOURCE_DATE_EPOCH') or 0)
OCI = 'application/vnd.oci.image'


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--tag', required=True)
    parser.add_argument('--output', required=True)
    for name in ('layer', 'file', 'program', 'tree', 'folder', 'symlink', 'entrypoint', 'env', 'label'):
        parser.add_argument(f'--{name}', action='append', default=[])
    parser.add_argument('--user')
    parser.add_argument('--stop-signal')
    parser.add_argument('--compress', action='store_true')
    return parser.parse_args()


def libraries(program):
    """Where the loader finds the libraries of a program: (path in the image, real path)."""
    # As in the image, where no LD_LIBRARY_PATH leads to a cache.
    env = {name: value for name, value in os.environ.items() if name != 'LD_LIBRARY_PATH'}
    listed = subprocess.run(['ldd', program], capture_output=True, text=True, check=True, env=env).stdout
    assert 'not found' not in listed, f'{program} lacks libraries:\n{listed}'
    for line in listed.splitlines():
        if found := re.search(r'^\s*(?:\S+ => )?(/\S+) \(0x', line):
            yield os.path.normpath(found[1]), os.path.realpath(found[1])


class Layer:
    """A tar of single files, with the folders above them."""

    def __init__(self, path):
        self.path = path
        self.tar = tarfile.open(path, 'w', format=tarfile.GNU_FORMAT)
        self.there = set()

    def entry(self, path, mode=0o755, kind=tarfile.REGTYPE):
        self.folder(os.path.dirname(path))
        info = tarfile.TarInfo(path.strip('/'))
        info.mode, info.type, info.mtime = mode, kind, EPOCH
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


def write_layers(options, work):
    """The layers that are made of single files, the lowest first."""
    below, between, above = (Layer(f'{work}/{name}.tar') for name in ('libraries', 'trees', 'files'))
    for pair in options.tree:
        between.tree(*pair.split(':'))
    for folder in options.folder:
        name, _, mode = folder.partition(':')
        above.folder(name, int(mode or '755', 8))
    for pair in options.symlink:
        above.symlink(*pair.split(':'))
    for pair in options.program:
        source, place = pair.split(':')
        above.file(source, place)
        for name, real in libraries(source):
            # What lies beside the program stays beside it: its run path says so.
            beside = os.path.relpath(name, os.path.dirname(os.path.abspath(source)))
            below.file(real, name if beside.startswith('..') else f'{os.path.dirname(place)}/{beside}')
    for pair in options.file:
        above.tree(*pair.split(':'))
    for layer in (below, between, above):
        layer.tar.close()
        if layer.there:
            yield layer.path


def digest(path):
    with open(path, 'rb') as file:
        return f'sha256:{hashlib.file_digest(file, "sha256").hexdigest()}'


def compressed(path):
    with open(path, 'rb') as source, open(f'{path}.gz', 'wb') as sink, gzip.GzipFile('', 'wb', 6, sink, mtime=0) as packer:
        shutil.copyfileobj(source, packer, 1 << 20)
    return f'{path}.gz'


class Archive:
    """The blobs of an image, each under its digest, and what names them."""

    def __init__(self, path):
        self.tar = tarfile.open(path, 'w', format=tarfile.GNU_FORMAT)
        self.there = set()

    def add(self, name, content, size):
        info = tarfile.TarInfo(name)
        info.size, info.mtime = size, EPOCH
        self.tar.addfile(info, content)

    def text(self, name, value):
        text = json.dumps(value, sort_keys=True).encode()
        self.add(name, io.BytesIO(text), len(text))
        return text

    def blob(self, kind, content):
        """Adds a file, or a value as JSON. Returns its descriptor."""
        if isinstance(content, str):
            name, size, stream = digest(content), os.path.getsize(content), open(content, 'rb')
        else:
            text = json.dumps(content, sort_keys=True).encode()
            name, size, stream = f'sha256:{hashlib.sha256(text).hexdigest()}', len(text), io.BytesIO(text)
        with stream:
            if name not in self.there:
                self.add(place(name), stream, size)
                self.there.add(name)
        return {'mediaType': f'{OCI}.{kind}', 'digest': name, 'size': size}


def place(digest):
    return f'blobs/{digest.replace(":", "/")}'


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(options.output))) as work:
        layers = [*options.layer, *write_layers(options, work)]
        labels = dict(label.split('=', 1) for label in options.label)
        config = {'Env': ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', *options.env], 'Entrypoint': options.entrypoint}
        config.update({'User': options.user} if options.user else {})
        config.update({'StopSignal': options.stop_signal} if options.stop_signal else {})
        config.update({'Labels': labels} if labels else {})
        image = {
            'architecture': 'amd64', 'os': 'linux', 'config': config,
            'created': datetime.datetime.fromtimestamp(EPOCH, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ'),
            'rootfs': {'type': 'layers', 'diff_ids': [digest(layer) for layer in layers]},
        }
        part = f'{options.output}.part'
        archive = Archive(part)
        packed = [compressed(layer) for layer in layers] if options.compress else layers
        manifest = {
            'schemaVersion': 2, 'mediaType': f'{OCI}.manifest.v1+json',
            'config': archive.blob('config.v1+json', image),
            'layers': [archive.blob(f'layer.v1.tar{"+gzip" if options.compress else ""}', layer) for layer in packed],
            **({'annotations': labels} if labels else {}),
        }
        described = archive.blob('manifest.v1+json', manifest)
        names = {'io.containerd.image.name': options.tag, 'org.opencontainers.image.ref.name': options.tag.rpartition(':')[2]}
        described |= {'platform': {'architecture': 'amd64', 'os': 'linux'}, 'annotations': names}
        archive.text('index.json', {'schemaVersion': 2, 'mediaType': f'{OCI}.index.v1+json', 'manifests': [described]})
        archive.text('oci-layout', {'imageLayoutVersion': '1.0.0'})
        # What docker reads.
        blobs = [place(layer['digest']) for layer in manifest['layers']]
        archive.text('manifest.json', [{'Config': place(manifest['config']['digest']), 'RepoTags': [options.tag], 'Layers': blobs}])
        archive.tar.close()
        os.replace(part, options.output)
    print(f'{options.tag}@{described["digest"]}: {os.path.getsize(options.output) / 1e6:.1f} MB')


main()
