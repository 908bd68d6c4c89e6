// strophe.js as a test client, over WebSocket.
import { Strophe, stx } from 'strophe.js';
import { check, domain, Failure, Inbox, newId, tracing, waitLimit } from './world.mjs';

const { Status } = Strophe;
Strophe.setLogLevel(Strophe.LogLevel.FATAL);

/** The first element of that name and namespace below `stanza`. */
export function find(stanza, name, namespace) {
    return Array.from(stanza.getElementsByTagName(name)).find((e) => Strophe.getNamespace(e) === namespace);
}

export class Client extends Inbox {
    states = [];

    constructor(account, resource, service) {
        super();
        this.account = account;
        this.requested = `${account.jid}/${resource}`;
        this.connection = new Strophe.Connection(service, { enableStreamManagement: true, streamManagement: { maxUnacked: 1 } });
        this.connection.xmlInput = (element) => {
            if (tracing) console.error('RECV', Strophe.serialize(element));
            if (['message', 'presence', 'iq'].includes(element.nodeName)) this.arrived(element);
            setImmediate(() => this.look());    // once strophe itself has handled it
        };
        if (tracing) this.connection.xmlOutput = (element) => console.error('SENT', Strophe.serialize(element));
    }

    get jid() { return this.connection.jid; }
    get resumed() { return this.connection.sm.resumed; }

    /** The text of a message's own body, null when it has none. */
    textOf(stanza) {
        const body = stanza.nodeName === 'message' && Array.from(stanza.childNodes).find((e) => e.nodeName === 'body');
        return body ? body.textContent : null;
    }

    /** Connects, or connects again: strophe resumes by itself when it can. Gives the final state. */
    async connect(password = this.account.password) {
        this.states = [];
        this.connection.connect(this.requested, password, (status, condition) => {
            if (tracing) console.error('STATE', status, condition);
            this.states.push(status);
            this.look();
        });
        return await this.state(Status.CONNECTED, Status.AUTHFAIL, Status.CONNFAIL);
    }

    /** Waits until the connection has been in one of the states. */
    state(...wanted) {
        return this.until(`a state of ${wanted}`, () => this.states.find((state) => wanted.includes(state)));
    }

    async logIn() {
        check(await this.connect() === Status.CONNECTED, `${this.requested} could not log in`);
        await this.until('stream management', () => this.connection.sm.enabled || undefined);
        await this.iq(stx`<iq type="get" xmlns="jabber:client"><query xmlns="jabber:iq:roster"/></iq>`);
        this.connection.send(stx`<presence xmlns="jabber:client"/>`);
        await this.expect('its own presence back', (s) => s.nodeName === 'presence' && s.getAttribute('from') === this.jid);
        return this;
    }

    async logOut() {
        if (!this.connection.connected) return;
        this.connection.disconnect('done');
        await this.state(Status.DISCONNECTED);
    }

    /** Sends a request; gives the result, throws the error. */
    iq(stanza) {
        return new Promise((resolve, reject) => {
            this.connection.sendIQ(stanza.tree(), resolve, (error) => {
                reject(new Failure(error ? `error: ${Strophe.serialize(error)}` : `no answer within ${waitLimit / 1000} s`));
            }, waitLimit);
        });
    }

    /** When the answer is here, the server has taken all that this client sent before. */
    roundTrip() {
        return this.iq(stx`<iq type="get" to="${domain}" xmlns="jabber:client"><ping xmlns="urn:xmpp:ping"/></iq>`);
    }

    /** Sends a chat message with these elements in it; gives its id. */
    send(to, ...parts) {
        const id = newId();
        this.connection.send(stx`<message to="${to}" id="${id}" type="chat" xmlns="jabber:client">${parts}</message>`);
        return id;
    }

    say(to, text, ...parts) {
        return this.send(to, stx`<body>${text}</body>`, ...parts);
    }
}
