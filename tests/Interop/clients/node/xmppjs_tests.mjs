// xmpp.js over TCP with STARTTLS, SASL2 (0388) with Bind 2 (0386), stream management inline, FAST (0484).
import { report } from './report.mjs';
import { check, World } from './world.mjs';
import { Client, xml } from './xmppjs.mjs';

const receipts = 'urn:xmpp:receipts', markers = 'urn:xmpp:chat-markers:0', mam = 'urn:xmpp:mam:2', rsm = 'http://jabber.org/protocol/rsm';
const sasl2 = 'urn:xmpp:sasl:2', sm = 'urn:xmpp:sm:3';

const successes = (client) => client.nonzas.filter((nonza) => nonza.is('success', sasl2));

async function login_with_sasl2_and_bind2_and_stream_management_inline(world) {
    const alice = await world.logIn(await world.account('alice'), 'tag');
    const [success] = successes(alice);
    check(success, 'logged in without SASL2');
    const bound = success.getChild('bound', 'urn:xmpp:bind:0');
    check(bound, `not bound inline: ${success}`);
    check(bound.getChild('enabled', sm)?.attrs.id, `no stream management inline: ${success}`);
    check(success.getChildText('authorization-identifier') === alice.jid, `bound as ${alice.jid}`);
    check(alice.jid.split('/')[1].startsWith('tag'), `the tag is not in the resource of ${alice.jid}`);
}

async function wrong_password_is_refused(world) {
    const account = await world.account('alice');
    const why = await world.client({ ...account, password: 'not the password' }).connect().then(() => 'logged in', (error) => error.message);
    check(why.includes('not-authorized'), why);
}

async function returns_with_a_token(world) {
    const account = await world.account('alice');
    const first = await world.logIn(account);
    const token = await first.until('a token', () => first.token);
    await first.logOut();
    const { userAgent } = first;
    const second = world.client({ ...account, password: 'not the password' }, 'web', undefined, { token, userAgent });
    await second.logIn();
    check(successes(second).length === 1, 'the token was not enough to log in');
    second.say(account.jid, 'a note to myself');
    await second.expectText('a note to myself');
}

async function roster_set_get_and_push(world) {
    const [account, friend] = await world.accounts('alice', 'bob');
    const one = await world.logIn(account, 'one');
    const two = await world.logIn(account, 'two');
    const item = (stanza) => stanza.getChild('query', 'jabber:iq:roster')?.getChild('item');
    const push = (s) => s.is('iq') && s.attrs.type === 'set' && item(s)?.attrs.name === 'Bob';
    await one.request(xml('iq', { type: 'set' }, xml('query', 'jabber:iq:roster', xml('item', { jid: friend.jid, name: 'Bob' }))));
    await one.expect('the push of the new item', push);
    await two.expect('the push of the new item', push);
    const roster = await two.request(xml('iq', { type: 'get' }, xml('query', 'jabber:iq:roster')));
    check(item(roster)?.attrs.jid === friend.jid, `the roster is ${roster}`);
}

async function message_both_ways_with_ack_receipt_and_displayed_marker(world) {
    const [aliceAccount, bobAccount] = await world.accounts('alice', 'bob');
    const alice = await world.logIn(aliceAccount);
    const bob = await world.logIn(bobAccount);
    for (const [sender, receiver] of [[alice, bob], [bob, alice]]) {
        const text = `Grüße, 你好, 👋🏽 & <greetings> from ${sender.account.name}`;
        const id = await sender.say(receiver.account.jid, text, xml('request', receipts), xml('markable', markers));
        const got = await receiver.expectText(text);
        check(got.attrs.id === id && got.attrs.from === sender.jid, `it came as ${got}`);
        await sender.expectAck(id);
        await receiver.send(sender.jid, xml('received', { xmlns: receipts, id }));
        await sender.expect('the receipt', (s) => s.getChild('received', receipts)?.attrs.id === id);
        await receiver.send(sender.jid, xml('displayed', { xmlns: markers, id }));
        await sender.expect('the displayed marker', (s) => s.getChild('displayed', markers)?.attrs.id === id);
    }
}

const pageOf = async (client, edge) => {
    const answer = await client.request(xml('iq', { type: 'set' }, xml('query', mam, xml('set', rsm, xml('max', {}, '2'), edge))));
    const messages = client.seen.flatMap((s) => s.getChild('result', mam) ?? []).map((result) => result.getChild('forwarded', 'urn:xmpp:forward:0'));
    return { messages, complete: answer.getChild('fin', mam).attrs.complete === 'true' };
};
const bodyOf = (forwarded) => forwarded.getChild('message').getChildText('body');

// With Bind 2 offline messages are not pushed: the client reads them from the archive (XEP-0386 section 4.1).
async function offline_message_is_in_the_archive(world) {
    const [aliceAccount, bobAccount] = await world.accounts('alice', 'bob');
    const alice = await world.logIn(aliceAccount);
    await alice.expectAck(await alice.say(bobAccount.jid, 'read this when you come'));
    const bob = await world.logIn(bobAccount);
    check(successes(bob)[0].getChild('bound', 'urn:xmpp:bind:0').getChild('metadata', mam)?.getChild('end'), 'Bind 2 does not say where the archive ends');
    const { messages } = await pageOf(bob, xml('before'));
    check(messages.map(bodyOf).join() === 'read this when you come', `the archive holds ${messages}`);
    check(messages[0].getChild('delay', 'urn:xmpp:delay')?.attrs.stamp, `it has no delay stamp: ${messages}`);
    check(bob.texts.length === 0, `it was pushed as well: ${bob.texts}`);
}

async function archive_page(world) {
    const [aliceAccount, bobAccount] = await world.accounts('alice', 'bob');
    const alice = await world.logIn(aliceAccount);
    const bob = await world.logIn(bobAccount);
    for (const text of ['one', 'two', 'three']) {
        await alice.say(bobAccount.jid, text);
        await bob.expectText(text);
    }
    const { messages, complete } = await pageOf(alice, xml('before'));
    check(messages.map(bodyOf).join() === 'two,three', `the page is ${messages}`);
    check(!complete, 'the last page is said to be complete');
}

// xmpp.js 0.14 leaves answers to its own requests out of the count of what it received (its request handler stands
// before its stream management), so alice sends none here: else every resumption would rightly bring her doubles.
async function resumption_inline_after_a_cut(world) {
    const [aliceAccount, bobAccount] = await world.accounts('alice', 'bob');
    const proxy = await world.proxy();
    const alice = await world.client(aliceAccount, 'web', proxy.url).connect();
    const bob = await world.logIn(bobAccount);
    await alice.announce();
    const { jid } = alice;
    for (const turn of [1, 2, 3]) {
        const lost = Promise.all([proxy.swallowing('client'), proxy.swallowing('server')]);
        await bob.say(aliceAccount.jid, `${turn}: to alice, lost on the wire`);
        const unacked = await alice.say(bobAccount.jid, `${turn}: from alice, lost on the wire`);
        await lost;
        check(!alice.acked.has(unacked), 'acked although it was thrown away');
        proxy.cut();
        await alice.until(`resumption number ${turn}`, () => (alice.resumptions === turn ? true : undefined));
        check(alice.jid === jid, `resumed as ${alice.jid}, not ${jid}`);
        check(successes(alice).at(-1)?.getChild('resumed', sm), 'the resumption was not part of SASL2');
        await bob.expectText(`${turn}: from alice, lost on the wire`);
        await alice.expectAck(unacked);
        await bob.say(aliceAccount.jid, `${turn}: end`);
        await alice.expectText(`${turn}: to alice, lost on the wire`);
        await alice.expectText(`${turn}: end`);
        check(alice.texts.length + bob.texts.length === 0, `came twice: ${[...alice.texts, ...bob.texts]}`);
    }
}

await report('xmppjs', [
    login_with_sasl2_and_bind2_and_stream_management_inline,
    wrong_password_is_refused,
    returns_with_a_token,
    roster_set_get_and_push,
    message_both_ways_with_ack_receipt_and_displayed_marker,
    offline_message_is_in_the_archive,
    archive_page,
    resumption_inline_after_a_cut,
], () => new World(Client, `xmpp://127.0.0.1:${process.env.INTEROP_PORT}`));
