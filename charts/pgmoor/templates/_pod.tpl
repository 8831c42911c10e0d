{{/*
What the gateway's container needs wherever it runs: in the Deployment, as a sidecar, in Jobs.
Volumes begin with "pgmoor-", so that they can stand beside those of another chart.
*/}}

{{/* One Secret, readable for root and the group of the pod: of (dict "name" … "secret" … "items" (list KEY…)). */}}
{{- define "pgmoor.secretVolume" -}}
- name: pgmoor-{{ .name }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    {{- with .items }}
    items:
      {{- range . }}
      - key: {{ .key }}
        path: {{ .path | default .key }}
      {{- end }}
    {{- end }}
{{- end }}

{{/* Of (dict "root" . "config" NAME-OF-CONFIGMAP "secret" NAME-OF-THE-CHART'S-SECRET). */}}
{{- define "pgmoor.volumes" -}}
{{- $own := include "pgmoor.fullname" .root }}
{{- $chosen := .secret -}}
- name: pgmoor-config
  configMap:
    name: {{ .config }}
- name: pgmoor-run
  emptyDir:
    sizeLimit: 16Mi
- name: pgmoor-tmp
  emptyDir:
    sizeLimit: 64Mi
{{- with .root.Values.schema.existingConfigMap }}
- name: pgmoor-migrations
  configMap:
    name: {{ . }}
{{- end }}
{{- with .root }}
{{- with include "pgmoor.auth.secret" . }}
{{ include "pgmoor.secretVolume" (dict "name" "auth" "secret" (ternary $chosen . (eq . $own)) "items" (list (dict "key" (include "pgmoor.auth.secretKey" $.root)))) }}
{{- end }}
{{- with .Values.external }}
{{- if and .useUri .existingSecret }}
{{ include "pgmoor.secretVolume" (dict "name" "external" "secret" .existingSecret "items" (list (dict "key" .secretKeys.uri))) }}
{{- else if include "pgmoor.external.hasPassword" $.root }}
{{- if .existingSecret }}
{{ include "pgmoor.secretVolume" (dict "name" "external" "secret" .existingSecret "items" (list (dict "key" .secretKeys.password))) }}
{{- else }}
{{ include "pgmoor.secretVolume" (dict "name" "external" "secret" $chosen "items" (list (dict "key" "external-password" "path" "password"))) }}
{{- end }}
{{- end }}
{{- if .ca.existingSecret }}
{{ include "pgmoor.secretVolume" (dict "name" "ca" "secret" .ca.existingSecret "items" (list (dict "key" .ca.key))) }}
{{- else if .ca.existingConfigMap }}
- name: pgmoor-ca
  configMap:
    name: {{ .ca.existingConfigMap }}
    items:
      - key: {{ .ca.key }}
        path: {{ .ca.key }}
{{- end }}
{{- with .clientCertificate }}
{{- if .existingSecret }}
{{ include "pgmoor.secretVolume" (dict "name" "client-certificate" "secret" .existingSecret "items" (list (dict "key" .certificateKey) (dict "key" .privateKeyKey))) }}
{{- end }}
{{- end }}
{{- end }}
{{- if include "pgmoor.hasBundled" . }}
{{ include "pgmoor.secretVolume" (dict "name" "bundled" "secret" (ternary $chosen (include "pgmoor.bundled.secret" .) (eq (include "pgmoor.bundled.secret" .) $own)) "items" (list (dict "key" (include "pgmoor.bundled.secretKey" .)))) }}
{{- with .Values.bundled.tls.existingSecret }}
{{ include "pgmoor.secretVolume" (dict "name" "bundled-tls" "secret" . "items" (list (dict "key" "ca.crt"))) }}
{{- end }}
{{- end }}
{{- with .Values.tls }}
{{- with .existingSecret }}
{{ include "pgmoor.secretVolume" (dict "name" "tls" "secret" . "items" (list (dict "key" "tls.crt") (dict "key" "tls.key"))) }}
{{- end }}
{{- if and .existingSecret .clientCa.existingSecret }}
{{ include "pgmoor.secretVolume" (dict "name" "client-ca" "secret" .clientCa.existingSecret "items" (list (dict "key" .clientCa.key))) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where the volumes above go: the same list, by its names. */}}
{{- define "pgmoor.volumeMounts" -}}
{{- range include "pgmoor.volumes" (dict "root" . "config" "any" "secret" "any") | fromYamlArray }}
{{- $name := trimPrefix "pgmoor-" .name }}
- name: {{ .name }}
  {{- if has $name (list "config" "migrations") }}
  mountPath: /etc/pgmoor/{{ $name }}
  readOnly: true
  {{- else if eq $name "run" }}
  mountPath: /run/pgmoor
  {{- else if eq $name "tmp" }}
  mountPath: /tmp
  {{- else }}
  mountPath: /etc/pgmoor/secrets/{{ $name }}
  readOnly: true
  {{- end }}
{{- end }}
{{- end }}

{{/* Parts of the address that a Secret has; what is secret comes by file instead. */}}
{{- define "pgmoor.env" -}}
- name: PGMOOR_CONFIG
  value: /etc/pgmoor/config/pgmoor.yaml
{{- range $part, $variable := dict "host" "DATABASE_HOST" "port" "DATABASE_PORT" "user" "DATABASE_USER" "dbname" "DATABASE_NAME" }}
{{- if include "pgmoor.fromSecret" (dict "root" $ "part" $part) }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.external.existingSecret }}
      key: {{ index $.Values.external.secretKeys $part }}
      {{- if eq $part "port" }}
      optional: true
      {{- end }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What a gateway's container is, beside its name and how its pod treats it. */}}
{{- define "pgmoor.container" -}}
image: {{ include "pgmoor.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
env:
  {{- include "pgmoor.env" . | nindent 2 }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- include "pgmoor.volumeMounts" . | trim | nindent 2 }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* What it is besides, where it serves. */}}
{{- define "pgmoor.serving" -}}
args: [up]
ports:
  - name: postgres
    containerPort: 6432
  - name: admin
    containerPort: 6433
startupProbe:
  httpGet: { path: /startup, port: admin }
  {{- toYaml .Values.probes.startup | nindent 2 }}
readinessProbe:
  httpGet: { path: /readiness, port: admin }
  {{- toYaml .Values.probes.readiness | nindent 2 }}
livenessProbe:
  httpGet: { path: /liveness, port: admin }
  {{- toYaml .Values.probes.liveness | nindent 2 }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
{{- end }}

{{/* Labels and annotations by which a cloud knows the pod and its service account. */}}
{{- define "pgmoor.identity.podLabels" -}}
{{- if eq .Values.identity.provider "azure" }}
azure.workload.identity/use: "true"
{{- end }}
{{- end }}

{{- define "pgmoor.identity.annotations" -}}
{{- with .Values.identity }}
{{- if and (eq .provider "aws") .aws.roleArn }}
eks.amazonaws.com/role-arn: {{ .aws.roleArn | quote }}
{{- else if and (eq .provider "google") .google.serviceAccount }}
iam.gke.io/gcp-service-account: {{ .google.serviceAccount | quote }}
{{- else if eq .provider "azure" }}
{{- with .azure.clientId }}
azure.workload.identity/client-id: {{ . | quote }}
{{- end }}
{{- with .azure.tenantId }}
azure.workload.identity/tenant-id: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What all pods of the chart that run pgmoor have in their spec. */}}
{{- define "pgmoor.podSpec" -}}
# A Service called pgmoor would put variables of our prefix into the environment.
enableServiceLinks: false
automountServiceAccountToken: {{ .Values.automountServiceAccountToken }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
