// What the JavaScript families share: accounts, proxies, and waits for stanzas with a limit.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { Proxy } from './proxy.mjs';

export const domain = process.env.INTEROP_DOMAIN;
export const tracing = Boolean(process.env.INTEROP_TRACE);
const addUser = JSON.parse(process.env.INTEROP_ADD_USER);
export const waitLimit = 15_000;   // ms for any single thing that is waited for

export class Failure extends Error {}

export function check(holds, otherwise) {
    if (!holds) throw new Failure(otherwise);
}

export const newId = () => randomBytes(8).toString('hex');

/** Everything that arrives stays in `seen` until `expect` takes it out. A client adds `jid`, `textOf` and `roundTrip`. */
export class Inbox {
    seen = [];
    #waiting = new Set();

    get texts() { return this.seen.map((stanza) => this.textOf(stanza)).filter((text) => text !== null); }

    arrived(stanza) {
        this.seen.push(stanza);
        this.look();
    }

    /** To be called whenever something may have changed. */
    look() {
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

    expectText(text) {
        return this.expect(`the message "${text}"`, (stanza) => this.textOf(stanza) === text);
    }

    /** Takes all texts once there are `count` of them, and what the server sends before it answers a ping. */
    async expectTexts(count) {
        await this.until(`${count} texts`, () => (this.texts.length >= count ? true : undefined));
        await this.roundTrip();
        const { texts } = this;
        this.seen = this.seen.filter((stanza) => this.textOf(stanza) === null);
        return texts;
    }
}

/** What one test uses; everything is closed after it. */
export class World {
    #Client;
    #service;
    #clients = [];
    #proxies = [];

    /** Client: new Client(account, resource, service, more) with logIn() and logOut(); service: the server's URL. */
    constructor(Client, service) {
        this.#Client = Client;
        this.#service = service;
    }

    async account(name) {
        const account = { name: `${name}-${randomBytes(3).toString('hex')}`, password: randomBytes(12).toString('hex') };
        account.jid = `${account.name}@${domain}`;
        const [command, ...args] = addUser.map((part) => part.replaceAll('{name}', account.name).replaceAll('{password}', account.password));
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

    client(account, resource = 'web', service = this.#service, more = {}) {
        const client = new this.#Client(account, resource, service, more);
        this.#clients.push(client);
        return client;
    }

    logIn(account, resource, service) {
        return this.client(account, resource, service).logIn();
    }

    async proxy() {
        const proxy = await new Proxy(this.#service).start();
        this.#proxies.push(proxy);
        return proxy;
    }

    async close() {
        await Promise.allSettled(this.#clients.map((client) => client.logOut()));
        for (const proxy of this.#proxies) proxy.close();
    }
}
