#!/usr/bin/env bash
# Is what the search finds better than a random configuration that is trained as long? For each of 5 seeds: the quickstart's search, then
# its winner and 9 random configurations (architecture and learning rate), each trained for 180 batches on all training images and measured on the 1,000 test images.
# Prints a table, writes it to docs/results/winner.md, and fails if the winners are not better than the median random configuration on
# average. About 40 minutes on two cores.
#
#   scripts/verify-winner.sh [SEED]...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
seeds=("$@")
if [ ${#seeds[@]} -eq 0 ]; then seeds=(1 2 3 4 5); fi
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
cp -a bin "$work/bin" # a build in the meantime must not change the programs

for seed in "${seeds[@]}"; do
  sed "s/^  seed: .*/  seed: $seed/" configs/quickstart.yaml >"$work/search-$seed.yaml"
  "$work/bin/nasctl" run "$work/search-$seed.yaml" --dir "$work/search-$seed"
  "$work/bin/nasctl" describe "$work/search-$seed" --output json >"$work/search-$seed.json"
  python3 - "$work" "$seed" <<'PY'
import json, re, sys
work, seed = sys.argv[1], int(sys.argv[2])
text = open(f'{work}/search-{seed}.yaml').read()
text = re.sub(r'scheduler: .*', 'scheduler: {fullLength: {}}', text)
text = text.replace('name: fashion-mnist', 'name: fashion-mnist, validation: Final')
found = json.load(open(f'{work}/search-{seed}.json'))
winner = found['trials'][found['best']['trial']]['spec']['assignment']
fixed = ', '.join(f'{name}: {value}' for name, value in winner.items() if re.match('(normal|reduce)_node', name))
alone = re.sub(r'maxTrials: .*', 'maxTrials: 1', text)
alone = alone.replace('darts: {}', f'darts: {{fixed: {{{fixed}}}}}')
alone = re.sub(r'(name: learning_rate), double: {.*?}', rf'\1, constant: {winner["learning_rate"]}', alone)
assert 'double' not in alone
open(f'{work}/winner-{seed}.yaml', 'w').write(alone)
# Other configurations than those of the search.
random = re.sub(r'maxTrials: .*', 'maxTrials: 9', text)
open(f'{work}/random-{seed}.yaml', 'w').write(re.sub(r'seed: .*', f'seed: {1000 + seed}', random))
PY
  for kind in winner random; do
    "$work/bin/nasctl" run "$work/$kind-$seed.yaml" --dir "$work/$kind-$seed"
    "$work/bin/nasctl" describe "$work/$kind-$seed" --output json >"$work/$kind-$seed.json"
  done
done

mkdir -p docs/results
python3 - "$work" "$commit" "${seeds[@]}" <<'PY' | tee docs/results/winner.md
import datetime, json, statistics, sys
work, commit, seeds = sys.argv[1], sys.argv[2], sys.argv[3:]
values = lambda kind, seed: [trial['status']['rungs'][-1].get('value', 0) for trial in json.load(open(f'{work}/{kind}-{seed}.json'))['trials']]
print(f'''# Is the winner better than chance?

Made by `make verify-winner` at commit {commit} on {datetime.date.today()}.

For each seed: the search of `configs/quickstart.yaml` (27 trials, rungs of 20, 60 and 180 batches), then its winner and 9 random
configurations of the same space (architecture and learning rate), each trained for 180 batches on all 5,000 training images. Accuracy
on the 1,000 test images, which no search has seen; its standard error is about 0.013.

| seed | winner | median of 9 random | best of 9 random |
| ---: | -----: | -----------------: | ---------------: |''')
gains = []
for seed in seeds:
    winner, random = values('winner', seed)[0], values('random', seed)
    gains.append(winner - statistics.median(random))
    print(f'| {seed} | {winner:.3f} | {statistics.median(random):.3f} | {max(random):.3f} |')
mean = statistics.mean(gains)
print(f'\nThe winner is better than the median by {mean:.3f} on average, in {sum(gain > 0 for gain in gains)} of {len(gains)} searches.')
sys.exit(mean <= 0)
PY
