#!/usr/bin/env python3
"""Lists what is in a program and in its image, as SPDX 2.3 in JSON: its crates by cargo-sbom, and of the image each library with the package that it
came from. The same inputs give the same list.

  sbom.py NAME PROGRAM [IMAGE]       PROGRAM: bin/nas-operator; IMAGE: an archive by deploy/image.py

Needs cargo-sbom in NAS_CACHE/tools/bin (scripts/tool.sh); SOURCE_DATE_EPOCH is the time of the list (0).
"""

import datetime
import gzip
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import urllib.parse

root = pathlib.Path(__file__).resolve().parent.parent
cache = pathlib.Path(os.environ['NAS_CACHE'])
ID = re.compile(r'[^A-Za-z0-9.-]')


def crates(package):
    command = [cache / 'tools/bin/cargo-sbom', '--cargo-package', package, '--output-format', 'spdx_json_2_3', '--project-directory', root]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def files(image):
    """The files of an image: path, SHA-256."""
    with tarfile.open(image) as archive:
        read = lambda name: archive.extractfile(name).read()
        blob = lambda digest: archive.extractfile(f'blobs/{digest.replace(":", "/")}')
        manifest = json.load(blob(json.loads(read('index.json'))['manifests'][0]['digest']))
        for layer in manifest['layers']:
            stream = blob(layer['digest'])
            with tarfile.open(fileobj=gzip.GzipFile(fileobj=stream) if layer['mediaType'].endswith('gzip') else stream, mode='r|') as contents:
                for member in contents:
                    if member.isfile():
                        yield f'/{member.name}', hashlib.file_digest(contents.extractfile(member), 'sha256').hexdigest()


def of_debian(path):
    """The Debian package that a file of this system came with: what the image has it from."""
    for place in (path, f'/usr{path}', os.path.realpath(path)):
        found = subprocess.run(['dpkg-query', '--search', place], capture_output=True, text=True)
        if found.returncode == 0:
            name = found.stdout.split(':')[0]
            version = subprocess.run(['dpkg-query', '--show', '--showformat=${Version}', name], capture_output=True, text=True, check=True).stdout
            return name, version, f'pkg:deb/debian/{name}@{urllib.parse.quote(version)}'
    return None


def wheels():
    """What pip has installed for the image with CUDA: path below its folder -> (package, version)."""
    for record in sorted(cache.glob('pytorch-*/*.dist-info/RECORD')):
        name, _, version = record.parent.name.removesuffix('.dist-info').rpartition('-')
        for line in record.read_text().splitlines():
            yield line.split(',')[0], (name.replace('_', '-'), version)


def of_wheel(path, installed):
    """The package of PyPI that a library of libtorch or NVIDIA came with."""
    if path.startswith('/opt/pytorch/'):
        return installed.get(path.removeprefix('/opt/pytorch/'))
    if not path.startswith('/usr/local/bin/lib/'):
        return None
    pins = dict(re.findall(r'^  fetch ([a-z-]+)==(\S+)', (root / 'scripts/libtorch.sh').read_text(), re.M))
    name = {'libcudart': 'nvidia-cuda-runtime', 'libcupti': 'nvidia-cuda-cupti'}.get(os.path.basename(path).split('.')[0], 'torch')
    return name, pins[name]


def origin(path, installed):
    if found := of_wheel(path, installed):
        name, version = found
        return name, version, f'pkg:pypi/{name}@{version}'
    if path.startswith('/etc/ssl/'):
        return of_debian('/usr/sbin/update-ca-certificates')
    return of_debian(path)


def main():
    name, program, *image = sys.argv[1:]
    listed = crates(os.path.basename(program))
    own = next(package for package in listed['packages'] if package['name'] == os.path.basename(program))
    packages, relationships = {}, []
    installed = dict(wheels()) if name.endswith('-cuda') else {}
    unknown = []
    for path, digest in files(image[0]) if image else ():
        if path in (f'/usr/local/bin/{os.path.basename(program)}', '/etc/passwd', '/etc/group', '/etc/nsswitch.conf', '/usr/share/licenses/nas-operator/LICENSE'):
            continue
        found = origin(path, installed)
        if not found:
            unknown.append(path)
            continue
        package, version, purl = found
        key = ID.sub('-', f'SPDXRef-Library-{package}-{version}')
        if key not in packages:
            packages[key] = {
                'SPDXID': key, 'name': package, 'versionInfo': version, 'downloadLocation': 'NOASSERTION', 'licenseConcluded': 'NOASSERTION', 'filesAnalyzed': False,
                'externalRefs': [{'referenceCategory': 'PACKAGE-MANAGER', 'referenceType': 'purl', 'referenceLocator': purl}], 'comment': 'files:',
            }
            relationships.append({'spdxElementId': own['SPDXID'], 'relationshipType': 'DYNAMIC_LINK', 'relatedSpdxElement': key})
        packages[key]['comment'] += f' {path} sha256:{digest}'
    if unknown:
        sys.exit(f'sbom: of no package that is known: {" ".join(unknown)}')
    listed['packages'] = sorted([*listed['packages'], *packages.values()], key=lambda package: package['SPDXID'])
    listed['relationships'] = sorted([*listed['relationships'], *relationships], key=lambda relation: json.dumps(relation, sort_keys=True))
    listed['files'] = sorted(listed.get('files', []), key=lambda file: file['SPDXID'])
    listed['name'] = name
    # Of cargo-sbom both differ each time.
    listed['creationInfo']['created'] = datetime.datetime.fromtimestamp(int(os.environ.get('SOURCE_DATE_EPOCH') or 0), datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')
    del listed['documentNamespace']
    content = hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
    listed['documentNamespace'] = f'https://github.com/nas-operator/nas-operator/spdx/{name}-{content[:32]}'
    print(json.dumps(listed, indent=1, sort_keys=True))
    print(f'{name}: {len(listed["packages"]) - len(packages)} crates, {len(packages)} other packages', file=sys.stderr)


main()
