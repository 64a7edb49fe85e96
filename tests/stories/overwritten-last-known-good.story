# The configuration to fall back to is overwritten by the bad one

In October 2025 Azure Front Door lost its edge sites to a configuration that looked healthy when it was rolled out: what it broke, it
broke some minutes later and in the background. By then the protection system had taken it for good and had put it in the place of the
last known good one, so that rolling back would have brought the same trouble again. The way out was to repair that copy by hand.

mutant export-10
mutant export-10-health

given plan-1 has 12 services
given plan-2 has 13 services
given candidates soak for 10m
given 2 watched nodes
given exporter backup
given node newborn
given node stranger

when backup starts
when the control plane of backup delivers plan-1
expect backup leads
expect new nodes are given plan-1

when 1h passes
when the control plane of backup delivers plan-2
expect the head names plan-2
expect new nodes are given plan-1

# Nodes that run it are well for a while, and then they are not.
when 4m passes
when newborn starts
expect newborn serves plan-1 from storage
when the watched nodes are ill
when 30m passes
expect backup said soak-failed
expect the head lists plan-1
expect new nodes are given plan-1
when stranger starts
expect stranger serves plan-1 from storage

never new nodes are given plan-2
never newborn serves plan-2
never stranger serves plan-2
never the head names what is not there
