"""A server for mail as a test needs one: says its port, then each mail as a line of JSON.

The first RCPT to an address with "later" in it is answered 451, every one with "never" in it 550. With a third argument the
server takes mail only from who signs in with that name and the password after it.
"""

import json
import sys
from email import message_from_bytes
from email.policy import default

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Handler:
    def __init__(self):
        self.put_off = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if "never" in address:
            return "550 no such mailbox"
        if "later" in address and address not in self.put_off:
            self.put_off.add(address)
            return "451 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=default)
        plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
        told = {
            "to": envelope.rcpt_tos,
            "from": mail["From"],
            "subject": mail["Subject"],
            "auto": mail["Auto-Submitted"],
            "text": plain and plain.get_content(),
            "html": html and html.get_content(),
            "files": {part.get_filename(): part.get_content() for part in mail.iter_attachments()},
            "unsubscribe": mail["List-Unsubscribe"],
        }
        print(json.dumps(told), flush=True)
        return "250 taken"


def sign_in(server, session, envelope, mechanism, data):
    known = (data.login.decode(), data.password.decode()) == tuple(sys.argv[1:3])
    return AuthResult(success=known, handled=True)


options = {}
if len(sys.argv) > 1:
    options = {"authenticator": sign_in, "auth_required": True, "auth_require_tls": False}


class AnyPort(Controller):
    def _trigger_server(self):
        # The port is known only once the server listens.
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


controller = AnyPort(Handler(), hostname="127.0.0.1", port=0, **options)
controller.start()
print(controller.port, flush=True)
sys.stdin.read()
controller.stop()
