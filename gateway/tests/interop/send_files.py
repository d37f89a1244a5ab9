"""Sends each file of a folder with smtplib as it is, and prints what the gateway said to it. Called with the port of a
gateway and the folder."""

import pathlib
import smtplib
import sys

client = None
for file in sorted(pathlib.Path(sys.argv[2]).iterdir()):
    if client is None:
        client = smtplib.SMTP("127.0.0.1", int(sys.argv[1]), "client.example")
        client.ehlo()
    client.mail("alice@contoso.test", ["BODY=8BITMIME"])
    client.rcpt("bob@contoso.test")
    client.rcpt("eve@fabrikam.test")
    try:
        code, text = client.data(file.read_bytes())
    except smtplib.SMTPServerDisconnected as error:
        code, text = 0, str(error).encode()
    print(code, text.decode())
    if code == 554 or code == 0:
        # A bare CR or LF ends the conversation.
        client.close()
        client = None
