# A file that is twice as large as anybody had thought of

In November 2025 a change of permissions made a query of Cloudflare's return its rows twice, and a file of features for the detection of
bots grew beyond what its readers had room for. They did not go on with what they had: they failed, and with them the traffic. The file
was made anew every few minutes, at first good and bad in turn, which looked like an attack.

mutant export-03
mutant boot-10

given features has 20 services
given doubled-features has 60 services
given next-features has 21 services
given every gateway rejects doubled-features
given exporter backup
given node edge
given node newborn

when backup starts
when the control plane of backup delivers features
expect the head names features
when the control plane of edge delivers features
when edge starts
expect edge serves features from control-plane

# Bad, good, and bad again.
when 5m passes
when the control plane of backup delivers doubled-features
when the control plane of edge delivers doubled-features
expect backup holds its export
expect edge serves features
when 5m passes
when the control plane of backup delivers features
when the control plane of edge delivers features
when 5m passes
when the control plane of backup delivers doubled-features
when the control plane of edge delivers doubled-features
when 5m passes
expect backup said export-held
expect edge said config-rejected
expect edge serves features
when newborn starts
expect newborn serves features from storage

when the control plane of backup delivers next-features
when the control plane of edge delivers next-features
when 5m passes
expect the head names next-features
expect edge serves next-features from control-plane

never the head names doubled-features
never newborn serves doubled-features
never a node says what is not so
never a gateway is emptied
