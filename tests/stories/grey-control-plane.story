# A control plane that answers everything but the question

Large systems seldom fail at a stroke. Since 2017 researchers of Microsoft have called it grey failure: whoever watches sees a system that
is alive, and whoever needs it gets nothing. A control plane with a full queue or a locked database accepts connections, answers pings, and
never sends a configuration; and a node that waits for it, because it is plainly there, waits for ever.

mutant boot-01
mutant boot-11

given stored has 12 services
given live has 13 services
given the storage holds stored
given node newborn
given node patient
given node old with live in its cache

when the control plane of newborn answers not-configured
when newborn starts
expect newborn said control-plane-given-up
expect newborn serves stored from storage
when the control plane of patient hangs
when patient starts
expect patient serves stored from storage
when the control plane of old answers silent
when old starts
expect old serves live from cache

when 1h passes
expect newborn serves stored from storage
expect patient serves stored from storage

when the control plane of newborn delivers live
when the control plane of patient delivers live
when the control plane of old delivers live
when 1m passes
expect newborn serves live from control-plane
expect patient serves live from control-plane
expect old serves live from control-plane

never newborn asks the storage within 9s of its start
never patient asks the storage within 9s of its start
never old asks the storage
never a gateway is emptied
