"""A client written with smtplib. Called with the port of a gateway that takes messages of 2,000 octets, and relays for
nobody but Alice."""

import smtplib
import sys
from email.message import EmailMessage

ALICE, BOB, EVE = "alice@contoso.test", "bob@contoso.test", "eve@fabrikam.test"


def refusal(error, what):
    try:
        what()
    except error as refused:
        return refused
    raise AssertionError(f"no {error.__name__}")


with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), "client.example") as client:
    assert client.ehlo()[0] == 250
    features = client.esmtp_features
    assert features["size"] == "2000", features
    for feature in ["8bitmime", "pipelining", "chunking", "dsn", "enhancedstatuscodes", "smtputf8", "auth"]:
        assert feature in features, features
    assert client.noop()[0] == 250
    assert client.help()
    assert client.verify(BOB)[0] == 252

    refused = client.sendmail(ALICE, [BOB, EVE], "Subject: one\n\n.one dot\n..\n\n.\n")
    assert list(refused) == [EVE] and refused[EVE][0] == 550, refused
    error = refusal(smtplib.SMTPRecipientsRefused, lambda: client.sendmail(ALICE, EVE, "Subject: none\n\n"))
    assert error.recipients[EVE][1].startswith(b"5.7.1 "), error.recipients

    # It says how large the message is, and is told at once.
    error = refusal(smtplib.SMTPSenderRefused, lambda: client.sendmail(ALICE, BOB, "x" * 900 + "\n" + "y" * 1100))
    assert (error.smtp_code, error.smtp_error[:6]) == (552, b"5.3.4 "), error

    # A line that is too long is told of at the end, and the conversation goes on.
    error = refusal(smtplib.SMTPDataError, lambda: client.sendmail(ALICE, BOB, "x" * 999))
    assert (error.smtp_code, error.smtp_error[:6]) == (552, b"5.6.0 "), error

    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "alïce@contoso.test", BOB, "Vierzig Stühle"
    message.set_content("Bitte schicken.\n")
    assert client.send_message(message) == {}
    message.replace_header("From", ALICE)
    assert client.send_message(message, mail_options=["BODY=8BITMIME"]) == {}

    error = refusal(smtplib.SMTPAuthenticationError, lambda: client.login("alice", "summer"))
    assert (error.smtp_code, error.smtp_error[:6]) == (535, b"5.7.8 "), error
    assert client.login("alice", "winter")[0] == 235
    assert client.docmd("AUTH", "PLAIN")[0] == 503
    assert client.docmd("RSET")[0] == 250
    client.putcmd("BLAH")
    assert client.getreply()[0] == 500
    assert client.quit()[0] == 221
