// strophe.js over WebSocket (RFC 7395) with SCRAM. One function, one test.
import { Strophe, stx } from 'strophe.js';
import { report } from './report.mjs';
import { Client, find } from './strophe.mjs';
import { check, domain, World } from './world.mjs';

const receipts = 'urn:xmpp:receipts', markers = 'urn:xmpp:chat-markers:0', delay = 'urn:xmpp:delay', mam = 'urn:xmpp:mam:2';
const rsm = 'http://jabber.org/protocol/rsm';

async function login_with_scram_over_websocket(world) {
    const alice = await world.logIn(await world.account('alice'), 'tab');
    const { mechname } = alice.connection._sasl_mechanism ?? {};
    check(/^SCRAM-SHA-/.test(mechname), `logged in with ${mechname}`);
    check(Strophe.getResourceFromJid(alice.jid) === 'tab', `bound as ${alice.jid}`);
}

async function wrong_password_is_refused(world) {
    const client = world.client(await world.account('alice'));
    const state = await client.connect('not the password');
    check(state === Strophe.Status.AUTHFAIL, `the state is ${state}, not AUTHFAIL`);
}

async function roster_set_get_and_push(world) {
    const [account, friend] = await world.accounts('alice', 'bob');
    const one = await world.logIn(account, 'one');
    const two = await world.logIn(account, 'two');
    const set = (item) => stx`<iq type="set" xmlns="jabber:client"><query xmlns="jabber:iq:roster">${item}</query></iq>`;
    const push = (subscription) => (s) => s.nodeName === 'iq' && s.getAttribute('type') === 'set'
        && find(s, 'item', 'jabber:iq:roster')?.getAttribute('subscription') === subscription;
    const roster = async () => find(await two.iq(stx`<iq type="get" xmlns="jabber:client"><query xmlns="jabber:iq:roster"/></iq>`), 'item', 'jabber:iq:roster');

    await one.iq(set(stx`<item jid="${friend.jid}" name="Böb &amp; Co"><group>Friends</group></item>`));
    await one.expect('the push of the new item', push('none'));
    await two.expect('the push of the new item', push('none'));
    const item = await roster();
    check(item?.getAttribute('name') === 'Böb & Co', `the item is ${item && Strophe.serialize(item)}`);
    check(item.textContent === 'Friends', `the group is ${item.textContent}`);
    await two.iq(set(stx`<item jid="${friend.jid}" subscription="remove"/>`));
    await one.expect('the push of the removal', push('remove'));
    check(!(await roster()), 'the removed item is still in the roster');
}

async function message_both_ways_with_receipt_and_displayed_marker(world) {
    const [aliceAccount, bobAccount] = await world.accounts('alice', 'bob');
    const alice = await world.logIn(aliceAccount);
    const bob = await world.logIn(bobAccount);
    for (const [sender, receiver] of [[alice, bob], [bob, alice]]) {
        const body = `Grüße, 你好, 👋🏽 & <greetings> from ${sender.account.name}`;
        const id = sender.say(receiver.account.jid, body, stx`<request xmlns="${receipts}"/>`, stx`<markable xmlns="${markers}"/>`);
        const got = await receiver.expectText(body);
        check(got.getAttribute('id') === id && got.getAttribute('from') === sender.jid, `it came as ${Strophe.serialize(got)}`);
        check(find(got, 'request', receipts) && find(got, 'markable', markers), 'the requests were lost on the way');
        receiver.send(sender.jid, stx`<received xmlns="${receipts}" id="${id}"/>`);
        await sender.expect('the receipt', (s) => find(s, 'received', receipts)?.getAttribute('id') === id);
        receiver.send(sender.jid, stx`<displayed xmlns="${markers}" id="${id}"/>`);
        await sender.expect('the displayed marker', (s) => find(s, 'displayed', markers)?.getAttribute('id') === id);
    }
}

async function offline_message_comes_once_with_its_delay(world) {
    const [aliceAccount, bobAccount] = await world.accounts('alice', 'bob');
    const alice = await world.logIn(aliceAccount);
    alice.say(bobAccount.jid, 'read this when you come');
    await alice.roundTrip();
    const bob = await world.logIn(bobAccount);
    const got = await bob.expectText('read this when you come');
    check(find(got, 'delay', delay)?.getAttribute('stamp'), 'it has no delay stamp');
    await bob.roundTrip();
    await bob.logOut();
    const again = await world.logIn(bobAccount);
    alice.say(bobAccount.jid, 'the next one');
    check((await again.expectTexts(1)).join() === 'the next one', 'the offline message came a second time');
}

async function archive_pages_backward_and_forward(world) {
    const [aliceAccount, bobAccount] = await world.accounts('alice', 'bob');
    const alice = await world.logIn(aliceAccount);
    const bob = await world.logIn(bobAccount);
    const sent = [];
    for (let n = 0; n < 7; n++) {
        const [sender, receiver] = n % 2 ? [alice, bob] : [bob, alice];
        sent.push(`page me ${n}`);
        sender.say(receiver.account.jid, sent[n]);
        await receiver.expectText(sent[n]);
    }
    const page = async (edge) => {
        const fin = find(await alice.iq(stx`<iq type="set" xmlns="jabber:client"><query xmlns="${mam}" queryid="q">
            <x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE" type="hidden"><value>${mam}</value></field>
            <field var="with"><value>${bobAccount.jid}</value></field></x>
            <set xmlns="${rsm}"><max>3</max>${edge}</set></query></iq>`), 'fin', mam);
        const results = alice.seen.filter((s) => find(s, 'result', mam));
        alice.seen = alice.seen.filter((s) => !results.includes(s));
        return {
            texts: results.map((s) => find(s, 'body', 'jabber:client').textContent),
            complete: fin.getAttribute('complete') === 'true',
            first: find(fin, 'first', rsm)?.textContent,
            last: find(fin, 'last', rsm)?.textContent,
        };
    };
    const walk = async (edge, next) => {
        const pages = [];
        let current;
        do {
            current = await page(edge);
            pages.push(current.texts);
            edge = next(current);
        } while (!current.complete && pages.length < 5);
        return JSON.stringify(pages);
    };
    const backward = await walk(stx`<before/>`, (p) => stx`<before>${p.first}</before>`);
    check(backward === JSON.stringify([sent.slice(4), sent.slice(1, 4), sent.slice(0, 1)]), `backward pages are ${backward}`);
    const forward = await walk(null, (p) => stx`<after>${p.last}</after>`);
    check(forward === JSON.stringify([sent.slice(0, 3), sent.slice(3, 6), sent.slice(6)]), `forward pages are ${forward}`);
}

async function resumption_after_a_cut(world) {
    const [aliceAccount, bobAccount] = await world.accounts('alice', 'bob');
    const proxy = await world.proxy();
    const alice = await world.logIn(aliceAccount, 'web', proxy.url);
    const bob = await world.logIn(bobAccount);
    const { jid } = alice;
    for (const turn of ['first', 'second', 'third']) {
        alice.say(bobAccount.jid, `${turn}: arrives, but its ack may not`);
        await bob.expectText(`${turn}: arrives, but its ack may not`);
        const lost = Promise.all([proxy.swallowing('client'), proxy.swallowing('server')]);
        bob.say(aliceAccount.jid, `${turn}: to alice, lost on the wire`);
        alice.say(bobAccount.jid, `${turn}: from alice, lost on the wire`);
        await lost;
        proxy.cut();
        await alice.state(Strophe.Status.DISCONNECTED);
        bob.say(aliceAccount.jid, `${turn}: to alice, while away`);
        await bob.roundTrip();
        check(await alice.connect() === Strophe.Status.CONNECTED, `no connection after the ${turn} cut`);
        check(alice.resumed && alice.jid === jid, `the session was not resumed after the ${turn} cut`);

        const toAlice = await alice.expectTexts(2);
        check(toAlice.join() === `${turn}: to alice, lost on the wire,${turn}: to alice, while away`, `alice got ${toAlice}`);
        alice.say(bobAccount.jid, `${turn}: after the cut`);
        const toBob = await bob.expectTexts(2);
        check(toBob.join() === `${turn}: from alice, lost on the wire,${turn}: after the cut`, `bob got ${toBob}`);
        await alice.until('acks for all', () => (alice.connection.sm.state.unacked.length === 0 ? true : undefined));
    }
}

async function unknown_request_gets_an_error(world) {
    const alice = await world.logIn(await world.account('alice'));
    const answer = await alice.iq(stx`<iq type="get" to="${domain}" xmlns="jabber:client"><query xmlns="urn:example:nothing"/></iq>`)
        .then(() => 'a result', (error) => error.message);
    check(answer.includes('service-unavailable'), `the answer was ${answer}`);
}

await report('strophe', [
    login_with_scram_over_websocket,
    wrong_password_is_refused,
    roster_set_get_and_push,
    message_both_ways_with_receipt_and_displayed_marker,
    offline_message_comes_once_with_its_delay,
    archive_pages_backward_and_forward,
    resumption_after_a_cut,
    unknown_request_gets_an_error,
], () => new World(Client, process.env.INTEROP_WEBSOCKET));
