{{/* The release and the component. Kubernetes makes labels of 63 characters out of names: those of a StatefulSet (a
store's) get 11 characters of a hash there. A release that is too long is cut, and the hash of its whole name keeps it
apart from others. */}}
{{- define "a3t.name" -}}
{{- $most := sub (ternary 51 62 (has .component (list "postgres" "redis"))) (len .component) | int -}}
{{- $release := .root.Release.Name -}}
{{- if gt (len $release) $most -}}
{{- $release = printf "%s-%s" (trunc (sub $most 7 | int) $release | trimSuffix "-") (sha256sum $release | trunc 6) -}}
{{- end -}}
{{- printf "%s-%s" $release .component -}}
{{- end }}

{{- define "a3t.labels" -}}
app.kubernetes.io/name: a3t
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "a3t.selector" -}}
app.kubernetes.io/name: a3t
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* The selector as one line. */}}
{{- define "a3t.match" -}}
{{- include "a3t.selector" . | fromYaml | toJson -}}
{{- end }}

{{- define "a3t.image" -}}
{{- $i := .root.Values.image -}}
{{- $digest := index $i.digests .image -}}
{{- $version := ternary (printf "@%s" $digest) (printf ":%s" (default .root.Chart.AppVersion $i.tag)) (not (empty $digest)) -}}
{{- printf "%s%s/%s%s" $i.registry $i.prefix .image $version -}}
{{- end }}

{{- define "a3t.secret" -}}
{{- default (printf "%s-secrets" .Release.Name) .Values.auth.existingSecret -}}
{{- end }}

{{/* The data of the chart's own Secret, as JSON: what the cluster has, else random; the same all through a rendering. */}}
{{- define "a3t.secretData" -}}
{{- if not (hasKey .Values.auth "data") -}}
{{- $old := (lookup "v1" "Secret" .Release.Namespace (include "a3t.secret" .)).data | default dict -}}
{{- $data := dict -}}
{{- range $key := list "token" "postgres-password" "redis-password" -}}
{{- $_ := set $data $key (index $old $key | default (randAlphaNum 40 | b64enc)) -}}
{{- end -}}
{{- range $key := list "token-second" "run-tokens" "read-tokens" -}}
{{- with index $old $key }}{{ $_ := set $data $key . }}{{ end -}}
{{- end -}}
{{- $_ := set .Values.auth "data" $data -}}
{{- end -}}
{{- toJson .Values.auth.data -}}
{{- end }}

{{/* Changes with the Secret's data, so that an upgrade restarts the pods that read it. */}}
{{- define "a3t.secretChecksum" -}}
{{- if .Values.auth.existingSecret -}}
{{- (lookup "v1" "Secret" .Release.Namespace .Values.auth.existingSecret).data | default dict | toJson | sha256sum -}}
{{- else -}}
{{- include "a3t.secretData" . | sha256sum -}}
{{- end -}}
{{- end }}

{{- define "a3t.podMetadata" -}}
labels: {{- include "a3t.labels" . | nindent 2 }}
annotations:
  checksum/secret: {{ include "a3t.secretChecksum" .root }}
  {{- with merge dict (.values.podAnnotations | default dict) .root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "a3t.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "a3t.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What every pod of ours has in common. Arguments: root, component, values (the component's), image; near: the
component beside whose pods it must run, unless the values have an affinity. */}}
{{- define "a3t.podHead" -}}
serviceAccountName: {{ include "a3t.name" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext: {{- include "a3t.podSecurity" . | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName | default .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .values.affinity }}
affinity: {{- toYaml .values.affinity | nindent 2 }}
{{- else if .near }}
# A volume of one node is shared: its pods go where the first of them went.
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector: {matchLabels: {{ include "a3t.match" (dict "root" .root "component" .near) }}}
{{- end }}
{{- if .root.Values.topologySpread.enabled }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {{ include "a3t.match" . }}}
{{- end }}
{{- end }}

{{/* Variables of every container of ours. */}}
{{- define "a3t.commonEnv" -}}
- {name: A3T_MODE, value: production}
- {name: A3T_LOG_LEVEL, value: {{ .root.Values.logLevel | quote }}}
- name: A3T_TOKEN
  valueFrom: {secretKeyRef: {name: {{ include "a3t.secret" .root }}, key: token}}
- name: A3T_TOKEN_SECOND
  valueFrom: {secretKeyRef: {name: {{ include "a3t.secret" .root }}, key: token-second, optional: true}}
- name: A3T_RUN_TOKENS
  valueFrom: {secretKeyRef: {name: {{ include "a3t.secret" .root }}, key: run-tokens, optional: true}}
- name: A3T_READ_TOKENS
  valueFrom: {secretKeyRef: {name: {{ include "a3t.secret" .root }}, key: read-tokens, optional: true}}
{{- $traces := .root.Values.traces }}
{{- if $traces.enabled }}
- {name: A3T_TRACES, value: "true"}
- {name: A3T_TRACES_CONTENT, value: {{ $traces.content | quote }}}
- {name: A3T_TRACES_SAMPLE, value: {{ $traces.sample | quote }}}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ required "traces.endpoint is needed where traces.enabled, e.g. http://collector.observability:4318" $traces.endpoint | quote }}}
{{- with $traces.headersSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom: {secretKeyRef: {name: {{ . }}, key: OTEL_EXPORTER_OTLP_HEADERS}}
{{- end }}
{{- end }}
{{- range $key, $value := .values.settings }}
- {name: {{ $key }}, value: {{ $value | quote }}}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "a3t.registryEnv" -}}
- {name: A3T_REGISTRY, value: {{ default "/registry" .root.Values.registry.url | quote }}}
{{- with .root.Values.huggingfaceSecret }}
- name: HF_TOKEN
  valueFrom: {secretKeyRef: {name: {{ . }}, key: HF_TOKEN}}
{{- end }}
{{- end }}

{{/* Variables from whole Secrets and ConfigMaps. Argument registry: whether the container uses the object store. */}}
{{- define "a3t.envFrom" -}}
{{- $from := .values.extraEnvFrom | default list -}}
{{- if and .registry .root.Values.registry.s3Secret -}}
{{- $from = prepend $from (dict "secretRef" (dict "name" .root.Values.registry.s3Secret)) -}}
{{- end -}}
{{- with $from }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "a3t.extraMounts" -}}
{{- with .values.extraVolumeMounts }}{{ toYaml . }}{{ end -}}
{{- end }}

{{- define "a3t.extraVolumes" -}}
{{- with .values.extraVolumes }}{{ toYaml . }}{{ end -}}
{{- end }}

{{/* Stores and services, for worker, orchestrator and the command line. */}}
{{- define "a3t.orchestratorEnv" -}}
{{- $secret := include "a3t.secret" .root -}}
{{- if .root.Values.postgres.enabled }}
- name: POSTGRES_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: postgres-password}}
- name: A3T_DATABASE_URL
  value: postgresql+psycopg://a3t:$(POSTGRES_PASSWORD)@{{ include "a3t.name" (dict "root" .root "component" "postgres") }}:5432/a3t
{{- else }}
- name: A3T_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: database-url}}
{{- end }}
{{- if .root.Values.redis.enabled }}
- name: REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: redis-password}}
- name: A3T_REDIS_URL
  value: redis://:$(REDIS_PASSWORD)@{{ include "a3t.name" (dict "root" .root "component" "redis") }}:6379/0
{{- else }}
- name: A3T_REDIS_URL
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: redis-url}}
{{- end }}
{{- range $service, $port := dict "env" 8101 "policy" 8102 "actre" 8103 "trainer" 8104 }}
- {name: A3T_{{ upper $service }}_URL, value: "http://{{ include "a3t.name" (dict "root" $.root "component" $service) }}:{{ $port }}"}
{{- end }}
{{- end }}

{{/* Commands such as `a3t run` are clients of the orchestrator service. */}}
{{- define "a3t.clientEnv" -}}
- {name: A3T_ORCHESTRATOR_URL, value: "http://{{ include "a3t.name" (dict "root" .root "component" "orchestrator") }}:8100"}
{{- end }}

{{/* A probe as the values tune it. Arguments: kind (startup, liveness, readiness), base, and the component's values. */}}
{{- define "a3t.probe" -}}
{{- $tuned := index (.values.probes | default dict) .kind | default dict -}}
{{ .kind }}Probe: {{- mergeOverwrite .base $tuned | toYaml | nindent 2 }}
{{- end }}

{{/* HTTP probes; values.startupSeconds: how long the first answer may take. */}}
{{- define "a3t.httpProbes" -}}
{{- $health := dict "path" "/health" "port" "http" -}}
{{- $slow := div (.values.startupSeconds | default 600 | int) 5 -}}
{{- include "a3t.probe" (dict "values" .values "kind" "startup"
    "base" (dict "httpGet" $health "periodSeconds" 5 "timeoutSeconds" 5 "failureThreshold" $slow)) }}
{{ include "a3t.probe" (dict "values" .values "kind" "liveness"
    "base" (dict "httpGet" $health "periodSeconds" 15 "timeoutSeconds" 10 "failureThreshold" 6)) }}
{{ include "a3t.probe" (dict "values" .values "kind" "readiness"
    "base" (dict "httpGet" (dict "path" "/ready" "port" "http") "periodSeconds" 5 "timeoutSeconds" 5)) }}
{{- end }}

{{/* Probes of a worker: how old is the file that it touches every 10 seconds? Starts a shell, not a Python. */}}
{{- define "a3t.workerProbes" -}}
{{- $beats := printf "test $(( $(date +%%s) - $(stat -c %%Y %s) )) -lt 60" .file -}}
{{- $young := dict "command" (list "sh" "-c" $beats) -}}
{{- include "a3t.probe" (dict "values" .values "kind" "startup"
    "base" (dict "exec" $young "periodSeconds" 5 "timeoutSeconds" 5 "failureThreshold" 60)) }}
{{ include "a3t.probe" (dict "values" .values "kind" "liveness"
    "base" (dict "exec" $young "periodSeconds" 30 "timeoutSeconds" 5 "failureThreshold" 10)) }}
{{ include "a3t.probe" (dict "values" .values "kind" "readiness"
    "base" (dict "exec" $young "periodSeconds" 15 "timeoutSeconds" 5 "failureThreshold" 3)) }}
{{- end }}

{{- define "a3t.resources" -}}
{{- $resources := deepCopy .values.resources -}}
{{- with .values.gpu }}{{- if .count }}
{{- $_ := set $resources.limits (default "nvidia.com/gpu" .resource) .count -}}
{{- end }}{{- end }}
{{- toYaml $resources }}
{{- end }}

{{/* The claim of a component's volume: one that exists, or the chart's own. Arguments: root, component, persistence. */}}
{{- define "a3t.claim" -}}
{{- .persistence.existingClaim | default (include "a3t.name" .) -}}
{{- end }}

{{- define "a3t.pvc" -}}
{{- if not .persistence.existingClaim -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "a3t.name" . }}
  labels: {{- include "a3t.labels" . | nindent 4 }}
  annotations: {helm.sh/resource-policy: keep}
spec:
  accessModes: [{{ .persistence.accessMode }}]
  {{- with .persistence.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources: {requests: {storage: {{ .persistence.size }}}}
{{- end }}
{{- end }}

{{/* The volume of a store, whose pod has the claim template `data`. Arguments: persistence. */}}
{{- define "a3t.storeClaim" -}}
- metadata: {name: data}
  spec:
    accessModes: [{{ .persistence.accessMode }}]
    {{- with .persistence.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources: {requests: {storage: {{ .persistence.size }}}}
{{- end }}

{{- define "a3t.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "a3t.name" . }}
  labels: {{- include "a3t.labels" . | nindent 4 }}
spec:
  selector: {{- include "a3t.selector" . | nindent 4 }}
  {{- if .sticky }}
  # A game that someone plays in the browser lives in one pod: a client keeps to the pod that it met first.
  sessionAffinity: ClientIP
  {{- end }}
  ports: [{name: {{ .portName | default "http" }}, port: {{ .port }}, targetPort: {{ .portName | default "http" }}, protocol: TCP}]
{{- end }}

{{/* The component that pods with this volume must run beside, or nothing. Arguments: persistence, component. */}}
{{- define "a3t.near" -}}
{{- if ne .persistence.accessMode "ReadWriteMany" }}{{ .component }}{{ end -}}
{{- end }}

{{/* Whether KEDA scales a component. Arguments: root, component (worker or policy). */}}
{{- define "a3t.keda" -}}
{{- $keda := (index .root.Values .component).keda -}}
{{- and $keda.enabled (or (not $keda.checkCrd) (.root.Capabilities.APIVersions.Has "keda.sh/v1alpha1")) -}}
{{- end }}

{{/* Whether a monitoring object is asked for and its CRD is there. Arguments: root, monitor (its values). */}}
{{- define "a3t.monitored" -}}
{{- and .monitor.enabled (or (not .monitor.checkCrd) (.root.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}
{{- end }}
