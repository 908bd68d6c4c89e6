// xmpp.js (@xmpp/client) as a test client, over TCP with STARTTLS.
import { client, xml } from '@xmpp/client';
import { domain, Failure, Inbox, newId, tracing } from './world.mjs';

process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';     // the server's certificate is self-signed
process.removeAllListeners('warning');              // and Node warns about that line

export { xml };

export class Client extends Inbox {
    acked = new Set();      // ids of the messages whose ack has come
    nonzas = [];
    resumptions = 0;

    /** token: what an earlier log-in was given for the next one (XEP-0484). */
    constructor(account, resource, service, { token, userAgent } = {}) {
        super();
        this.account = account;
        this.userAgent = userAgent ?? crypto.randomUUID();
        this.xmpp = client({
            service, domain, resource, credentials: { username: account.name, password: account.password, token },
            userAgent: xml('user-agent', { id: this.userAgent }, xml('software', {}, 'interop')),
        });
        this.xmpp.reconnect.delay = 20;
        this.xmpp.fast.saveToken = async (given) => { this.token = given; this.look(); };
        this.xmpp.on('error', (error) => { this.error = error; this.look(); });
        this.xmpp.on('stanza', (stanza) => this.arrived(stanza));
        this.xmpp.on('nonza', (nonza) => {
            this.nonzas.push(nonza);
            setImmediate(() => this.look());    // once xmpp.js itself has handled it
        });
        this.xmpp.streamManagement.on('ack', (stanza) => { this.acked.add(stanza.attrs.id); this.look(); });
        this.xmpp.streamManagement.on('resumed', () => { this.resumptions++; this.look(); });
        if (tracing) {
            this.xmpp.on('element', (element) => console.error('RECV', `${element}`));
            this.xmpp.on('send', (element) => console.error('SENT', `${element}`));
        }
    }

    get jid() { return `${this.xmpp.jid}`; }

    textOf(stanza) {
        return stanza.is('message') ? stanza.getChildText('body') : null;
    }

    async connect() {
        let outcome;
        this.xmpp.start().then(() => 'online', (error) => error).then((result) => { outcome = result; this.look(); });
        await this.until('the log-in', () => outcome);
        if (outcome !== 'online') {
            this.xmpp.reconnect.stop();
            throw new Failure(`${this.account.jid} could not log in: ${outcome.condition ?? outcome.message}`);
        }
        await this.until('stream management', () => this.xmpp.streamManagement.enabled || undefined);
        return this;
    }

    async logIn() {
        await this.connect();
        await this.request(xml('iq', { type: 'get' }, xml('query', 'jabber:iq:roster')));
        await this.announce();
        return this;
    }

    async announce() {
        await this.xmpp.send(xml('presence'));
        await this.expect('its own presence back', (s) => s.is('presence') && s.attrs.from === this.jid);
    }

    async logOut() {
        this.xmpp.reconnect.stop();
        if (this.xmpp.status !== 'offline') await this.xmpp.stop();
    }

    request(iq) {
        return this.xmpp.iqCaller.request(iq);
    }

    roundTrip() {
        return this.request(xml('iq', { type: 'get', to: domain }, xml('ping', 'urn:xmpp:ping')));
    }

    /** Sends a chat message with these elements in it; gives its id. */
    async send(to, ...parts) {
        const id = newId();
        await this.xmpp.send(xml('message', { to, id, type: 'chat' }, ...parts));
        return id;
    }

    say(to, text, ...parts) {
        return this.send(to, xml('body', {}, text), ...parts);
    }

    expectAck(id) {
        return this.until(`the ack of ${id}`, () => this.acked.has(id) || undefined);
    }
}
