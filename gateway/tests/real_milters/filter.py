"""A filter written with pymilter. It does to a message what the message's X-Do fields ask for, and to a recipient or a
sender what the first part of the address says. Called with the port that it is to listen on."""

import sys

import Milter


class Filter(Milter.Base):
    def __init__(self):
        self.wishes = []

    def connect(self, name, family, address):
        return Milter.CONTINUE

    def hello(self, name):
        return Milter.TEMPFAIL if name == "busy.example" else Milter.CONTINUE

    def envfrom(self, sender, *parameters):
        self.wishes = []
        self.facts = [
            self.getsymval("j"), self.getsymval("{client_addr}"), self.getsymval("{mail_addr}"),
            self.getsymval("{auth_authen}"), self.getsymval("{auth_type}"),
        ]
        return Milter.REJECT if sender.startswith("<refused@") else Milter.CONTINUE

    def envrcpt(self, recipient, *parameters):
        self.facts.append(self.getsymval("{rcpt_addr}"))
        if recipient.startswith("<refused@"):
            self.setreply("550", "5.1.1", "nobody", "of that name: 100%%")
            return Milter.REJECT
        return Milter.DISCARD if recipient.startswith("<nobody@") else Milter.CONTINUE

    def header(self, name, value):
        if name == "X-Do":
            self.wishes.append(value)
        return Milter.CONTINUE

    def eom(self):
        self.facts.append(self.getsymval("i"))
        answer = Milter.CONTINUE
        for wish in self.wishes:
            if wish == "add":
                self.addheader("X-Facts", " ".join(str(fact) for fact in self.facts))
            elif wish == "insert":
                self.addheader("X-First", "folded\n\tvalue", 1)
            elif wish == "change":
                self.chgheader("Subject", 1, "changed")
            elif wish == "delete":
                self.chgheader("X-Do", 1, "")
            elif wish == "body":
                self.replacebody("a new\nbody " + "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 2000)
            elif wish == "sender":
                self.chgfrom("<carol@fabrikam.test>")
            elif wish == "to bob":
                self.addrcpt("<bob@contoso.test>")
            elif wish == "not to alice":
                self.delrcpt("<alice@contoso.test>")
            elif wish == "progress":
                self.progress()
            elif wish == "quarantine":
                self.quarantine("it looks strange")
            else:
                answer = {
                    "accept": Milter.ACCEPT, "discard": Milter.DISCARD,
                    "reject": Milter.REJECT, "tempfail": Milter.TEMPFAIL,
                }[wish]
        return answer


Milter.factory = Filter
Milter.set_flags(
    Milter.ADDHDRS | Milter.CHGHDRS | Milter.CHGBODY | Milter.ADDRCPT | Milter.DELRCPT | Milter.CHGFROM
    | Milter.QUARANTINE)
Milter.runmilter("filter", "inet:%s@127.0.0.1" % sys.argv[1], 30)
