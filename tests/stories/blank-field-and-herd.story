# A blank field everywhere at once, and a herd on the way back

In June 2025 a policy with fields that had been left blank reached every region of Google Cloud within seconds. The software that read it
had no answer to a blank and crashed, again and again. When it was let go, so many tasks began at the same moment, with no chance in their
waiting, that in one large region they overwhelmed what they all had to read.

mutant export-02
mutant boot-05

given good has 12 services
given left-blank has 12 services and a blank field
given the operator's schema forbids left-blank
given every gateway rejects left-blank
given nodes spread their first fetch over 30s
given exporter backup
given node edge
given 12 nodes named herd

when backup starts
when the control plane of backup delivers good
expect the head names good
when the control plane of edge delivers good
when edge starts
expect edge serves good from control-plane

# The blank comes to everybody at once.
when 5m passes
when the control plane of backup delivers left-blank
when the control plane of edge delivers left-blank
expect edge serves good
expect edge said config-rejected
when 10m passes
expect backup said export-invalid
expect the head names good
expect edge serves good

# Everything begins anew, and what they all read is overwhelmed.
when the storage fails: unreachable
when all herd start
when 2m passes
expect all herd serve nothing
when the storage is back
when 2m passes
expect all herd serve good

never the head names left-blank
never edge serves left-blank
never a gateway is emptied
never a node says what is not so
never more than 10 reads reach the storage within 100ms
