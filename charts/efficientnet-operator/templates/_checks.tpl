{{/*
Mistakes that the schema cannot tell, in words with the way out. What could not work fails here,
before anything is applied.
*/}}
{{- define "efficientnet-operator.checks" -}}
{{- with .Values.image.repository -}}
{{- if regexMatch "(:[^/]*|@.*)$" . -}}
{{- fail (printf "image.repository is %q, which names a tag or a digest; put that into image.tag or image.digest" .) -}}
{{- end -}}
{{- end -}}
{{- $own := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" -}}
{{- range $value := list "commonLabels" "podLabels" -}}
{{- range $label := keys (index $.Values $value) -}}
{{- if has $label $own -}}
{{- fail (printf "%s sets %s, a label that the chart sets itself; choose another key, or set nameOverride" $value $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $flags := dict "--port" "" "--lease" "" "--log-format" "logFormat" "--job-series" "jobSeries" "--progress-interval" "progressIntervalSeconds" "--kueue" "kueue.enabled" "--selector" "selector" "--no-chip-health" "chipHealth.enabled" "--namespace" "watchNamespaces" -}}
{{- range .Values.extraArgs -}}
{{- $flag := splitList "=" . | first -}}
{{- if hasKey $flags $flag -}}
{{- $value := get $flags $flag -}}
{{- fail (printf "extraArgs has %s, which the chart sets itself; %s" $flag (empty $value | ternary "leave it out" (printf "set %s instead" $value))) -}}
{{- end -}}
{{- end -}}
{{- if .Values.networkPolicy.enabled -}}
{{- if not (or .Values.networkPolicy.jobNamespaces .Values.watchNamespaces) -}}
{{- fail "networkPolicy.enabled is true, but policies belong to namespaces and the operator looks after all of them; name those of the trainers in networkPolicy.jobNamespaces or watchNamespaces" -}}
{{- end -}}
{{- end -}}
{{- end }}
