{{/*
Jobs that are hooks, and run before anything is changed. What they need does not exist yet before an install,
so they bring copies of ConfigMap and Secret, which are hooks too. A service account cannot be brought: clouds
know it by its name, and a hook of that name would be in the way of the real one. So where the chart makes the
account and a cloud's identity is to log in, they run after the install, and before upgrades.
*/}}

{{- define "pgmoor.hooks.name" -}}
{{ include "pgmoor.fullname" . }}-hooks
{{- end }}

{{- define "pgmoor.hooks.byIdentity" -}}
{{- if or .Values.identity.provider .Values.external.cloudSql }}true{{ end }}
{{- end }}

{{- define "pgmoor.hooks.account" -}}
{{- if or (include "pgmoor.hooks.byIdentity" .) (not .Values.serviceAccount.create) }}
{{- include "pgmoor.serviceAccountName" . }}
{{- else -}}
default
{{- end }}
{{- end }}

{{/* Of (dict "root" . "weight" "0"). */}}
{{- define "pgmoor.hooks.annotations" -}}
helm.sh/hook: {{ ternary "post-install" "pre-install" (and (include "pgmoor.hooks.byIdentity" .root) .root.Values.serviceAccount.create | not | not) }},pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
# A Job that failed stays, with its log, until the next one; Helm 4 shows the log by itself.
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* Of (dict "root" . "component" "check" "weight" "0" "deadline" SECONDS "args" (list …)). */}}
{{- define "pgmoor.hooks.job" -}}
{{- $name := printf "%s-%s" (include "pgmoor.fullname" .root) .component }}
{{- $annotations := merge (dict "helm.sh/hook-output-log-policy" "hook-failed") (include "pgmoor.hooks.annotations" . | fromYaml) }}
{{- $component := .component }}
{{- $deadline := .deadline }}
{{- $args := .args }}
{{- with .root -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "pgmoor.metadata" (dict "root" . "component" $component "name" $name "annotations" $annotations) | nindent 2 }}
spec:
  backoffLimit: 0
  activeDeadlineSeconds: {{ $deadline }}
  template:
    metadata:
      labels:
        {{- include "pgmoor.selectorLabels" (dict "root" . "component" $component) | nindent 8 }}
        {{- with merge (dict) .Values.podLabels (include "pgmoor.identity.podLabels" . | fromYaml) .Values.commonLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      restartPolicy: Never
      {{- include "pgmoor.podSpec" . | nindent 6 }}
      serviceAccountName: {{ include "pgmoor.hooks.account" . }}
      {{- with .Values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ $component }}
          {{- include "pgmoor.container" . | nindent 10 }}
          args:
            {{- toYaml $args | nindent 12 }}
          resources:
            {{- toYaml .Values.resources | nindent 12 }}
      volumes:
        {{- $own := include "pgmoor.hooks.name" . }}
        {{- include "pgmoor.volumes" (dict "root" . "config" $own "secret" $own) | nindent 8 }}
        {{- with .Values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}
{{- end }}
