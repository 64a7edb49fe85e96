# A certificate ends, and nobody had written the day down

In December 2018 a certificate within the software of mobile networks expired, and phones in several countries had no data for most of a
day. It happens on either side: a control plane whose own certificate ended cannot be believed by anybody, and a node whose certificate
ended is turned away. The first is an outage. The second may be just what somebody wanted, and then a copy from the storage would be a
way around it.

mutant boot-02

given stored has 12 services
given live has 13 services
given the storage holds stored
given node theirs
given node ours
given node returning with live in its cache

# The control plane's certificate: an outage like any other.
when the control plane of theirs answers their-certificate
when theirs starts
expect theirs serves stored from storage
expect theirs said control-plane-given-up

# The node's own: it waits, unless it has what it was once given.
when the control plane of ours answers our-certificate
when ours starts
expect ours is refused
expect ours said control-plane-refused
when the control plane of returning answers our-certificate
when returning starts
expect returning serves live from cache
when 1h passes
expect ours is refused
expect ours serves nothing

# Renewed.
when the control plane of theirs delivers live
when the control plane of ours delivers live
when the control plane of returning delivers live
when 1m passes
expect theirs serves live from control-plane
expect ours serves live from control-plane
expect returning serves live from control-plane

never ours asks the storage
never returning asks the storage
never ours serves stored
