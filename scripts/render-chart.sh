#!/usr/bin/env bash
# Renders the chart with each of charts/nas-operator/ci/*-values.yaml into charts/nas-operator/ci/rendered/, so that a change of the chart shows
# as what it changes. The definitions, which are those of crds/, and the dashboard are left out.
#
#   NAS_PROGRAMS=... scripts/render-chart.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../charts/nas-operator"

rm -rf ci/rendered
mkdir -p ci/rendered
for values in ci/*-values.yaml; do
  name=$(basename "$values" -values.yaml)
  "$NAS_PROGRAMS/helm" template nas-operator . --namespace nas-system --values "$values" --set crds.enabled=false |
    awk '/^  nas-operator.json: \|$/ { print "  nas-operator.json: (files/monitoring/dashboard.json)"; skip = 1; next }
         skip && /^(    .*)?$/ { next }
         { skip = 0; print }' >"ci/rendered/$name.yaml"
done
