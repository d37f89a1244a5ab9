"""What Python's email makes of a failure report and of a delay notice: three parts each, without a defect."""

import email
import email.policy
import sys


def read(name):
    message = email.message_from_binary_file(open(name, "rb"), policy=email.policy.default)
    for part in message.walk():
        assert not part.defects, (part.get_content_type(), part.defects)
        for field, value in part.items():
            assert not value.defects, (field, value, value.defects)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["Return-Path"] == "<>" and message["Auto-Submitted"] == "auto-replied"
    assert message["Date"].datetime.tzinfo and message["Message-ID"]
    text, status, original = message.iter_parts()
    assert text.get_content_type() == "text/plain" and text.get_content().strip()
    assert status.get_content_type() == "message/delivery-status"
    return message, text.get_content(), status.get_payload(), original


message, text, status, original = read(sys.argv[1])
assert message["To"].addresses[0].addr_spec == "alice@contoso.test"
first, *recipients = status
assert first["Reporting-MTA"] == "dns; ims.contoso.test", first.items()
for recipient, address in zip(recipients, ["nobody@contoso.test", '"no one"@contoso.test'], strict=True):
    assert recipient["Final-Recipient"] == f"rfc822; {address}", recipient.items()
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1"), recipient.items()
    assert address in text
assert original.get_content_type() == "message/rfc822"
returned = original.get_content()
assert returned.get_content().rstrip() == ".\nBitte.", returned.get_content()

message, text, status, original = read(sys.argv[2])
assert message["To"].addresses[0].addr_spec == "bob@contoso.test"
first, recipient = status
assert (recipient["Action"], recipient["Status"][:2]) == ("delayed", "4."), recipient.items()
assert "eve@fabrikam.test" in text
