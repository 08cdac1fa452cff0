"""A real mail server for tests, which misbehaves when it is told to.

usage: smtpd.py MANNERS [--tls CERTIFICATE KEY [--implicit]] [--login NAME PASSWORD]

With a certificate it wants STARTTLS before any mail, or, with --implicit, speaks TLS from the first byte.
A login is taken over TLS only.

MANNERS is a list, separated by commas: what becomes of the first mail, the second … and of all
others as of the last one. A mail counts from its MAIL command on.
  take     it is taken over
  NNN      it is refused with this code at RCPT
  hangup   the line is cut at DATA
  hang     nothing is ever answered to DATA
  forget   it is taken over, but the line is cut before the answer
Whoever has an address like 451-ann@example.org or hang-ann@example.org gets what it says.
It listens on a free port of 127.0.0.1, prints "port N", then one line of JSON for each mail that it
has taken over, and ends when its standard input does.
"""

import argparse
import asyncio
import json
import ssl
import sys
import time

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Manners:
    def __init__(self, manners):
        self.manners = manners
        self.mails = 0

    async def handle_MAIL(self, server, session, envelope, address, options):
        session.manner = self.manners[min(self.mails, len(self.manners) - 1)]
        self.mails += 1
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        before, dash, _ = address.partition("-")
        if dash:
            session.manner = before
        if session.manner.isdigit():
            return session.manner + " not this one"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if session.manner == "hang":
            await asyncio.sleep(3600)
        if session.manner != "hangup":
            say({
                "to": envelope.rcpt_tos,
                "data": envelope.content.decode(),
                "at": time.time_ns() // 1_000_000,
                "tls": is_tls(server),
                "login": bool(session.authenticated),
            })
        if session.manner != "take":
            server.transport.abort()
        return "250 OK"


def is_tls(server):
    return server.transport.get_extra_info("sslcontext") is not None


def say(mail):
    sys.stdout.write(json.dumps(mail) + "\n")
    sys.stdout.flush()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("manners")
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--implicit", action="store_true")
    parser.add_argument("--login", nargs=2)
    args = parser.parse_args()
    options = {"enable_SMTPUTF8": True, "hostname": "mail.test", "timeout": 3600}
    implicit = None
    if args.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*args.tls)
        if args.implicit:
            implicit = context
            # It counts STARTTLS only as TLS.
            options["auth_require_tls"] = False
        else:
            options["tls_context"] = context
            options["require_starttls"] = True
    if args.login:
        wanted = LoginPassword(args.login[0].encode(), args.login[1].encode())
        options["auth_required"] = True
        options["authenticator"] = lambda server, session, envelope, mechanism, given: AuthResult(
            success=given == wanted, handled=False
        )
    handler = Manners(args.manners.split(","))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, loop=loop, **options), "127.0.0.1", 0, backlog=200, ssl=implicit
    )
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
