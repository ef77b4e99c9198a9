#!/usr/bin/env bash
# Write deploy/{rbac,operator,monitoring} from the chart: one source for helm and for kubectl.
#
# Usage: tools/manifests.sh [DIR]     DIR/{rbac,operator,monitoring}; default: this repository's deploy
#
# `make verify` runs it and fails on a difference. What is written by hand
# there (the namespace, kustomization.yaml) stays as it is.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
chart=$here/../charts/efficientnet-operator
out=${1:-$here/../deploy}
helm=$("$here/binaries.sh" path helm)
# Here no cluster says whether it has the Prometheus Operator; deploy/monitoring is for those that do.
options=(--namespace efficientnet-system --set serviceMonitor.enabled=true,podMonitor.enabled=true,prometheusRule.enabled=true,dashboards.enabled=true)
[ -x "$helm" ] || { echo "manifests: helm is not built; run tools/binaries.sh build helm" >&2; exit 1; }

# render FILE TEMPLATE...
render() {
  local file=$out/$1 template shown=(); shift
  for template; do shown+=(--show-only "templates/$template.yaml"); done
  mkdir -p "$(dirname "$file")"
  {
    echo "# Generated from charts/efficientnet-operator by \`make verify\`; do not edit."
    # kubectl manages these: what says that helm does would mislead both.
    "$helm" template efficientnet-operator "$chart" "${options[@]}" "${shown[@]}" |
      sed -e '/^ *app\.kubernetes\.io\/managed-by: Helm$/d' -e '/^ *helm\.sh\/chart:/d' \
          -e '/^# Source: /d' -e '/^$/d'
  } >"$file.new"
  mv "$file.new" "$file"
}

render rbac/service-account.yaml service-account
render rbac/operator-role.yaml operator-role
render rbac/node-access.yaml node-access
render rbac/lease.yaml lease
render rbac/user-roles.yaml user-roles
render operator/deployment.yaml deployment
render operator/pod-disruption-budget.yaml pod-disruption-budget
render operator/service.yaml service
render monitoring/monitors.yaml monitors
render monitoring/alerts.yaml prometheus-rule
render monitoring/dashboards.yaml dashboards
