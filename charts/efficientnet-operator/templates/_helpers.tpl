{{- define "efficientnet-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* A release that already bears the chart's name does not say it twice. */}}
{{- define "efficientnet-operator.fullname" -}}
{{- $name := include "efficientnet-operator.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $full .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "efficientnet-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "efficientnet-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "efficientnet-operator.labels" -}}
{{ include "efficientnet-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Metadata of an object: root, name; where it has them namespace, labels and annotations. */}}
{{- define "efficientnet-operator.metadata" -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "efficientnet-operator.labels" .root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "efficientnet-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "efficientnet-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.create is false and serviceAccount.name is empty; name an existing ServiceAccount of the release's namespace, or set serviceAccount.create=true" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "efficientnet-operator.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Whom every binding of the operator names. */}}
{{- define "efficientnet-operator.subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "efficientnet-operator.serviceAccountName" . }}
    namespace: {{ .Release.Namespace }}
{{- end }}

{{/* "true" where a value that may be `auto` asks for a kind of the Prometheus Operator. */}}
{{- define "efficientnet-operator.wants" -}}
{{- if kindIs "bool" .enabled -}}
{{- if .enabled }}true{{ end -}}
{{- else if .root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind) -}}
true
{{- end -}}
{{- end }}

{{/* Selects every trainer, whatever its job. */}}
{{- define "efficientnet-operator.trainers" -}}
matchExpressions:
  - key: efficientnet.dev/job-name
    operator: Exists
{{- end }}

{{/* Of the pod of `helm test`; not the selector's, or the Service would send requests to it. */}}
{{- define "efficientnet-operator.testLabels" -}}
app.kubernetes.io/name: {{ include "efficientnet-operator.name" . | trunc 58 }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
