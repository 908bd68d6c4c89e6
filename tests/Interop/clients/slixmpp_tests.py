"""slixmpp over TCP with STARTTLS and SCRAM. One function, one test."""
import asyncio
import ssl

import report
from report import Failure, check
from slix import DOMAIN, TLS_PORT, World, is_message
from slixmpp.exceptions import IqError


async def login_with_scram_over_starttls(world):
    alice = await world.log_in(await world.account("alice"), "laptop")
    check("starttls" in alice.features, "the stream was not upgraded to TLS")
    check(isinstance(alice.socket, ssl.SSLObject), "the socket is not a TLS one")
    check(alice["feature_mechanisms"].mech.name.startswith("SCRAM-"), f"logged in with {alice['feature_mechanisms'].mech.name}")
    check(alice.boundjid.resource == "laptop", f"bound as {alice.boundjid}")
    await alice.expect_event("sm_enabled")


async def login_over_direct_tls(world):
    alice = await world.log_in(await world.account("alice"), port=TLS_PORT)
    check("starttls" not in alice.features, "STARTTLS was used inside TLS")


async def wrong_password_is_refused(world):
    client = world.client(await world.account("alice"))
    client.password = "not the password"
    try:
        await client.log_in()
    except Failure:
        _, failure = await client.expect_event("failed_auth")
        check(failure["condition"] == "not-authorized", f"the condition is {failure['condition']}")
    else:
        raise Failure("logged in with a wrong password")


async def roster_set_get_and_push(world):
    account, friend = await world.accounts("alice", "bob")
    one = await world.log_in(account, "one")
    two = await world.log_in(account, "two")

    def push(subscription, name):
        def match(thing):
            if getattr(thing, "name", "") != "iq" or thing["type"] != "set" or not thing.get_plugin("roster", check=True):
                return False
            item = thing["roster"]["items"].get(friend.jid)
            return item and item["subscription"] == subscription and item["name"] == name
        return match

    await one.update_roster(friend.jid, name="Bob", groups=["Friends", "Work"])
    await one.expect("the push of the new item", push("none", "Bob"))
    await two.expect("the push of the new item", push("none", "Bob"))
    roster = await two.fetch_roster()
    check(list(roster) == [friend.jid], f"the roster holds {list(roster)}")
    check(sorted(roster[friend.jid]["groups"]) == ["Friends", "Work"], f"groups are {roster[friend.jid]['groups']}")

    await two.update_roster(friend.jid, name="Robert", groups=[])
    await one.expect("the push of the change", push("none", "Robert"))
    await one.del_roster_item(friend.jid)
    await two.expect("the push of the removal", push("remove", ""))
    check(not await one.fetch_roster(), "the removed item is still in the roster")


async def subscription_handshake(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    alice = await world.log_in(alice_account)
    bob = await world.log_in(bob_account)

    async def subscription(client, other):
        return (await client.fetch_roster())[other.jid]["subscription"]

    alice.send_presence_subscription(pto=bob_account.jid, ptype="subscribe")
    await bob.expect_presence("subscribe", alice_account)
    bob.send_presence_subscription(pto=alice_account.jid, ptype="subscribed")
    await alice.expect_presence("subscribed", bob_account)
    await alice.expect_presence("available", bob_account)
    check(await subscription(alice, bob_account) == "to", "alice's item is not 'to'")
    check(await subscription(bob, alice_account) == "from", "bob's item is not 'from'")

    bob.send_presence_subscription(pto=alice_account.jid, ptype="subscribe")
    await alice.expect_presence("subscribe", bob_account)
    alice.send_presence_subscription(pto=bob_account.jid, ptype="subscribed")
    await bob.expect_presence("available", alice_account)
    check(await subscription(alice, bob_account) == "both", "alice's item is not 'both'")

    bob.send_presence(pshow="away", pstatus="at lunch")
    away = await alice.expect_presence("away", bob_account)
    check(away["status"] == "at lunch", f"the status is {away['status']!r}")
    await bob.log_out()
    await alice.expect_presence("unavailable", bob_account)


async def subscription_request_waits_for_an_offline_contact(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    alice = await world.log_in(alice_account)
    alice.send_presence_subscription(pto=bob_account.jid, ptype="subscribe")
    await alice.round_trip()
    bob = await world.log_in(bob_account)
    await bob.expect_presence("subscribe", alice_account)


async def message_both_ways_with_receipt_and_displayed_marker(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    alice = await world.log_in(alice_account)
    bob = await world.log_in(bob_account)
    for sender, receiver in ((alice, bob), (bob, alice)):
        text = f"Grüße, 你好, 👋🏽 & <greetings> from {sender.boundjid.user}"
        sent = sender.say(receiver.boundjid.bare, text, request_receipt=True, markable=True)
        got = await receiver.expect_text(text)
        check(got["id"] == sent, "the message's id was changed on its way")
        check(got["from"] == sender.boundjid, f"from is {got['from']}")
        # slixmpp answers the receipt request by itself
        await sender.expect_message("the receipt", lambda m: m["receipt"] == sent and m["from"] == receiver.boundjid)
        receiver["xep_0333"].send_marker(got["from"], got["id"], "displayed")
        await sender.expect_message("the displayed marker", lambda m: m["displayed"]["id"] == sent)


async def chat_states(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    alice = await world.log_in(alice_account)
    bob = await world.log_in(bob_account)
    for state in ("composing", "paused", "active"):
        message = alice.make_message(mto=bob.boundjid, mtype="chat")
        message["chat_state"] = state
        message.send()
        await bob.expect_message(f"the chat state {state}", lambda m: m["chat_state"] == state)


async def message_order_is_kept(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    alice = await world.log_in(alice_account)
    bob = await world.log_in(bob_account)
    sent = [f"number {n}" for n in range(200)]
    for text in sent:
        alice.say(bob_account.jid, text)
    got = await bob.expect_texts(len(sent))
    check(got == sent, f"bob got {got}")


async def offline_message_comes_once_with_its_delay(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    alice = await world.log_in(alice_account)
    for text in ("first", "second"):
        alice.say(bob_account.jid, text)
    await alice.round_trip()
    bob = await world.log_in(bob_account)
    for text in ("first", "second"):
        got = await bob.expect_text(text)
        check(got.get_plugin("delay", check=True), f"{text!r} has no delay stamp")
    await bob.round_trip()
    check(not bob.texts(), f"bob got more: {bob.texts()}")
    bob["xep_0198"].send_ack()      # what is not acked comes again, and slixmpp acks only when it is asked to
    await bob.log_out()
    again = await world.log_in(bob_account)
    alice.say(bob_account.jid, "third")
    await again.expect_text("third")
    check(not again.texts(), f"delivered a second time: {again.texts()}")


async def archive_pages_forward_and_backward(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    alice = await world.log_in(alice_account)
    bob = await world.log_in(bob_account)
    sent = [f"page me {n}" for n in range(7)]
    for n, text in enumerate(sent):
        (alice if n % 2 else bob).say((bob_account if n % 2 else alice_account).jid, text)
        await (bob if n % 2 else alice).expect_text(text)

    async def pages(reverse):
        found = []
        async for page in alice["xep_0313"].retrieve(with_jid=bob_account.jid, reverse=reverse, rsm={"max": 3}, iterator=True):
            found.append([m["mam_result"]["forwarded"]["stanza"]["body"] for m in page["mam_fin"]["results"]])
        return found

    forward = await asyncio.wait_for(pages(reverse=False), 20)
    check(forward == [sent[0:3], sent[3:6], sent[6:7]], f"forward pages are {forward}")
    backward = await asyncio.wait_for(pages(reverse=True), 20)
    check(backward == [sent[4:7], sent[1:4], sent[0:1]], f"backward pages are {backward}")


async def carbons_between_two_resources(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    phone = await world.log_in(alice_account, "phone")
    laptop = await world.log_in(alice_account, "laptop")
    bob = await world.log_in(bob_account)
    for client in (phone, laptop):
        await client["xep_0280"].enable()

    phone.say(bob_account.jid, "sent from the phone")
    await bob.expect_text("sent from the phone")
    sent = await laptop.expect("the copy of a sent message", lambda t: is_message(t) and t.get_plugin("carbon_sent", check=True))
    check(sent["from"] == alice_account.jid, f"the copy comes from {sent['from']}")
    check(sent["carbon_sent"]["body"] == "sent from the phone", f"the copy says {sent['carbon_sent']['body']!r}")

    bob.say(phone.boundjid, "only to the phone")
    await phone.expect_text("only to the phone")
    received = await laptop.expect("the copy of a received message", lambda t: is_message(t) and t.get_plugin("carbon_received", check=True))
    check(received["carbon_received"]["body"] == "only to the phone", f"the copy says {received['carbon_received']['body']!r}")


async def every_message_is_acked(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    alice = await world.log_in(alice_account)
    await alice.expect_event("sm_enabled")
    for text in ("one", "two", "three"):
        await alice.expect_ack(alice.say(bob_account.jid, text))


async def resumption_after_a_cut(world):
    """What the server sent into the void comes again, once and in order. (What slixmpp 1.8 itself had unacked it
    forgets on <resume/>; that direction is tested with strophe.js.)"""
    alice_account, bob_account = await world.accounts("alice", "bob")
    proxy = await world.proxy()
    alice = await world.log_in(alice_account, port=proxy.port)
    bob = await world.log_in(bob_account)
    await alice.expect_event("sm_enabled")
    bob.say(alice_account.jid, "before the cut")
    await alice.expect_text("before the cut")

    for turn in ("first", "second"):
        proxy.swallow = True
        lost = [f"{turn} cut, message {n}" for n in range(3)]
        for text in lost:
            bob.say(alice_account.jid, text)
        await proxy.has_swallowed("server")
        proxy.cut()
        bob.say(alice_account.jid, f"{turn} cut, said while away")
        await bob.round_trip()
        alice.connect(("127.0.0.1", proxy.port))
        event, _ = await alice.expect_event("session_resumed", "session_start", "sm_failed")
        check(event == "session_resumed", f"the session was not resumed but got {event}")
        got = await alice.expect_texts(len(lost) + 1)
        check(got == [*lost, f"{turn} cut, said while away"], f"alice got {got}")

    sent = alice.say(bob_account.jid, "after the cuts")
    await bob.expect_text("after the cuts")
    await alice.expect_ack(sent)


async def ping_version_and_disco(world):
    alice = await world.log_in(await world.account("alice"))
    await alice.round_trip()
    version = (await alice["xep_0092"].get_version(DOMAIN))["software_version"]
    check(version["name"] and version["version"], f"name {version['name']!r}, version {version['version']!r}")

    server = (await alice["xep_0030"].get_info(DOMAIN))["disco_info"]
    check(any(i[:2] == ("server", "im") for i in server["identities"]), f"identities are {server['identities']}")
    account = (await alice["xep_0030"].get_info(alice.boundjid.bare))["disco_info"]
    check(any(i[:2] == ("account", "registered") for i in account["identities"]), f"the account's identities are {account['identities']}")
    offered = set(server["features"]) | set(account["features"])
    wanted = {"http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items", "urn:xmpp:ping",
              "jabber:iq:version", "urn:xmpp:blocking", "urn:xmpp:carbons:2", "urn:xmpp:mam:2"}
    check(wanted <= offered, f"not announced: {sorted(wanted - offered)}")
    await alice["xep_0030"].get_items(DOMAIN)


async def unknown_request_gets_an_error(world):
    alice = await world.log_in(await world.account("alice"))
    iq = alice.make_iq_get(queryxmlns="urn:example:nothing", ito=DOMAIN)
    try:
        await iq.send()
    except IqError as error:
        check(error.condition == "service-unavailable", f"the condition is {error.condition}")
    else:
        raise Failure("a request that nobody knows was answered")


async def blocking(world):
    alice_account, bob_account = await world.accounts("alice", "bob")
    alice = await world.log_in(alice_account)
    tablet = await world.log_in(alice_account, "tablet")
    bob = await world.log_in(bob_account)
    await tablet["xep_0191"].get_blocked()
    await alice["xep_0191"].block({bob_account.jid})
    await tablet.expect("the push of the block", lambda t: getattr(t, "name", "") == "iq" and t["type"] == "set"
                        and t.get_plugin("block", check=True))
    listed = (await alice["xep_0191"].get_blocked())["blocklist"]["items"]
    check({str(jid) for jid in listed} == {bob_account.jid}, f"the list holds {listed}")

    refused = bob.say(alice_account.jid, "can you hear me?")
    error = await bob.expect_message("the error for a blocked message", lambda m: m["type"] == "error" and m["id"] == refused)
    check(error["error"]["condition"] == "service-unavailable", f"the condition is {error['error']['condition']}")
    alice.say(bob_account.jid, "into the other direction")
    await alice.expect_message("the error for a message to a blocked contact", lambda m: m["type"] == "error")

    await alice["xep_0191"].unblock({bob_account.jid})
    await tablet.expect("the push of the unblock", lambda t: getattr(t, "name", "") == "iq" and t["type"] == "set"
                        and t.get_plugin("unblock", check=True))
    bob.say(alice_account.jid, "and now?")
    await alice.expect_text("and now?")
    check("can you hear me?" not in alice.texts(), "the blocked message was delivered")


TESTS = [
    login_with_scram_over_starttls,
    login_over_direct_tls,
    wrong_password_is_refused,
    roster_set_get_and_push,
    subscription_handshake,
    subscription_request_waits_for_an_offline_contact,
    message_both_ways_with_receipt_and_displayed_marker,
    chat_states,
    message_order_is_kept,
    offline_message_comes_once_with_its_delay,
    archive_pages_forward_and_backward,
    carbons_between_two_resources,
    every_message_is_acked,
    resumption_after_a_cut,
    ping_version_and_disco,
    unknown_request_gets_an_error,
    blocking,
]

if __name__ == "__main__":
    asyncio.run(report.run("slixmpp", TESTS, World))
