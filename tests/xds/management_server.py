"""A management server for Envoy's ADS, both variants, on gRPC and messages of others: `grpcio` and `xds-protos`.

    management_server.py HOST:PORT [CERTIFICATE KEY]

It speaks TLS if it is given the files of a certificate and its key, and in plain otherwise.
Commands come as lines of JSON on stdin, and each is answered by an event `told`:
    {"resources": [{"@type": ..., ...}, ...], "version": "2"}    what it serves; every resource has that version
    {"mode": "serve" | "silent" | "unavailable" | "empty"}       what it does with whoever asks
It listens as soon as it has resources, and ends with its stdin. Events go as lines of JSON to stdout:
`listening`, `stream`, `request`, `ack`, `nack`, `stale`, `sent`, `ended`.

Knows nothing of Holdover.
"""

import asyncio
import itertools
import json
import os
import pathlib
import sys
import threading

# gRPC would ask a proxy for loopback, too.
for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[variable]

import grpc
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
# Only imported messages are found by the names that stand in an Any.
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2  # noqa: F401
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf import any_pb2, json_format


def url(message):
    return "type.googleapis.com/" + message.DESCRIPTOR.full_name


CLUSTER, ENDPOINTS = url(cluster_pb2.Cluster), url(endpoint_pb2.ClusterLoadAssignment)
LISTENER, ROUTES = url(listener_pb2.Listener), url(route_pb2.RouteConfiguration)
# Whoever is named is there before whoever names it.
ORDER = [CLUSTER, ENDPOINTS, LISTENER, ROUTES]
WILDCARD = {CLUSTER, LISTENER}


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class World:
    """What all streams have in common: the resources, and what is done with whoever asks."""

    def __init__(self):
        self.mode = "serve"
        self.version = None
        self.resources = {}
        self.streams = set()
        self.numbers = itertools.count(1)

    def obey(self, line):
        command = json.loads(line)
        if "resources" in command:
            self.version = command["version"]
            self.resources = {kind: {} for kind in ORDER}
            for resource in command["resources"]:
                packed = json_format.ParseDict(resource, any_pb2.Any())
                name = resource.get("cluster_name") or resource["name"]
                self.resources[packed.type_url][name] = packed
        self.mode = command.get("mode", self.mode)
        for stream in list(self.streams):
            stream.changed()
        tell("told", mode=self.mode, version=self.version)

    def of(self, kind):
        return {} if self.mode == "empty" else self.resources.get(kind, {})

    def answers(self):
        return self.mode in ("serve", "empty")


class Stream:
    """One open stream: requests change what is wanted, and only `run` writes."""

    def __init__(self, world, context):
        self.world = world
        self.context = context
        self.number = next(world.numbers)
        self.nonces = itertools.count(1)
        self.outgoing = asyncio.Queue()
        self.node = None

    async def run(self, requests):
        self.world.streams.add(self)
        listening = asyncio.create_task(self.listen(requests))
        try:
            self.refuse_if_told()
            while (response := await self.outgoing.get()) is not None:
                if response == "unavailable":
                    await self.context.abort(grpc.StatusCode.UNAVAILABLE, "told to refuse")
                await self.context.write(response)
        finally:
            listening.cancel()
            self.world.streams.discard(self)
            tell("ended", stream=self.number, node=self.node)

    async def listen(self, requests):
        try:
            async for request in requests:
                if self.node is None:
                    self.node = request.node.id
                    said = request.node
                    described = {"metadata": json_format.MessageToDict(said.metadata), "zone": said.locality.zone}
                    tell("stream", stream=self.number, node=self.node, group=said.cluster, agent=said.user_agent_name,
                         protocol=self.PROTOCOL, **described)
                self.heard(request)
        finally:
            self.outgoing.put_nowait(None)

    def changed(self):
        self.refuse_if_told()
        for kind in ORDER:
            if kind in self.wanted:
                self.answer(kind)

    def refuse_if_told(self):
        if self.world.mode == "unavailable":
            self.outgoing.put_nowait("unavailable")

    def acknowledged(self, request):
        kind = request.type_url
        if request.HasField("error_detail"):
            tell("nack", stream=self.number, node=self.node, type=kind, detail=request.error_detail.message)
        elif request.response_nonce:
            tell("ack", stream=self.number, node=self.node, type=kind, nonce=request.response_nonce)

    def send(self, kind, nonce, names, response):
        tell("sent", stream=self.number, node=self.node, type=kind, nonce=nonce, version=self.world.version, names=sorted(names))
        self.outgoing.put_nowait(response)


class StateOfTheWorld(Stream):
    """Answers with everything of a type that is wanted. `wanted`: the names of each type, none of them for all."""

    PROTOCOL = "sotw"

    def __init__(self, world, context):
        super().__init__(world, context)
        self.wanted, self.last = {}, {}

    def heard(self, request):
        kind, names = request.type_url, set(request.resource_names)
        tell("request", stream=self.number, node=self.node, type=kind, names=sorted(names), version=request.version_info)
        if request.response_nonce and request.response_nonce != self.last.get(kind):
            tell("stale", stream=self.number, node=self.node, type=kind, nonce=request.response_nonce)
            return
        self.acknowledged(request)
        if self.wanted.get(kind) != names:
            self.wanted[kind] = names
            self.answer(kind)

    def answer(self, kind):
        if not self.world.answers():
            return
        names = self.wanted[kind]
        there = self.world.of(kind)
        chosen = {name: there[name] for name in there if name in names or (not names and kind in WILDCARD)}
        if not chosen and kind not in WILDCARD:
            return
        nonce = self.last[kind] = f"{self.number}-{next(self.nonces)}"
        version = "nothing" if self.world.mode == "empty" else self.world.version
        response = discovery_pb2.DiscoveryResponse(version_info=version, type_url=kind, nonce=nonce, resources=chosen.values())
        self.send(kind, nonce, chosen, response)


class Delta(Stream):
    """Answers with what the other side lacks. `wanted`: what it subscribed to and what it has, by type."""

    PROTOCOL = "delta"

    def __init__(self, world, context):
        super().__init__(world, context)
        self.wanted = {}

    def heard(self, request):
        kind, names = request.type_url, list(request.resource_names_subscribe)
        versions = dict(request.initial_resource_versions)
        tell("request", stream=self.number, node=self.node, type=kind, names=sorted(names), versions=versions)
        self.acknowledged(request)
        is_first = kind not in self.wanted
        if is_first:
            is_wildcard = kind in WILDCARD and not names
            self.wanted[kind] = {"all": is_wildcard, "names": set(), "has": versions, "asked": set(), "answered": False}
        wanted = self.wanted[kind]
        wanted["all"] = wanted["all"] or "*" in names
        asked = {name for name in names if name != "*"}
        wanted["names"] |= asked
        wanted["asked"] |= asked
        for name in asked - set(versions):
            wanted["has"].pop(name, None)
        for name in request.resource_names_unsubscribe:
            wanted["names"].discard(name)
            wanted["has"].pop(name, None)
            wanted["all"] = wanted["all"] and name != "*"
        if is_first or names:
            self.answer(kind)

    def answer(self, kind):
        if not self.world.answers():
            return
        wanted, there = self.wanted[kind], self.world.of(kind)
        meant = set(there) if wanted["all"] else wanted["names"] & set(there)
        lacking = {name for name in meant if wanted["has"].get(name) != self.world.version}
        removed = (set(wanted["has"]) | wanted["asked"]) - set(there)
        if wanted["answered"] and not lacking and not removed:
            return
        wanted["answered"], wanted["asked"] = True, set()
        wanted["has"].update({name: self.world.version for name in lacking})
        for name in removed:
            wanted["has"].pop(name, None)
        nonce = f"{self.number}-{next(self.nonces)}"
        one = lambda name: discovery_pb2.Resource(name=name, version=self.world.version, resource=there[name])
        response = discovery_pb2.DeltaDiscoveryResponse(
            type_url=kind, nonce=nonce, resources=map(one, sorted(lacking)), removed_resources=sorted(removed)
        )
        self.send(kind, nonce, lacking, response)


class Service(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):
    def __init__(self, world):
        self.world = world

    async def StreamAggregatedResources(self, requests, context):
        await StateOfTheWorld(self.world, context).run(requests)

    async def DeltaAggregatedResources(self, requests, context):
        await Delta(self.world, context).run(requests)


async def main(address, pair):
    world, loop = World(), asyncio.get_running_loop()
    has_resources = asyncio.Event()

    def obey(line):
        try:
            world.obey(line)
        except Exception as failure:
            print(f"a command that cannot be obeyed: {failure}", file=sys.stderr, flush=True)
            os._exit(1)
        if world.version is not None:
            has_resources.set()

    def commands():
        for line in sys.stdin:
            loop.call_soon_threadsafe(obey, line)
        os._exit(0)

    threading.Thread(target=commands, daemon=True).start()
    await has_resources.wait()
    # Another server at this address would be a mistake, not help.
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(Service(world), server)
    if pair:
        certificate, key = (pathlib.Path(file).read_bytes() for file in pair)
        server.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)]))
    else:
        server.add_insecure_port(address)
    await server.start()
    tell("listening", address=address)
    await server.wait_for_termination()


asyncio.run(main(sys.argv[1], sys.argv[2:]))
