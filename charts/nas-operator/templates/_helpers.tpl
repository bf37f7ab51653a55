{{- define "nas-operator.labels" -}}
app.kubernetes.io/name: nas-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "nas-operator.selector" -}}
app.kubernetes.io/name: nas-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "nas-operator.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* What all containers of the operator's image may not do. */}}
{{- define "nas-operator.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "nas-operator.confinedPod" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* Where it looks for experiments and keeps its lease: for the operator and for its check. */}}
{{- define "nas-operator.places" -}}
- {name: NAS_LEASE_NAMESPACE, value: {{ .Release.Namespace | quote }}}
- {name: NAS_LEASE_NAME, value: {{ .Release.Name | quote }}}
{{- with .Values.watchNamespace }}
- {name: NAS_WATCH_NAMESPACE, value: {{ . | quote }}}
{{- end }}
{{- end }}
