"""A gRPC server that answers every call with its name.

    grpc_backend.py NAME

Prints the address that it found as a line of JSON, and ends with its stdin.
"""

import json
import os
import sys
from concurrent import futures

import grpc


class Says(grpc.GenericRpcHandler):
    def __init__(self, name):
        self.handler = grpc.unary_unary_rpc_method_handler(lambda request, context: name.encode())

    def service(self, call):
        return self.handler


server = grpc.server(futures.ThreadPoolExecutor(max_workers=2), handlers=[Says(sys.argv[1])])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(json.dumps({"event": "listening", "address": f"127.0.0.1:{port}"}), flush=True)
sys.stdin.read()
os._exit(0)
