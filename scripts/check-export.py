"""Does the network that `nasctl export` wrote give what the trainer gave? Compares its scores of the images that the export holds with the trainer's, and
sees that those of no other network would pass. Measures it on all test images of an IDX data set and compares accuracy and loss with those that the trainer
reported of the same weights. The best of a run is taken by the Python package, and its value compared.

    check-export.py EXPORT DATA EVALUATION    (a folder, a folder, the trainer's last line of curve.jsonl)
    check-export.py RUN DATA                  (the folder of a run whose value is the accuracy on the test images; needs nas_operator)
"""
import gzip
import importlib.util
import json
import pathlib
import subprocess
import sys

import torch

export, data = map(pathlib.Path, sys.argv[1:3])
if (export / "journal.jsonl").exists():
    from nas_operator import Client

    best = Client().search(export).best()
    network = best.module()
    normalize, expected = network.normalize, {"accuracy": best.value}
else:
    expected = json.loads(sys.argv[3])["metrics"]
    spec = importlib.util.spec_from_file_location("model", export / "model.py")
    model = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)
    network, normalize = model.load(), model.normalize
    subprocess.run([sys.executable, export / "model.py", "--check"], check=True)


def idx(name):
    path = next(path for path in (data / name, data / f"{name}.gz") if path.exists())
    raw = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    sides = [int.from_bytes(raw[4 + 4 * at : 8 + 4 * at], "big") for at in range(raw[3])]
    return torch.frombuffer(bytearray(raw[4 + 4 * len(sides) :]), dtype=torch.uint8).reshape(sides)


images = normalize(idx("t10k-images-idx3-ubyte").unsqueeze(1).float() / 255)
labels = idx("t10k-labels-idx1-ubyte").long()
torch.set_num_threads(1)
with torch.no_grad():
    scores = torch.cat([network(part) for part in images.split(100)])
accuracy = (scores.argmax(1) == labels).double().mean().item()
loss = torch.nn.functional.cross_entropy(scores, labels, reduction="none").double().mean().item()
print(f"check-export: {len(labels)} test images: accuracy {accuracy}, loss {loss:.9f} (trainer: {expected})")
assert abs(accuracy - expected["accuracy"]) < 1e-9, "another accuracy"
assert abs(loss - expected.get("loss", loss)) < 1e-6 * loss, "another loss"


def passes(changed):
    difference, greatest = model.check(changed)
    return difference <= model.TOLERANCE * max(1.0, greatest)


if "loss" in expected:
    # The images are among those that were just measured: what the trainer kept of them are their bytes.
    kept = model.read_tensors(model.REFERENCE)
    assert torch.equal(kept["images"], idx("t10k-images-idx3-ubyte")[: len(kept["images"])].unsqueeze(1)), "other images"
    assert passes(network)
    # One number of each tensor 0.1 off. Not of the head that only trains; and a few channels are zero behind their ReLU, in so few images.
    named = [(name, tensor) for name, tensor in network.state_dict().items() if tensor.is_floating_point() and "auxiliary_head" not in name]
    unseen = []
    for name, tensor in named:
        flat = tensor.view(-1)
        at = flat.abs().argmax()
        before = flat[at].item()
        flat[at] += 0.1
        if passes(network):
            unseen.append(name)
        flat[at] = before
    assert passes(network)
    print(f"check-export: a number that is 0.1 off is seen in {len(named) - len(unseen)} of {len(named)} tensors; not in {unseen}")
    assert len(unseen) <= len(named) // 20, "a wrong weight would pass"
