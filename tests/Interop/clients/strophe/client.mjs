// strophe.js as a test client: accounts, log-ins, and waits for stanzas with a limit.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { Strophe, stx } from 'strophe.js';
import { Proxy } from './proxy.mjs';

export const domain = process.env.INTEROP_DOMAIN;
const websocket = process.env.INTEROP_WEBSOCKET;
const addUser = JSON.parse(process.env.INTEROP_ADD_USER);
const waitLimit = 15_000;   // ms for any single thing that is waited for
const { Status } = Strophe;

Strophe.setLogLevel(Strophe.LogLevel.FATAL);

export class Failure extends Error {}

export function check(holds, otherwise) {
    if (!holds) throw new Failure(otherwise);
}

/** The first element of that name and namespace below `stanza`. */
export function find(stanza, name, namespace) {
    return Array.from(stanza.getElementsByTagName(name)).find((e) => Strophe.getNamespace(e) === namespace);
}

/** The text of a message's own body, null when it has none. */
export function text(stanza) {
    const body = Array.from(stanza.childNodes).find((e) => e.nodeName === 'body');
    return stanza.nodeName === 'message' && body ? body.textContent : null;
}

export const hasText = (body) => (stanza) => text(stanza) === body;

/** One resource. Every stanza that arrives stays in `seen` until `expect` takes it out. */
export class Client {
    seen = [];
    states = [];
    #waiting = new Set();

    constructor(account, resource, url) {
        this.account = account;
        this.connection = new Strophe.Connection(url, { enableStreamManagement: true, streamManagement: { maxUnacked: 1 } });
        this.requested = `${account.jid}/${resource}`;
        this.connection.xmlInput = (element) => {
            if (['message', 'presence', 'iq'].includes(element.nodeName)) this.seen.push(element);
            if (process.env.INTEROP_TRACE) console.error('RECV', Strophe.serialize(element));
            setImmediate(() => this.#look());   // after strophe itself has handled it
        };
        if (process.env.INTEROP_TRACE) this.connection.xmlOutput = (element) => console.error('SENT', Strophe.serialize(element));
    }

    get jid() { return this.connection.jid; }
    get resumed() { return this.connection.sm.resumed; }
    get texts() { return this.seen.map(text).filter((body) => body !== null); }

    #look() {
        for (const waiting of this.#waiting) waiting();
    }

    /** Waits until `find()` gives something other than undefined and returns that. */
    until(what, find) {
        return new Promise((resolve, reject) => {
            const look = () => {
                const found = find();
                if (found === undefined) return;
                clearTimeout(limit);
                this.#waiting.delete(look);
                resolve(found);
            };
            const limit = setTimeout(() => {
                this.#waiting.delete(look);
                reject(new Failure(`${this.jid} waited ${waitLimit / 1000} s for ${what}`));
            }, waitLimit);
            this.#waiting.add(look);
            look();
        });
    }

    /** Takes the first stanza for which `match` holds; older ones that do not match stay. */
    expect(what, match) {
        return this.until(what, () => {
            const index = this.seen.findIndex(match);
            return index < 0 ? undefined : this.seen.splice(index, 1)[0];
        });
    }

    expectText(body) {
        return this.expect(`the message "${body}"`, hasText(body));
    }

    /** Takes all texts once there are `count` of them, and what the server sends before it answers a ping. */
    async expectTexts(count) {
        await this.until(`${count} texts`, () => (this.texts.length >= count ? true : undefined));
        await this.roundTrip();
        const { texts } = this;
        this.seen = this.seen.filter((stanza) => stanza.nodeName !== 'message');
        return texts;
    }

    /** Connects, or connects again: strophe resumes by itself when it can. Gives the final state. */
    async connect(password = this.account.password) {
        this.states = [];
        this.connection.connect(this.requested, password, (status, condition) => {
            this.states.push(status);
            if (process.env.INTEROP_TRACE) console.error('STATE', status, condition);
            this.#look();
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

    /** Sends a request; gives the result, throws the error's condition. */
    iq(stanza) {
        return new Promise((resolve, reject) => {
            this.connection.sendIQ(stanza.tree ? stanza.tree() : stanza, resolve, (error) => {
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
        const id = randomBytes(8).toString('hex');
        this.connection.send(stx`<message to="${to}" id="${id}" type="chat" xmlns="jabber:client">${parts}</message>`);
        return id;
    }

    say(to, body, ...parts) {
        return this.send(to, stx`<body>${body}</body>`, ...parts);
    }
}

/** What one test uses; everything is closed after it. */
export class World {
    #clients = [];
    #proxies = [];

    async account(name) {
        const account = { name: `${name}-${randomBytes(3).toString('hex')}`, password: randomBytes(12).toString('hex') };
        account.jid = `${account.name}@${domain}`;
        const [command, ...args] = addUser.map((part) => part.replace('{name}', account.name).replace('{password}', account.password));
        try {
            await promisify(execFile)(command, args);
        } catch (error) {
            throw new Failure(`the account ${account.jid} was not created: ${error.stdout}${error.stderr}`);
        }
        return account;
    }

    accounts(...names) {
        return Promise.all(names.map((name) => this.account(name)));
    }

    client(account, resource = 'web', url = websocket) {
        const client = new Client(account, resource, url);
        this.#clients.push(client);
        return client;
    }

    logIn(account, resource, url) {
        return this.client(account, resource, url).logIn();
    }

    async proxy() {
        const proxy = await new Proxy(websocket).start();
        this.#proxies.push(proxy);
        return proxy;
    }

    async close() {
        await Promise.allSettled(this.#clients.map((client) => client.logOut()));
        for (const proxy of this.#proxies) proxy.close();
    }
}
