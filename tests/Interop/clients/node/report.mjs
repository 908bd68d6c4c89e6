// Runs the test functions of one family, each within a limit, and prints one line for each.
import { Failure, tracing } from './world.mjs';

const testLimit = 60_000;   // ms; the waits inside a test are shorter and say what they waited for

async function run(test, world) {
    let limit;
    const tooLong = new Promise((_, reject) => {
        limit = setTimeout(() => reject(new Failure(`not done within ${testLimit / 1000} s`)), testLimit);
    });
    try {
        await Promise.race([test(world), tooLong]);
        return null;
    } catch (error) {
        if (tracing) console.error(error);
        return `${error.message}`.replace(/\s+/g, ' ');
    } finally {
        clearTimeout(limit);
        await world.close();
    }
}

export async function report(family, tests, newWorld) {
    const wanted = process.argv.slice(2);
    for (const test of tests) {
        const name = `${family}/${test.name}`;
        if (wanted.length && !wanted.some((prefix) => name.startsWith(prefix))) continue;
        const why = await run(test, newWorld());
        console.log(why === null ? `ok ${name}` : `FAILED ${name}: ${why}`);
    }
    process.exit(0);
}
