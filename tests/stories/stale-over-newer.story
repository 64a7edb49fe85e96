# A writer that was held up puts an old plan over a newer one

In October 2025 the DNS records of DynamoDB in one region of AWS were written by several workers that knew nothing of each other. One was
held up for unusually long, and then applied a plan that had been overtaken over the newer one that another had applied meanwhile. That
other one swept up old plans next, and removed what stood in the records: the addresses of the region were gone.

mutant export-06
mutant export-09-sweeping

given plan-1 has 12 services
given plan-2 has 13 services
given plan-3 has 14 services
given plan-4 has 15 services
given plan-5 has 16 services
given exporter slow
given exporter quick
given node newborn

when slow starts
when the control plane of slow delivers plan-1
expect slow leads
expect the head names plan-1
when quick starts
when the control plane of quick delivers plan-1
expect quick stands by

# Held up with the next plan in its hands.
when 5m passes
when slow is paused
when the control plane of slow delivers plan-2 and, asked anew, plan-3
when 2m passes
expect quick leads
when the control plane of quick delivers plan-3
when 2m passes
expect the head names plan-3
when slow continues
when 5m passes
expect slow stands by
expect the head names plan-3

# Overtaken in the middle of a write.
when a rival publishes plan-5 during the next write
when the control plane of slow has plan-5 for who asks anew
when the control plane of quick delivers plan-4 and, asked anew, plan-5
expect quick said office-lost
expect the head names plan-5
when 10m passes
expect the head names plan-5

# What is old is swept up, and what is named stays.
when slow is killed
when quick is killed
when 3d passes
when the janitor sweeps
expect the head lists plan-1
expect the head lists plan-3
when newborn starts
expect newborn serves plan-5 from storage

never the head falls
never the head names plan-2
never the head names plan-4
never the head names what is not there
never two lead in one epoch
