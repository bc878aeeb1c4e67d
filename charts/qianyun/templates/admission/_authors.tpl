{{/*
What is written by people and approved by others keeps all its authors: variables and validations of the policies for plans and for
schemes. They decide nothing about approvals; who is named here is refused there.
*/}}

{{- define "qianyun.authorVariables" -}}
# Who is named as a former author, now and before this request; who wrote it before; whom the list lacks, and names wrongly.
- name: former
  expression: >-
    request.operation != 'DELETE' && has(object.spec.formerAuthors) ? object.spec.formerAuthors : []
- name: formerBefore
  expression: >-
    request.operation == 'UPDATE' && has(oldObject.spec.formerAuthors) ? oldObject.spec.formerAuthors : []
- name: authorsBefore
  expression: >-
    request.operation != 'UPDATE' || oldObject.spec.author in variables.formerBefore
    ? variables.formerBefore : variables.formerBefore + [oldObject.spec.author]
- name: takenOver
  expression: request.operation == 'UPDATE' && object.spec.author != oldObject.spec.author
- name: notNamed
  expression: >-
    (variables.takenOver ? variables.authorsBefore : variables.formerBefore).filter(a, !(a in variables.former))
- name: notAuthors
  expression: variables.former.filter(a, !(a in variables.authorsBefore))
{{- end }}

{{/* That none is lost and none is made up. `what` is what was written, `does` what its authors do none of. */}}
{{- define "qianyun.authorValidations" -}}
# Of an edit nobody can tell whose the words are: whoever wrote any of it {{ .does }} nothing of it, whoever goes on with it.
- expression: request.operation == 'DELETE' || size(variables.notNamed) == 0
  messageExpression: >-
    'spec.formerAuthors lacks ' + variables.notNamed.join(', ') + ': whoever wrote a {{ .what }} once {{ .does }} nothing of it; add '
    + variables.notNamed.join(', ') + ' to spec.formerAuthors'
  message: "spec.formerAuthors lacks a former author: whoever wrote a {{ .what }} once {{ .does }} nothing of it; add them"
  reason: Forbidden
- expression: request.operation == 'DELETE' || size(variables.notAuthors) == 0
  messageExpression: >-
    'spec.formerAuthors names ' + variables.notAuthors.join(', ') + ', who never was the author: leave '
    + variables.notAuthors.join(', ') + ' out'
  message: "spec.formerAuthors names somebody who never was the author: leave them out"
  reason: Forbidden
{{- end }}
