{{- define "ciphercanary.name" -}}
{{- if contains "ciphercanary" .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-ciphercanary" (.Release.Name | trunc 27) }}
{{- end -}}
{{- end }}

{{/* Labels that select the pods of a component: (list $ COMPONENT); without a component, all pods. */}}
{{- define "ciphercanary.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: ciphercanary
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- if gt (len .) 1 }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}
{{- end }}

{{- define "ciphercanary.labels" -}}
{{- $root := index . 0 -}}
{{ include "ciphercanary.selector" . }}
app.kubernetes.io/part-of: ciphercanary
{{- if not $root.Values.kustomize }}
app.kubernetes.io/version: {{ $root.Values.image.tag | default $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}
{{- end }}

{{/* The settings of all pods, in the order of their names. */}}
{{- define "ciphercanary.settings" -}}
{{- $settings := dict
  "CC_PUBLIC_URL" (printf "https://%s" .Values.host)
  "PUBLIC_HOST" .Values.host
  "CC_TRUSTED_PROXIES" (toString .Values.ingress.trustedProxies)
  "CC_METRICS_NETWORKS" (printf "127.0.0.0/8,::1/128,%s" .Values.metrics.networks)
  "CC_THREADS" (toString .Values.web.threads)
  "CC_JOB_THREADS" (toString .Values.worker.threads)
  "CC_MAX_STREAM_BYTES" (.Values.spool.maxStreamBytes | int64 | toString)
-}}
{{ mergeOverwrite $settings .Values.settings | toYaml }}
{{- end }}

{{/* The pod, without its containers and volumes. */}}
{{- define "ciphercanary.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Image, settings, secrets and rights of a container. */}}
{{- define "ciphercanary.container" -}}
image: "{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- if .Values.kustomize }}
envFrom:
  - configMapRef:
      name: {{ include "ciphercanary.name" . }}-settings
{{- end }}
env:
  {{- if not .Values.kustomize }}
  {{- range $name, $value := include "ciphercanary.settings" . | fromYaml }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
  {{- end }}
  - {name: SECRET_KEY_FILE, value: /run/secrets/ciphercanary/secret-key}
  - {name: CC_KEK_FILE, value: /run/secrets/ciphercanary/kek}
  - {name: DATABASE_URL_FILE, value: /run/secrets/ciphercanary/database-url}
  - {name: REDIS_URL_FILE, value: /run/secrets/ciphercanary/redis-url}
  - {name: CELERY_BROKER_URL_FILE, value: /run/secrets/ciphercanary/celery-broker-url}
{{- end }}

{{- define "ciphercanary.mounts" -}}
- {name: secrets, mountPath: /run/secrets/ciphercanary, readOnly: true}
- {name: home, mountPath: /var/lib/ciphercanary}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{/* All volumes but "home". The group of the pod reads the secrets, because root owns their files. */}}
{{- define "ciphercanary.volumes" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ .Values.secrets.name }}
          items:
            - {key: secret-key, path: secret-key}
            - {key: database-url, path: database-url}
            - {key: redis-url, path: redis-url}
            - {key: celery-broker-url, path: celery-broker-url}
      - secret:
          name: {{ .Values.secrets.kek }}
          items:
            - {key: kek, path: kek}
      - secret:
          name: {{ .Values.secrets.ca }}
          optional: true
          items:
            - {key: ca.crt, path: ca.crt}
- name: tmp
  emptyDir:
    sizeLimit: 128Mi
{{- end }}

{{- define "ciphercanary.emptyHome" -}}
- name: home
  emptyDir:
    sizeLimit: 64Mi
{{- end }}

{{/* Probes of a program that serves nothing but its metrics. /livez fails if its loop has not turned for two minutes. */}}
{{- define "ciphercanary.metricsProbes" -}}
ports:
  - {name: metrics, containerPort: 9100}
startupProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 6
{{- end }}
{{- define "ciphercanary.metricsPort" -}}
- {name: CC_METRICS_PORT, value: "9100"}
{{- end }}

{{/* Spread the pods of a component over nodes and zones: (list $ COMPONENT). */}}
{{- define "ciphercanary.spread" -}}
{{- $selector := include "ciphercanary.selector" . -}}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- $selector | nindent 8 }}
  {{- end }}
{{- end }}

{{- define "ciphercanary.job" -}}
relabelings: # the rules select jobs that begin with "ciphercanary"
  - sourceLabels: [__meta_kubernetes_pod_label_app_kubernetes_io_component]
    targetLabel: job
    replacement: ciphercanary-$1
{{- end }}
