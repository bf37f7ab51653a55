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
