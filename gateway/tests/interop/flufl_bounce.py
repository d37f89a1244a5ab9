"""What flufl.bounce makes of a failure report and of a delay notice: who is gone, and who may be."""

import email
import sys

from flufl.bounce import all_failures

failed, late = (email.message_from_binary_file(open(name, "rb")) for name in sys.argv[1:])
temporary, permanent = all_failures(failed)
assert (set(temporary), set(permanent)) == (set(), {b"nobody@contoso.test", b'"no one"@contoso.test'}), (
    temporary, permanent)
temporary, permanent = all_failures(late)
assert (set(temporary), set(permanent)) == ({b"eve@fabrikam.test"}, set()), (temporary, permanent)
