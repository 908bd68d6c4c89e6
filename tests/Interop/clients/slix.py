"""slixmpp as a test client: accounts, log-ins, and waits for stanzas with a limit."""
import asyncio
import json
import logging
import os
import secrets
import ssl
from dataclasses import dataclass

from slixmpp import ClientXMPP

from proxy import Proxy
from report import Failure

DOMAIN = os.environ["INTEROP_DOMAIN"]
PORT = int(os.environ["INTEROP_PORT"])
TLS_PORT = int(os.environ["INTEROP_TLS_PORT"])
ADD_USER = json.loads(os.environ["INTEROP_ADD_USER"])
WAIT_LIMIT = 15   # seconds for any single thing that is waited for
PLUGINS = (30, 59, 85, 92, 184, 191, 198, 199, 203, 280, 297, 313, 333, 334, 359)

if os.environ.get("INTEROP_TRACE"):
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(name)s %(message)s")
else:
    logging.disable(logging.CRITICAL)


@dataclass(frozen=True)
class Account:
    name: str
    password: str

    @property
    def jid(self):
        return f"{self.name}@{DOMAIN}"


class Client(ClientXMPP):
    """One resource. Everything that arrives stays in `seen` until `expect` takes it out."""

    def __init__(self, account, resource, port):
        super().__init__(f"{account.jid}/{resource}", account.password)
        self.port = port
        self.seen = []
        self._news = asyncio.Event()
        self.use_aiodns = False
        self.whitespace_keepalive = False
        self.auto_authorize = None      # subscriptions are answered by the tests
        self.auto_subscribe = False
        self.ssl_context.check_hostname = False
        self.ssl_context.verify_mode = ssl.CERT_NONE
        for number in PLUGINS:
            self.register_plugin(f"xep_{number:04}")
        self.add_filter("in", self._arrived)
        for event in ("session_start", "session_resumed", "sm_enabled", "sm_failed", "failed_auth", "failed_all_auth", "stanza_acked", "disconnected"):
            self.add_event_handler(event, lambda data, event=event: self._arrived((event, data)))

    def _arrived(self, thing):
        self.seen.append(thing)
        self._news.set()
        return thing

    async def _wait(self, what, find):
        async def found():
            while (result := find()) is None:
                self._news.clear()
                await self._news.wait()
            return result
        try:
            return await asyncio.wait_for(found(), WAIT_LIMIT)
        except asyncio.TimeoutError:
            raise Failure(f"{self.boundjid} waited {WAIT_LIMIT} s for {what}") from None

    async def expect(self, what, match):
        """Takes the first thing seen for which `match` holds; older ones that do not match stay."""
        def find():
            for thing in self.seen:
                if match(thing):
                    self.seen.remove(thing)
                    return thing
            return None
        return await self._wait(what, find)

    async def expect_texts(self, count):
        """Takes all texts once there are `count` of them, and what the server sends before it answers a ping."""
        await self._wait(f"{count} texts", lambda: len(self.texts()) >= count or None)
        await self.round_trip()
        texts = self.texts()
        self.seen = [thing for thing in self.seen if not is_message(thing)]
        return texts

    async def expect_event(self, *names):
        name, data = await self.expect(f"event {' or '.join(names)}", lambda t: isinstance(t, tuple) and t[0] in names)
        return name, data

    async def expect_message(self, what, match):
        return await self.expect(what, lambda t: is_message(t) and match(t))

    async def expect_text(self, body):
        return await self.expect_message(f"the message {body!r}", lambda m: m["body"] == body)

    async def expect_presence(self, kind, sender):
        return await self.expect(f"presence {kind} from {sender}", lambda t: getattr(t, "name", "") == "presence"
                                 and t["type"] == kind and t["from"].bare == sender.jid)

    def texts(self):
        """Bodies of the messages that no `expect` has taken yet."""
        return [t["body"] for t in self.seen if is_message(t) and t["body"]]

    async def fetch_roster(self):
        """The whole roster as the server has it now, never "nothing new since your version"."""
        self.client_roster.version = ""
        return (await self.get_roster())["roster"]["items"]

    async def round_trip(self):
        """When the answer is here, the server has taken all that this client sent before."""
        await self["xep_0199"].send_ping(DOMAIN)

    async def expect_ack(self, message_id):
        """The server has taken responsibility for the message (XEP-0198)."""
        await self.round_trip()     # slixmpp sends <r/> past its queue
        self["xep_0198"].request_ack()
        await self.expect(f"the ack of {message_id}", lambda t: isinstance(t, tuple) and t[0] == "stanza_acked" and t[1]["id"] == message_id)

    def say(self, to, body, **parts):
        message = self.make_message(mto=to, mbody=body, mtype="chat")
        for part, value in parts.items():
            message[part] = value
        message.send()
        return message["id"]

    async def log_in(self, presence=True):
        direct = self.port == TLS_PORT
        self.connect(("127.0.0.1", self.port), use_ssl=direct, force_starttls=not direct)
        event, data = await self.expect_event("session_start", "failed_all_auth", "disconnected")
        if event != "session_start":
            raise Failure(f"{self.requested_jid} could not log in: {event} {data}")
        if presence:
            await self.get_roster()
            self.send_presence()
            await self.expect("its own presence back", lambda t: getattr(t, "name", "") == "presence"
                              and t["from"] == self.boundjid)
        return self

    async def log_out(self):
        if self.is_connected():
            if self["xep_0198"].enabled_in:
                self["xep_0198"].send_ack()  # XEP-0198 section 4: before it goes, a client says what it has
            await self.disconnect()


def is_message(thing):
    return getattr(thing, "name", "") == "message"


class World:
    """What one test uses; everything is closed after it."""

    def __init__(self):
        self.clients = []
        self.proxies = []

    async def account(self, name):
        account = Account(f"{name}-{secrets.token_hex(3)}", secrets.token_hex(12))
        command = [part.format(name=account.name, password=account.password) for part in ADD_USER]
        adding = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL,
                                                      stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        output, _ = await adding.communicate()
        if adding.returncode:
            raise Failure(f"the account {account.jid} was not created: {output.decode(errors='replace')}")
        return account

    async def accounts(self, *names):
        return await asyncio.gather(*map(self.account, names))

    def client(self, account, resource="one", port=PORT):
        client = Client(account, resource, port)
        self.clients.append(client)
        return client

    async def log_in(self, account, resource="one", port=PORT, presence=True):
        return await self.client(account, resource, port).log_in(presence)

    async def befriend(self, one, other):
        """Both accounts subscribe to each other, with presence sent and seen."""
        for asking, asked in ((one, other), (other, one)):
            asking.send_presence_subscription(pto=asked.boundjid.bare, ptype="subscribe")
            await asked.expect("the subscription request", lambda t: getattr(t, "name", "") == "presence" and t["type"] == "subscribe")
            asked.send_presence_subscription(pto=asking.boundjid.bare, ptype="subscribed")
            await asking.expect("the other's presence", lambda t: getattr(t, "name", "") == "presence"
                                and t["type"] == "available" and t["from"] == asked.boundjid)

    async def proxy(self):
        proxy = await Proxy(PORT).start()
        self.proxies.append(proxy)
        return proxy

    async def close(self):
        await asyncio.gather(*(client.log_out() for client in self.clients), return_exceptions=True)
        for proxy in self.proxies:
            await proxy.close()
