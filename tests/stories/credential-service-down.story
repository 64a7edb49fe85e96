# The service that gives out credentials is down, and with it whatever has none of its own

In December 2020 Google's system for identities ran out of the quota that another automatic system had left it. What needed no sign-in went
on; what did could not be reached, although nothing else was broken. A storage is such a thing: when the service behind its credentials is
away, every object is still there, and nobody may have one.

mutant boot-03
mutant boot-05
mutant export-11

given before has 12 services
given after has 13 services
given exporter backup
given node old with before in its cache
given node newborn
given node later

when backup starts
when the control plane of backup delivers before
expect the head names before

when 5m passes
when the storage fails: credentials
when the control plane of backup delivers after
when 5m passes
expect backup said export-failed
expect backup holds its export
expect the head names before
when old starts
expect old serves before from cache
when newborn starts
expect newborn serves nothing
expect newborn said rung-failed

when the storage is back
when 2m passes
expect the head names after
expect newborn serves before from storage
when later starts
expect later serves after from storage
expect old serves before from cache

never old asks the storage
never the head names what is not there
never a gateway is emptied
