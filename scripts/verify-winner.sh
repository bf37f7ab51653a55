#!/usr/bin/env bash
# Is what the search finds better than a random architecture that is trained as long? For each of 5 seeds: the quickstart's search, then
# its winner and 9 random architectures, each trained for 180 batches on all training images and measured on the 1,000 test images.
# Prints a table and fails if the winners are not better than the median random architecture on average. About 40 minutes on two cores.
#
#   scripts/verify-winner.sh [SEED]...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
seeds=("$@")
if [ ${#seeds[@]} -eq 0 ]; then seeds=(1 2 3 4 5); fi

for seed in "${seeds[@]}"; do
  sed "s/^  seed: .*/  seed: $seed/" configs/quickstart.yaml >"$work/search-$seed.yaml"
  bin/nasctl run "$work/search-$seed.yaml" --dir "$work/search-$seed"
  bin/nasctl describe "$work/search-$seed" --output json >"$work/search-$seed.json"
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
open(f'{work}/winner-{seed}.yaml', 'w').write(alone.replace('darts: {}', f'darts: {{fixed: {{{fixed}}}}}'))
# Other architectures than those of the search.
random = re.sub(r'maxTrials: .*', 'maxTrials: 9', text)
open(f'{work}/random-{seed}.yaml', 'w').write(re.sub(r'seed: .*', f'seed: {1000 + seed}', random))
PY
  for kind in winner random; do
    bin/nasctl run "$work/$kind-$seed.yaml" --dir "$work/$kind-$seed"
    bin/nasctl describe "$work/$kind-$seed" --output json >"$work/$kind-$seed.json"
  done
done

python3 - "$work" "${seeds[@]}" <<'PY'
import json, statistics, sys
work, seeds = sys.argv[1], sys.argv[2:]
values = lambda kind, seed: [trial['status']['rungs'][-1].get('value', 0) for trial in json.load(open(f'{work}/{kind}-{seed}.json'))['trials']]
print('\nAccuracy on the 1,000 test images after 180 batches\n\n  seed  winner  median of 9 random')
gains = []
for seed in seeds:
    winner, median = values('winner', seed)[0], statistics.median(values('random', seed))
    gains.append(winner - median)
    print(f'  {seed:>4}  {winner:6.3f}  {median:6.3f}')
mean = statistics.mean(gains)
print(f'\nThe winner is better by {mean:.3f} on average, in {sum(gain > 0 for gain in gains)} of {len(gains)} searches.')
sys.exit(mean <= 0)
PY
