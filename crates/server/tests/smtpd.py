"""A real mail server for tests, which misbehaves when it is told to.

usage: smtpd.py MANNERS [--tls CERTIFICATE KEY] [--login NAME PASSWORD]

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
                "tls": session.ssl is not None,
                "login": bool(session.authenticated),
            })
        if session.manner != "take":
            server.transport.abort()
        return "250 OK"


def say(mail):
    sys.stdout.write(json.dumps(mail) + "\n")
    sys.stdout.flush()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("manners")
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--login", nargs=2)
    args = parser.parse_args()
    options = {"enable_SMTPUTF8": True, "hostname": "mail.test", "timeout": 3600}
    if args.tls:
        options["tls_context"] = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        options["tls_context"].load_cert_chain(*args.tls)
        options["require_starttls"] = True
    if args.login:
        wanted = LoginPassword(args.login[0].encode(), args.login[1].encode())
        options["auth_required"] = True
        options["authenticator"] = lambda server, session, envelope, mechanism, given: AuthResult(
            success=given == wanted
        )
    handler = Manners(args.manners.split(","))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, loop=loop, **options), "127.0.0.1", 0, backlog=200
    )
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
