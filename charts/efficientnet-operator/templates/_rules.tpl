{{/* What the operator does in a namespace; tests/deploy/test_rbac.py names the call for each. */}}
{{- define "efficientnet-operator.rules" -}}
rules:
  - apiGroups: [efficientnet.dev]
    resources: [efficientnetjobs]
    verbs: [list, watch, delete]
  - apiGroups: [efficientnet.dev]
    resources: [efficientnetjobs/status]
    verbs: [patch]
  # Owner references that block deletion need it where OwnerReferencesPermissionEnforcement is on.
  - apiGroups: [efficientnet.dev]
    resources: [efficientnetjobs/finalizers]
    verbs: [update]
  - apiGroups: [""]
    resources: [pods]
    verbs: [get, list, watch, create, patch, delete]
  - apiGroups: [""]
    resources: [configmaps]
    verbs: [get, list, watch, create, patch, delete]
  - apiGroups: [""]
    resources: [events]
    verbs: [create]
  # Of Kubernetes itself, Volcano and Coscheduling; one that is not installed costs nothing.
  - apiGroups: [scheduling.k8s.io, scheduling.volcano.sh, scheduling.x-k8s.io]
    resources: [podgroups]
    verbs: [get, list, watch, create, delete]
  {{- if .Values.kueue.enabled }}
  - apiGroups: [kueue.x-k8s.io]
    resources: [workloads]
    verbs: [get, list, watch, create, patch, delete]
  - apiGroups: [kueue.x-k8s.io]
    resources: [workloads/status]
    verbs: [patch]
  {{- end }}
{{- end }}
