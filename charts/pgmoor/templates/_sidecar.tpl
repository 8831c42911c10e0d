{{/*
For other charts that have this one as a dependency, with mode: sidecar:

  initContainers:
    {{- include "pgmoor.sidecar" .Subcharts.pgmoor | nindent 4 }}
  volumes:
    {{- include "pgmoor.sidecar.volumes" .Subcharts.pgmoor | nindent 4 }}

It is a native sidecar: it serves before the containers start, and ends after them, also in Jobs. The
application connects to 127.0.0.1:6432 without a password; nobody outside of the pod can.
*/}}
{{- define "pgmoor.sidecar" -}}
- name: pgmoor
  restartPolicy: Always
  {{- include "pgmoor.container" . | nindent 2 }}
  {{- include "pgmoor.serving" . | nindent 2 }}
{{- end }}

{{- define "pgmoor.sidecar.volumes" -}}
{{- include "pgmoor.volumes" (dict "root" . "config" (include "pgmoor.fullname" .) "secret" (include "pgmoor.fullname" .)) }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where the application finds its database. */}}
{{- define "pgmoor.sidecar.env" -}}
- name: PGHOST
  value: "127.0.0.1"
- name: PGPORT
  value: "6432"
- name: PGUSER
  value: {{ .Values.auth.user | quote }}
- name: PGDATABASE
  value: {{ .Values.database.name | quote }}
{{- end }}
