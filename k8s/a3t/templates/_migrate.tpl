{{/* Brings the schema up to date; holds a lock, so that several pods may try at once. */}}
{{- define "a3t.migrateContainer" -}}
name: migrate
image: {{ include "a3t.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: [db, upgrade, --wait, "300"]
env:
  {{- include "a3t.orchestratorEnv" . | nindent 2 }}
  {{- include "a3t.commonEnv" . | nindent 2 }}
{{- include "a3t.envFrom" . | nindent 0 }}
securityContext: {{- include "a3t.containerSecurity" . | nindent 2 }}
resources:
  requests: {cpu: 50m, memory: 128Mi}
  limits: {cpu: "1", memory: 512Mi}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- include "a3t.extraMounts" . | nindent 2 }}
{{- end }}
