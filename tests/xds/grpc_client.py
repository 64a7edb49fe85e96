"""A proxyless gRPC client: what it calls and by which management servers, xDS tells it.

    GRPC_XDS_BOOTSTRAP_CONFIG='{"xds_servers": [...], ...}' grpc_client.py xds:///service

Calls again and again, prints a line of JSON for each call that ended, and ends with its stdin.
"""

import json
import os
import sys
import threading
import time

# gRPC would ask a proxy for loopback, too.
for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[variable]

import grpc

CALL_EVERY_S = 0.02
# The first call waits for a configuration; it has failed only if none ever comes.
CALL_TIMEOUT_S = 60


def end_with_stdin():
    sys.stdin.read()
    os._exit(0)


def tell(event, began, **fields):
    print(json.dumps({"event": event, "took_ms": round((time.monotonic() - began) * 1000), **fields}), flush=True)


threading.Thread(target=end_with_stdin, daemon=True).start()
call = grpc.insecure_channel(sys.argv[1]).unary_unary("/holdover.tests.Name/Say")
while True:
    began = time.monotonic()
    try:
        tell("answered", began, name=call(b"", timeout=CALL_TIMEOUT_S, wait_for_ready=True).decode())
    except grpc.RpcError as failure:
        tell("failed", began, code=failure.code().name, detail=failure.details())
    time.sleep(CALL_EVERY_S)
