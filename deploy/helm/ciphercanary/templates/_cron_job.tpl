{{/* A CronJob that runs a management command: (dict "root" $ "name" NAME "job" JOB "folder" BOOLEAN). With a folder, the
claim NAME is mounted at /NAME. */}}
{{- define "ciphercanary.cronJob" -}}
{{- $root := .root -}}
{{- $labels := include "ciphercanary.labels" (list $root "maintenance") -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ include "ciphercanary.name" $root }}-{{ .name }}
  labels: {{- $labels | nindent 4 }}
spec:
  schedule: {{ .job.schedule | quote }}
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  jobTemplate:
    spec:
      backoffLimit: 1
      activeDeadlineSeconds: 7200
      template:
        metadata:
          labels: {{- $labels | nindent 12 }}
        spec:
          serviceAccountName: {{ include "ciphercanary.name" $root }}
          {{- include "ciphercanary.pod" $root | nindent 10 }}
          restartPolicy: Never
          containers:
            - name: {{ .name }}
              {{- include "ciphercanary.container" $root | nindent 14 }}
                {{- if .folder }}
                - name: POD_NAME
                  valueFrom: {fieldRef: {fieldPath: metadata.name}}
                {{- end }}
              args: {{ concat (list "manage") .job.command | toJson }}
              resources: {{- toYaml $root.Values.prepare.resources | nindent 16 }}
              volumeMounts:
                {{- include "ciphercanary.mounts" $root | nindent 16 }}
                {{- if .folder }}
                - {name: {{ .name }}, mountPath: /{{ .name }}}
                {{- end }}
          volumes:
            {{- include "ciphercanary.volumes" $root | nindent 12 }}
            {{- include "ciphercanary.emptyHome" $root | nindent 12 }}
            {{- if .folder }}
            - name: {{ .name }}
              persistentVolumeClaim:
                claimName: {{ include "ciphercanary.name" $root }}-{{ .name }}
            {{- end }}
{{- end }}
