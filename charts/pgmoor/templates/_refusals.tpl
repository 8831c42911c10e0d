{{/* What the schema cannot say: values that contradict each other, secrets in the clear, a jump between majors. */}}

{{- define "pgmoor.refuse" -}}
{{- fail (printf "\n\nerror: %s\nhint: %s\n" (index . 0) (index . 1)) }}
{{- end }}

{{/* Of (list PATH VALUE KEY): a secret written out anywhere below. */}}
{{- define "pgmoor.refuseSecrets" -}}
{{- $path := index . 0 }}{{ $value := index . 1 }}{{ $key := index . 2 }}
{{- if kindIs "map" $value }}
{{- range $name, $inner := $value }}
{{- include "pgmoor.refuseSecrets" (list (printf "%s.%s" $path $name) $inner $name) }}
{{- end }}
{{- else if kindIs "slice" $value }}
{{- range $index, $inner := $value }}
{{- include "pgmoor.refuseSecrets" (list (printf "%s[%d]" $path $index) $inner $key) }}
{{- end }}
{{- else if kindIs "string" $value }}
{{- $elsewhere := or (hasPrefix "file:" $value) (regexMatch "^\\$\\{[^}:]+\\}$" $value) }}
{{- if and (has $key (list "password" "verifier" "client_secret")) (not $elsewhere) }}
{{- include "pgmoor.refuse" (list (printf "%s holds a secret, and would be in a ConfigMap" $path) "write file:PATH, with extraVolumes for the file, or ${VARIABLE}, with extraEnv and a secretKeyRef") }}
{{- end }}
{{- if eq $key "url" }}
{{- $password := or (regexFind "://[^/@:]*:[^@]*@" $value) (regexFind "(^|[ ?&])password *=.*" $value) }}
{{- if and $password (not (contains "${" $password)) }}
{{- include "pgmoor.refuse" (list (printf "%s has a password in it, and would be in a ConfigMap" $path) "leave it out, and name a Secret in external.existingSecret; or write ${VARIABLE} in its place, with extraEnv and a secretKeyRef") }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "pgmoor.refusals" -}}
{{- include "pgmoor.refuseSecrets" (list "config" .Values.config "") }}
{{- include "pgmoor.refuseSecrets" (list "external.url" .Values.external.url "url") }}
{{- include "pgmoor.refuseSecrets" (list "external.credential" .Values.external.credential "") }}
{{- with .Values.external }}
{{- if gt (len (compact (list .host .url (ternary "cloudSql" "" (not (empty .cloudSql)))))) 1 }}
{{- include "pgmoor.refuse" (list "external has more than one of host, url and cloudSql" "keep the one that is meant") }}
{{- end }}
{{- if and .useUri (not .existingSecret) }}
{{- include "pgmoor.refuse" (list "external.useUri is set without external.existingSecret" "name the Secret that has the URI") }}
{{- end }}
{{- if and .host (not .user) (not .existingSecret) }}
{{- include "pgmoor.refuse" (list "external.host is set without external.user" "say whom to log in as, or name a Secret that says it in external.existingSecret") }}
{{- end }}
{{- if and .existingSecret .password }}
{{- include "pgmoor.refuse" (list "external has both existingSecret and password" "keep existingSecret") }}
{{- end }}
{{- if and $.Values.identity.provider (or .password .useUri) }}
{{- include "pgmoor.refuse" (list "external has a password and identity.provider is set" "keep one of them: with an identity there is no password") }}
{{- end }}
{{- if and $.Values.identity.provider (not (include "pgmoor.hasExternal" $)) }}
{{- include "pgmoor.refuse" (list "identity.provider is set, and no external database is configured" "set external.host, external.user and external.dbname, or external.cloudSql") }}
{{- end }}
{{- end }}
{{- with .Values.schema }}
{{- if and .job.enabled (not .existingConfigMap) }}
{{- include "pgmoor.refuse" (list "schema.job is enabled without schema.existingConfigMap" "name the ConfigMap that has the migrations") }}
{{- end }}
{{- if and .job.enabled (not (include "pgmoor.hasExternal" $)) }}
{{- include "pgmoor.refuse" (list "schema.job is enabled with the bundled PostgreSQL, which is not there before an install" "leave it out: the gateways run the migrations when they start, once") }}
{{- end }}
{{- end }}
{{- if ((.Values.config).gateway).shutdown_timeout }}
{{- include "pgmoor.refuse" (list "config.gateway.shutdown_timeout is set" "set drain.timeoutSeconds instead: the pod's terminationGracePeriodSeconds follows from it") }}
{{- end }}
{{- range $key := list "listen" "admin" "unix_sockets" "state_dir" }}
{{- if hasKey (default dict ($.Values.config).gateway) $key }}
{{- include "pgmoor.refuse" (list (printf "config.gateway.%s is set" $key) "leave it to the chart: Service, probes and volumes go by it; listenAddress has the address") }}
{{- end }}
{{- end }}
{{- $auth := default dict ((.Values.config).gateway).auth }}
{{- if and (eq .Values.mode "gateway") (not (include "pgmoor.auth.secret" .)) (not (or $auth.users $auth.users_file $auth.passthrough)) }}
{{- include "pgmoor.refuse" (list "nobody could log in to the gateway" (printf "make a Secret and name it in auth.existingSecret:\n      kubectl create secret generic pgmoor-app --namespace %s --from-literal=password=\"$(openssl rand -hex 24)\"\n      helm … --set auth.existingSecret=pgmoor-app" .Release.Namespace)) }}
{{- end }}
{{- if include "pgmoor.hasBundled" . }}
{{- if not (include "pgmoor.bundled.secret" .) }}
{{- include "pgmoor.refuse" (list "the bundled PostgreSQL has no password" "name a Secret in bundled.existingSecret or auth.existingSecret") }}
{{- end }}
{{- if eq .Values.mode "sidecar" }}
{{- include "pgmoor.refuse" (list "mode is sidecar, and no external database is configured" "set external.*: the bundled PostgreSQL goes with mode: gateway") }}
{{- end }}
{{- end }}
{{- include "pgmoor.refuseByCluster" . }}
{{- end }}

{{/* What only the cluster knows; without one (helm template, GitOps) the bundled server's own guards are left. */}}
{{- define "pgmoor.refuseByCluster" -}}
{{- $running := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "pgmoor.bundled.name" .) }}
{{- if $running }}
{{- $had := index (default dict $running.metadata.labels) "pgmoor.io/postgres-major" | toString }}
{{- $wanted := .Values.bundled.major | toString }}
{{- if and (include "pgmoor.hasBundled" .) (ne $had $wanted) }}
{{- include "pgmoor.refuse" (list (printf "the bundled PostgreSQL has major version %s, and bundled.major is now %s" $had $wanted) (printf "it cannot read the same files: set bundled.major back to %s, and bring the data to another server with pgmoor move" $had)) }}
{{- end }}
{{- if and (not (include "pgmoor.hasBundled" .)) (eq (toString .Values.bundled.enabled) "auto") }}
{{- include "pgmoor.refuse" (list (printf "an external database is configured, and StatefulSet %s still runs with data in it" (include "pgmoor.bundled.name" .)) "set bundled.enabled=true to keep it while pgmoor move brings the data over, or bundled.enabled=false when nothing in it is needed; its volume stays either way") }}
{{- end }}
{{- end }}
{{- end }}
