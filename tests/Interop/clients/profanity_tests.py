"""profanity, a terminal client (libstrophe, C), in tmux; its counterpart is slixmpp. One function, one test.

profanity 0.13 knows no displayed markers (0333): it can neither send nor show one, so no test of them stands here.
It looks for the archive (0313) in the features of the domain, not of the account."""
import asyncio

import report
from report import check
from slix import PORT, World
from terminal import Terminal


class Profanity:
    def __init__(self, world, account):
        self.account = account
        self.terminal = Terminal()
        world.clients.append(self)      # closed with the others

    async def start(self):
        await self.terminal.start("profanity")
        await self.terminal.wait_for_text("Type '/help' to show complete help.")
        await self.type("/roster hide")     # the whole width for the text: no line is broken
        return self

    async def log_in(self, port=PORT, certificate="tls trust"):
        if not self.terminal.screen:
            await self.start()
        await self.type(f"/connect {self.account.jid} server 127.0.0.1 port {port} {certificate}".rstrip())
        await self.shows("Enter password:")
        await self.type(self.account.password)
        await self.shows("logged in successfully")
        return self

    async def log_out(self):
        await self.terminal.close()

    async def type(self, *lines):
        await self.terminal.type(*lines)

    async def shows(self, *texts):
        return await self.terminal.wait_for_text(*texts)


async def connects_and_asks_about_the_certificate(world):
    alice = await Profanity(world, await world.account("alice")).start()
    await alice.type(f"/connect {alice.account.jid} server 127.0.0.1 port {PORT}")
    await alice.shows("Enter password:")
    await alice.type(alice.account.password)
    await alice.shows("TLS certificate verification failed", "/tls allow")
    await alice.type("/tls allow")
    await alice.shows("logged in successfully", "[TLS]", "[online]")


async def roster_add_and_subscription(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    bob = await world.log_in(bob_account)
    alice = await Profanity(world, alice_account).log_in()
    await alice.type(f"/roster add {bob_account.jid} Robert")
    await alice.shows(f"Roster item added: {bob_account.jid} (Robert)")
    await alice.type(f"/sub request {bob_account.jid}")
    await bob.expect_presence("subscribe", alice_account)
    bob.send_presence_subscription(pto=alice_account.jid, ptype="subscribed")
    await alice.shows("Robert", "is online")
    bob.send_presence_subscription(pto=alice_account.jid, ptype="subscribe")
    await alice.shows("Received authorization request from")
    await alice.type(f"/sub allow {bob_account.jid}")
    await bob.expect_presence("available", alice_account)
    items = await bob.fetch_roster()
    check(items[alice_account.jid]["subscription"] == "both", f"bob's roster says {items[alice_account.jid]['subscription']}")


async def messages_both_ways_with_receipts(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    bob = await world.log_in(bob_account)
    bob["xep_0184"].auto_ack = False
    alice = await Profanity(world, alice_account).log_in()
    await alice.type("/receipts request on", "/receipts send on", f"/msg {bob_account.jid} hello bob, 你好")
    got = await bob.expect_text("hello bob, 你好")
    check(got["request_receipt"], "no receipt was requested")

    # profanity shows a message whose receipt is outstanding in red, the theme's receipt.sent
    def red(screen):
        return "\x1b[31mme: hello bob" in screen
    await alice.terminal.wait_for("the message without its receipt", red, colours=True)
    bob["xep_0184"].ack(got)
    await alice.terminal.wait_for("the message with its receipt", lambda s: "hello bob" in s and not red(s), colours=True)

    sent = bob.say(got["from"], "hello alice & all", request_receipt=True)
    await alice.shows("hello alice & all")
    await bob.expect_message("profanity's receipt", lambda m: m["receipt"] == sent)


async def offline_message_arrives_on_connect(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    bob = await world.log_in(bob_account)
    bob.say(alice_account.jid, "read this when you come")
    await bob.round_trip()
    alice = await Profanity(world, alice_account).log_in()
    await alice.type(f"/msg {bob_account.jid}")
    await alice.shows("read this when you come")


async def archive_shows_history(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    bob = await world.log_in(bob_account)
    other = await world.log_in(alice_account, "elsewhere")
    for n in range(5):
        bob.say(alice_account.jid, f"history {n}")
        await other.expect_text(f"history {n}")
    other.say(bob_account.jid, "history from elsewhere")
    await bob.expect_text("history from elsewhere")
    await other.log_out()
    alice = await Profanity(world, alice_account).log_in()
    await alice.type("/mam on", "/disco info")
    await alice.shows("urn:xmpp:mam:2")
    await alice.type(f"/msg {bob_account.jid}")
    await alice.shows(*(f"history {n}" for n in range(5)), "history from elsewhere")


async def resumption_after_a_cut(world):
    """What the server sent into the void comes again. (The other direction cannot be tested: libstrophe 0.12.2 does
    not send its unacked stanzas again after resumption, strophe/libstrophe#222.)"""
    alice_account, bob_account = await world.accounts("alice", "bob")
    bob = await world.log_in(bob_account)
    proxy = await world.proxy()
    alice = await Profanity(world, alice_account).start()
    await alice.type("/reconnect 1")
    await alice.log_in(proxy.port)
    await alice.type(f"/msg {bob_account.jid} before the cut")
    first = await bob.expect_text("before the cut")
    proxy.swallow = True
    bob.say(first["from"], "into the void")
    await proxy.has_swallowed("server")
    proxy.cut()
    await alice.shows("into the void")
    await alice.type("after the cut")
    second = await bob.expect_text("after the cut")
    check(second["from"] == first["from"], f"not the old session, {first['from']}, but a new one, {second['from']}")


TESTS = [
    connects_and_asks_about_the_certificate,
    roster_add_and_subscription,
    messages_both_ways_with_receipts,
    offline_message_arrives_on_connect,
    archive_shows_history,
    resumption_after_a_cut,
]

if __name__ == "__main__":
    asyncio.run(report.run("profanity", TESTS, World))
