"""A real web server for tests, which misbehaves when it is told to: what somebody has behind his
webhook, or as his push server.

usage: httpd.py MANNERS [--tls CERTIFICATE KEY] [--key WEBHOOK_KEY]

MANNERS is a list, separated by commas: what becomes of the first POST, the second … and of all others
as of the last one.
  take    it is answered with 204
  NNN     it is answered with this status
  away    it is answered with a redirect to the same server
  hangup  the line is cut before the answer
  hang    nothing is ever answered
  flood   an answer begins whose head never ends
It listens on a free port of 127.0.0.1, prints "port N", then one line of JSON for each POST, and ends
when its standard input does. Of a call with a webhook's signature it says whether the signature holds,
by the rules of standardwebhooks.com and nobody else's code; the key may come later, as a line of the
standard input.
"""

import argparse
import base64
import hashlib
import hmac
import itertools
import json
import os
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("manners")
parser.add_argument("--tls", nargs=2)
parser.add_argument("--key", default="")
args = parser.parse_args()
manners = args.manners.split(",")
counter = itertools.count()
lock = threading.Lock()


def signature_holds(headers, body):
    signed = ".".join([headers["webhook-id"], headers["webhook-timestamp"], body.decode()])
    key = base64.b64decode(args.key.removeprefix("whsec_"))
    mac = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode() in headers["webhook-signature"].split(" ")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with lock:
            manner = manners[min(next(counter), len(manners) - 1)]
            signed = "webhook-signature" in self.headers
            said = {
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": body.decode(),
                "signed": signed and signature_holds(self.headers, body),
            }
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()
        self.close_connection = True
        if manner == "hang":
            time.sleep(3600)
        elif manner == "flood":
            self.send_response(200)
            while True:
                self.send_header("x", "y" * 1000)
                self.flush_headers()
        elif manner != "hangup":
            status = {"take": 204, "away": 307}.get(manner) or int(manner)
            self.send_response(status)
            if manner == "away":
                self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # Whoever called has hung up.


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
if args.tls:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*args.tls)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print("port", server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
for line in sys.stdin:
    args.key = line.strip()
os._exit(0)
