{{/* Names that several templates must agree on. */}}

{{- define "qianyun.fullname" -}}
{{- if contains "qianyun" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-qianyun" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "qianyun.controller" -}}
{{ include "qianyun.fullname" . }}-controller
{{- end }}

{{- define "qianyun.gateway" -}}
{{ include "qianyun.fullname" . }}-gateway
{{- end }}

{{- define "qianyun.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "qianyun.controller" .) }}
{{- end }}

{{- define "qianyun.gatewayUrl" -}}
{{ .Values.gateway.url | default (printf "https://%s.%s.svc:%d" (include "qianyun.gateway" .) .Release.Namespace (int .Values.gateway.port)) }}
{{- end }}

{{- define "qianyun.selector" -}}
app.kubernetes.io/name: qianyun
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "qianyun.labels" -}}
{{ include "qianyun.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* The user that the admission policies know as the controller, as a CEL string. */}}
{{- define "qianyun.controllerUser" -}}
'system:serviceaccount:{{ .Release.Namespace }}:{{ include "qianyun.serviceAccount" . }}'
{{- end }}

{{/* The user that they know as its gateway. */}}
{{- define "qianyun.gatewayUser" -}}
'system:serviceaccount:{{ .Release.Namespace }}:{{ include "qianyun.gateway" . }}'
{{- end }}

{{/* Kubernetes' own cleaners, as a CEL list. */}}
{{- define "qianyun.cleaners" -}}
[{{ range $i, $user := .Values.clusterCleaners }}{{ if $i }}, {{ end }}'{{ $user }}'{{ end }}]
{{- end }}

{{/* What everyone with a part in a migration may read: no Secret is among it. */}}
{{- define "qianyun.readRules" -}}
- apiGroups: [migration.qianyun.dev]
  resources:
    - policyprofiles
    - workcalendars
    - freezeperiods
    - cloudplatforms
    - departments
    - migrationplans
    - informationsystems
    - hostenrollments
    - physicalhosts
    - checkwaivers
    - systemmigrations
    - hostmigrations
    - approvals
    - custodyrecords
  verbs: [get, list, watch]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [get, list, watch]
{{- end }}

{{/* Subjects of a binding from {groups, users}. */}}
{{- define "qianyun.subjects" -}}
{{- range .groups }}
- {kind: Group, apiGroup: rbac.authorization.k8s.io, name: {{ . | quote }}}
{{- end }}
{{- range .users }}
- {kind: User, apiGroup: rbac.authorization.k8s.io, name: {{ . | quote }}}
{{- end }}
{{- end }}
