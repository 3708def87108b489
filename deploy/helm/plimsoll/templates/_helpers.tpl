{{/* Names, labels and what agent and cache have in common. */}}

{{- define "plimsoll.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains "plimsoll" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-plimsoll" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "plimsoll.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "plimsoll.fullname" .) -}}
{{- end -}}

{{- define "plimsoll.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{- define "plimsoll.labels" -}}
{{ include "plimsoll.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: plimsoll
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "plimsoll.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The capabilities that the chosen features need, as a list. */}}
{{- define "plimsoll.capabilities" -}}
{{- $f := .Values.agent.features -}}
{{- $caps := list -}}
{{- if $f.kernelLog }}{{ $caps = append $caps "SYSLOG" }}{{ end -}}
{{- if $f.heapReports }}{{ $caps = append $caps "SYS_PTRACE" }}{{ end -}}
{{- if $f.processEvents }}{{ $caps = append $caps "NET_ADMIN" }}{{ end -}}
{{- if $f.bpf }}{{ $caps = concat $caps (list "BPF" "PERFMON") }}{{ end -}}
{{- if $f.stallEvents }}{{ $caps = append $caps "SYS_RESOURCE" }}{{ end -}}
{{- if $f.foreignFiles }}{{ $caps = append $caps "DAC_READ_SEARCH" }}{{ end -}}
{{- toJson $caps -}}
{{- end -}}

{{- define "plimsoll.hasRules" -}}
{{- if and .Values.agent.names.kubelet (not .Values.agent.names.criSocket) }}true{{ end -}}
{{- end -}}
