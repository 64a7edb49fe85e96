# A change of leader publishes an empty configuration

In September 2023 a part of Google Cloud's load balancer was given another way of electing its leader, carefully and behind a canary. The
change set off a race in what came after it, and configurations of customers were overwritten by empty ones. Each part had worked as it
should when it was looked at alone.

mutant export-01
mutant export-03
mutant export-06-lease

given whole has 12 services, 6 of them authenticated
given half-filled has 9 services, 6 of them authenticated
given nearly-hollow has 1 services
given hollow has nothing in it
given changed has 13 services, 6 of them authenticated
given exporter one
given exporter other
given node newborn

when one starts
when the control plane of one delivers whole
expect one leads
expect the head names whole
when other starts
when the control plane of other delivers whole
expect other stands by

# The leader is gone. The next one's control plane is just beginning: it says what it has so far, and all of it once it is asked anew.
when one is killed
when 15s passes
expect other stands by
when other is paused
when 2m passes
when the control plane of other delivers half-filled and, asked anew, changed
when other continues
when 1s passes
expect other leads
expect the head names changed

# Then it loses its memory, piece by piece.
when 2m passes
when the control plane of other delivers nearly-hollow
when 2m passes
expect other holds its export
expect other said export-held
when the control plane of other delivers hollow
when 2m passes
expect other said export-invalid
when newborn starts
expect newborn serves changed from storage

# The first one comes back with what it had.
when one starts
when 2m passes
expect one stands by
when the control plane of other delivers whole
when 2m passes
expect the head names whole

never the head names half-filled
never the head names nearly-hollow
never the head names hollow
never two lead in one epoch
never the head falls
never a node says what is not so
