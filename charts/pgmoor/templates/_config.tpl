{{/*
The pgmoor.yaml of the release, made of the values; secrets are named in it, never written.

Where things are in a container: /etc/pgmoor/config/pgmoor.yaml, /etc/pgmoor/secrets/NAME/KEY, and what it
writes in /run/pgmoor.
*/}}

{{/* "true" when an external database is configured. */}}
{{- define "pgmoor.hasExternal" -}}
{{- with .Values.external }}
{{- if or .host .url .existingSecret .cloudSql ($.Values.config).endpoints }}true{{ end }}
{{- end }}
{{- end }}

{{/* "true" when the bundled PostgreSQL is to run. */}}
{{- define "pgmoor.hasBundled" -}}
{{- $wanted := toString .Values.bundled.enabled }}
{{- if eq $wanted "true" }}true
{{- else if and (eq $wanted "auto") (not (include "pgmoor.hasExternal" .)) }}true
{{- end }}
{{- end }}

{{/*
Whether a part of the address comes from the Secret: of (dict "root" . "part" "host"). A Secret may have a
password and nothing else; one that has a host has the rest.
*/}}
{{- define "pgmoor.fromSecret" -}}
{{- with .root.Values.external }}
{{- $asked := or (not .host) (eq $.part "user") }}
{{- if and $asked .existingSecret (not .useUri) (not .url) (not .cloudSql) (not (index . $.part)) }}true{{ end }}
{{- end }}
{{- end }}

{{/* A value in a connection string of keywords and values. */}}
{{- define "pgmoor.quoted" -}}
'{{ toString . | replace "\\" "\\\\" | replace "'" "\\'" }}'
{{- end }}

{{/* The address by keywords, which need no percent-encoding. */}}
{{- define "pgmoor.external.address" -}}
{{- $words := list }}
{{- range $part, $variable := dict "host" "DATABASE_HOST" "port" "DATABASE_PORT" "user" "DATABASE_USER" "dbname" "DATABASE_NAME" }}
{{- if include "pgmoor.fromSecret" (dict "root" $ "part" $part) }}
{{- $words = append $words (printf "%s='${%s%s}'" $part $variable (ternary ":-5432" "" (eq $part "port"))) }}
{{- else }}
{{- with index $.Values.external $part }}
{{- $words = append $words (printf "%s=%s" $part (include "pgmoor.quoted" .)) }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.external }}
{{- $words = append $words (printf "sslmode=%s" .sslmode) }}
{{- if has .sslmode (list "verify-ca" "verify-full") }}
{{- $words = append $words (printf "sslrootcert=%s" (ternary (printf "/etc/pgmoor/secrets/ca/%s" .ca.key) "system" (or .ca.existingSecret .ca.existingConfigMap | not | not))) }}
{{- end }}
{{- if .clientCertificate.existingSecret }}
{{- $words = append $words (printf "sslcert=/etc/pgmoor/secrets/client-certificate/%s" .clientCertificate.certificateKey) }}
{{- $words = append $words (printf "sslkey=/etc/pgmoor/secrets/client-certificate/%s" .clientCertificate.privateKeyKey) }}
{{- end }}
{{- range $name, $value := .parameters }}
{{- $words = append $words (printf "%s=%s" $name (include "pgmoor.quoted" $value)) }}
{{- end }}
{{- end }}
{{- join " " $words }}
{{- end }}

{{/* Whether a password file is mounted for the external endpoint. */}}
{{- define "pgmoor.external.hasPassword" -}}
{{- with .Values.external }}
{{- if and (or .existingSecret .password) (not .useUri) (not $.Values.identity.provider) (not .credential) }}true{{ end }}
{{- end }}
{{- end }}

{{/* The share of one replica of a number of connections: of (dict "root" . "all" 90). */}}
{{- define "pgmoor.share" -}}
{{- with .root.Values }}
{{- $replicas := ternary .autoscaling.maxReplicas .replicas .autoscaling.enabled | int }}
{{- $surge := .strategy.rollingUpdate.maxSurge | toString }}
{{- $extra := ternary (int $surge) 1 (regexMatch "^[0-9]+$" $surge) }}
{{- max 1 (div (int $.all) (add $replicas $extra)) }}
{{- end }}
{{- end }}

{{- define "pgmoor.external.endpoint" -}}
{{- $endpoint := dict }}
{{- $credential := dict }}
{{- with .Values.external }}
{{- if .cloudSql }}
{{- $_ := set $endpoint "cloud_sql" .cloudSql }}
{{- else if .url }}
{{- $_ := set $endpoint "url" .url }}
{{- else if .useUri }}
{{- $_ := set $endpoint "url" (printf "file:/etc/pgmoor/secrets/external/%s" .secretKeys.uri) }}
{{- else }}
{{- $_ := set $endpoint "url" (include "pgmoor.external.address" $) }}
{{- end }}
{{- if include "pgmoor.external.hasPassword" $ }}
{{- $_ := set $credential "file" (printf "/etc/pgmoor/secrets/external/%s" (ternary .secretKeys.password "password" (not (empty .existingSecret)))) }}
{{- else if and $.Values.identity.provider (not .cloudSql) }}
{{- $_ := set $credential "provider" $.Values.identity.provider }}
{{- else if and .clientCertificate.existingSecret (not .useUri) }}
{{- $_ := set $credential "provider" "none" }}
{{- end }}
{{- $credential = mergeOverwrite $credential .credential }}
{{- if $credential }}{{ $_ := set $endpoint "credential" $credential }}{{ end }}
{{- if .maxConnections }}
{{- $_ := set $endpoint "max_connections" (include "pgmoor.share" (dict "root" $ "all" .maxConnections) | int) }}
{{- end }}
{{- end }}
{{- toYaml $endpoint }}
{{- end }}

{{- define "pgmoor.bundled.endpoint" -}}
{{- $tls := "sslmode=disable" }}
{{- if .Values.bundled.tls.existingSecret }}
{{- $tls = "sslmode=verify-full sslrootcert=/etc/pgmoor/secrets/bundled-tls/ca.crt" }}
{{- end }}
url: {{ printf "host=%s.%s.svc port=5432 user=%s dbname=%s %s" (include "pgmoor.bundled.name" .) .Release.Namespace (include "pgmoor.quoted" .Values.bundled.user) (include "pgmoor.quoted" .Values.bundled.dbname) $tls | quote }}
credential:
  file: /etc/pgmoor/secrets/bundled/{{ include "pgmoor.bundled.secretKey" . }}
# A server has max_connections, less three for its superuser and two to look at it with.
max_connections: {{ include "pgmoor.share" (dict "root" . "all" (sub (.Values.bundled.parameters.max_connections | default 100 | int) 5)) }}
{{- end }}

{{/* The Secret and key with the password that clients log in with; empty when config says who may. */}}
{{- define "pgmoor.auth.secret" -}}
{{- with .Values }}
{{- if .auth.existingSecret }}{{ .auth.existingSecret }}
{{- else if .auth.password }}{{ include "pgmoor.fullname" $ }}
{{- else if and .external.existingSecret (not .external.useUri) (not .identity.provider) }}{{ .external.existingSecret }}
{{- else if .external.password }}{{ include "pgmoor.fullname" $ }}
{{- end }}
{{- end }}
{{- end }}
{{- define "pgmoor.auth.secretKey" -}}
{{- with .Values }}
{{- if .auth.existingSecret }}{{ .auth.secretKey }}
{{- else if .auth.password }}auth-password
{{- else if .external.existingSecret }}{{ .external.secretKeys.password }}
{{- else }}external-password
{{- end }}
{{- end }}
{{- end }}

{{- define "pgmoor.bundled.secret" -}}
{{- default (include "pgmoor.auth.secret" .) .Values.bundled.existingSecret }}
{{- end }}
{{- define "pgmoor.bundled.secretKey" -}}
{{- ternary .Values.bundled.secretKey (include "pgmoor.auth.secretKey" .) (not (empty .Values.bundled.existingSecret)) }}
{{- end }}

{{/* The whole of it, as YAML. */}}
{{- define "pgmoor.config" -}}
{{- $sidecar := eq .Values.mode "sidecar" }}
{{- $endpoints := dict }}
{{- if include "pgmoor.hasBundled" . }}
{{- $_ := set $endpoints "postgres" (include "pgmoor.bundled.endpoint" . | fromYaml) }}
{{- end }}
{{- $serving := "postgres" }}
{{- with .Values.external }}
{{- if or .host .url .existingSecret .cloudSql }}
{{- $_ := set $endpoints "external" (include "pgmoor.external.endpoint" $ | fromYaml) }}
{{- $serving = "external" }}
{{- end }}
{{- end }}
{{- $databases := dict }}
{{- if $endpoints }}
{{- $database := dict "endpoint" $serving }}
{{- with .Values.database.system }}{{ $_ := set $database "system" . }}{{ end }}
{{- with .Values.database.pool }}{{ $_ := set $database "pool" . }}{{ end }}
{{- if .Values.schema.existingConfigMap }}
{{- $schema := dict "dir" "/etc/pgmoor/migrations" }}
{{- if .Values.schema.job.enabled }}{{ $_ := set $schema "at_start" false }}{{ end }}
{{- $_ := set $database "schema" (mergeOverwrite $schema .Values.schema.settings) }}
{{- end }}
{{- $_ := set $databases .Values.database.name $database }}
{{- end }}
{{- $auth := dict }}
{{- if $sidecar }}
{{- $_ := set $auth "trust" (list "loopback") }}
{{- $_ := set $auth "users" (dict) }}
{{- end }}
{{- if include "pgmoor.auth.secret" . }}
{{- $_ := set $auth "users" (dict .Values.auth.user (dict "password" (printf "file:/etc/pgmoor/secrets/auth/%s" (include "pgmoor.auth.secretKey" .)))) }}
{{- end }}
{{- $gateway := dict
      "listen" (list (printf "%s:6432" (ternary "127.0.0.1" .Values.listenAddress $sidecar)))
      "unix_sockets" list
      "admin" (printf "%s:6433" .Values.listenAddress)
      "state_dir" "/run/pgmoor/state"
      "shutdown_timeout" (printf "%ds" (int .Values.drain.timeoutSeconds)) }}
{{- with $auth }}{{ $_ := set $gateway "auth" . }}{{ end }}
{{- with .Values.tls }}
{{- if .existingSecret }}
{{- $tls := dict "mode" .mode "certificate" "/etc/pgmoor/secrets/tls/tls.crt" "key" "/etc/pgmoor/secrets/tls/tls.key" }}
{{- if .clientCa.existingSecret }}
{{- $_ := set $tls "client_ca" (printf "/etc/pgmoor/secrets/client-ca/%s" .clientCa.key) }}
{{- end }}
{{- if ne .clientCertificate "none" }}
{{- $_ := set $tls "client_certificate" .clientCertificate }}
{{- end }}
{{- $_ := set $gateway "tls" $tls }}
{{- end }}
{{- end }}
{{- $made := dict "databases" $databases "endpoints" $endpoints "gateway" $gateway "log" .Values.log }}
{{- mergeOverwrite $made (deepCopy .Values.config) | toYaml }}
{{- end }}
