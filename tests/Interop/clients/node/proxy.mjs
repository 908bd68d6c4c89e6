// A TCP proxy between a client and the server: it can swallow bytes on the way and cut the sockets hard.
import { EventEmitter, once } from 'node:events';
import net from 'node:net';

export class Proxy {
    swallow = false;    // set: bytes of either direction are taken and thrown away
    #sockets = new Set();
    #events = new EventEmitter();
    #listener;

    constructor(url) {
        this.server = new URL(url);
    }

    async start() {
        this.#listener = net.createServer((client) => {
            const server = net.connect(this.server.port, this.server.hostname);
            for (const [name, from, to] of [['client', client, server], ['server', server, client]]) {
                this.#sockets.add(from);
                from.on('data', (bytes) => {
                    if (this.swallow) this.#events.emit(name);
                    else if (!to.destroyed) to.write(bytes);
                });
                from.on('error', () => {});
                from.on('close', () => { this.#sockets.delete(from); to.destroy(); });
            }
        });
        await new Promise((resolve) => { this.#listener.listen(0, '127.0.0.1', resolve); });
        this.url = Object.assign(new URL(this.server), { port: this.#listener.address().port }).href;
        return this;
    }

    // The promise that something from 'client' or 'server' gets thrown away from now on.
    swallowing(name) {
        this.swallow = true;
        return once(this.#events, name);
    }

    // Resets every connection on both sides (RST, no closing handshake) and lets bytes pass again.
    cut() {
        for (const socket of this.#sockets) socket.resetAndDestroy();
        this.#sockets.clear();
        this.swallow = false;
    }

    close() {
        this.cut();
        this.#listener.close();
    }
}
