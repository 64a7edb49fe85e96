# The control plane is back, with the memory of another day

In January 2017 an operator of GitLab.com, worn out by another fault, removed the wrong database, and most of the backups turned out not to
be there. What was found was some hours old, and was put back in the open. A control plane that returns like this says with full authority
what was true before; and one whose backup was none at all says, as confidently, that there is nothing.

mutant boot-14
mutant export-03
mutant export-03-approval

given full has 40 services, 10 of them authenticated
given old-backup has 20 services, 10 of them authenticated
given older-backup has 10 services, 10 of them authenticated
given nothing-left has nothing in it
given exporter backup
given node edge
given node newborn

when backup starts
when the control plane of backup delivers full
expect the head names full
when the control plane of edge delivers full
when edge starts
expect edge serves full from control-plane
when 1h passes

# At first there is nothing in it.
when the control plane of backup goes away
when the control plane of edge goes away
when 10m passes
when the control plane of backup delivers nothing-left
when the control plane of edge delivers nothing-left
when 5m passes
expect edge serves full
expect edge said rejoin-held
expect backup said export-invalid
expect the head names full

# What a node doubts it doubts for ten minutes: the control plane is mended before.
when the control plane of edge delivers full
when 5m passes
expect edge serves full from control-plane

# To whoever exports it brings an old backup.
when the control plane of backup delivers old-backup
when 5m passes
expect backup holds its export
expect the head names full
when newborn starts
expect newborn serves full from storage

# An operator says that it is meant: this one, and no other.
when an operator approves what backup holds
when the control plane of backup delivers older-backup
when 5m passes
expect backup holds its export
expect the head names full
when the control plane of backup delivers old-backup
when 5m passes
expect backup said export-approved
expect the head names old-backup
expect the head lists full

never the head names nothing-left
never the head names older-backup
never edge serves nothing-left
never a gateway is emptied
