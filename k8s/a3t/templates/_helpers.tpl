{{- define "a3t.name" -}}
{{- printf "%s-%s" .root.Release.Name .component | trunc 63 | trimSuffix "-" -}}
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
{{- printf "%s%s/%s:%s" $i.registry $i.prefix .image (default .root.Chart.AppVersion $i.tag) -}}
{{- end }}

{{- define "a3t.secret" -}}
{{- default (printf "%s-secrets" .Release.Name) .Values.auth.existingSecret -}}
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
{{- range $key, $value := .values.settings }}
- {name: {{ $key }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "a3t.registryEnv" -}}
- {name: A3T_REGISTRY, value: {{ default "/registry" .root.Values.registry.url | quote }}}
{{- with .root.Values.huggingfaceSecret }}
- name: HF_TOKEN
  valueFrom: {secretKeyRef: {name: {{ . }}, key: HF_TOKEN}}
{{- end }}
{{- end }}

{{- define "a3t.registryEnvFrom" -}}
{{- with .root.Values.registry.s3Secret }}
envFrom: [{secretRef: {name: {{ . }}}}]
{{- end }}
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

{{/* HTTP probes. Arguments: startupSeconds, how long the first answer may take. */}}
{{- define "a3t.httpProbes" -}}
startupProbe:
  httpGet: {path: /health, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ div (.startupSeconds | default 600) 5 }}
livenessProbe:
  httpGet: {path: /health, port: http}
  periodSeconds: 15
  timeoutSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /ready, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{- define "a3t.resources" -}}
{{- $resources := deepCopy .values.resources -}}
{{- with .values.gpu }}{{- if .count }}
{{- $_ := set $resources.limits (default "nvidia.com/gpu" .resource) .count -}}
{{- end }}{{- end }}
{{- toYaml $resources }}
{{- end }}

{{- define "a3t.pvc" -}}
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

{{- define "a3t.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "a3t.name" . }}
  labels: {{- include "a3t.labels" . | nindent 4 }}
spec:
  selector: {{- include "a3t.selector" . | nindent 4 }}
  ports: [{name: {{ .portName | default "http" }}, port: {{ .port }}, targetPort: {{ .portName | default "http" }}, protocol: TCP}]
{{- end }}

{{/* The component that pods with this volume must run beside, or nothing. Arguments: persistence, component. */}}
{{- define "a3t.near" -}}
{{- if ne .persistence.accessMode "ReadWriteMany" }}{{ .component }}{{ end -}}
{{- end }}

{{- define "a3t.serviceMonitor" -}}
{{- $monitor := .Values.metrics.serviceMonitor -}}
{{- and $monitor.enabled (or (not $monitor.checkCrd) (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}
{{- end }}

{{- define "a3t.keda" -}}
{{- $keda := .Values.worker.keda -}}
{{- and $keda.enabled (or (not $keda.checkCrd) (.Capabilities.APIVersions.Has "keda.sh/v1alpha1")) -}}
{{- end }}
