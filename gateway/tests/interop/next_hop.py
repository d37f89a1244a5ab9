"""A next hop written with aiosmtpd. It turns away the recipient `never`, and `later` at the first time, and keeps each
message in a file. Called with the address and the port that it is to listen on, and a folder."""

import asyncio
import pathlib
import sys

from aiosmtpd.smtp import SMTP

address, port, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])


class Handler:
    def __init__(self):
        self.came_before = set()
        self.count = 0

    async def handle_RCPT(self, server, session, envelope, recipient, options):
        if recipient.startswith("never@"):
            return "550 5.1.1 no such person"
        if recipient.startswith("later@") and recipient not in self.came_before:
            self.came_before.add(recipient)
            return "451 4.2.1 come again"
        envelope.rcpt_tos.append(recipient)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        parties = "\n".join([envelope.mail_from or "<>", *envelope.rcpt_tos])
        file = folder / f"{self.count:05}"
        file.with_suffix(".part").write_bytes(parties.encode() + b"\n\n" + envelope.original_content)
        file.with_suffix(".part").rename(file)
        return "250 2.0.0 taken"


async def main():
    handler = Handler()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, hostname="fabrikam.test", enable_SMTPUTF8=True), address, port
    )
    await server.serve_forever()


asyncio.run(main())
