// The timeline in a real browser: opened, read, clicked, searched, filtered, printed.
//
//   node sim/tests/browser/timeline.mjs target/release/postmortem
//
// Without Chromium nothing is tested, and that is said; under CI it is a failure.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { Browser, findChromium } from './chromium.mjs';

const program = process.argv[2] && resolve(process.argv[2]);
if (!program) {
  console.error('usage: node sim/tests/browser/timeline.mjs PROGRAM   (such as target/release/postmortem)');
  process.exit(2);
}
const chromium = findChromium();
if (!chromium) {
  console.error('skipped: the timeline in a browser: there is no Chromium here (install it, or say where in $CHROMIUM)');
  process.exit(process.env.CI ? 1 : 0);
}

const HOSTILE = '</script><script>window.broken=1</script><img src=x onerror=window.broken=2>\u2028';

/** A scenario of so many messages. */
function scenario(messages, subject) {
  const text = (value) => JSON.stringify(value);
  const head = `title = ${text(subject(0))}
starts = "2026-03-02T08:00:00Z"
duration = "12h"
seed = 1
releases = ["current"]
[gateway]
name = "gw.contoso.test"
address = "192.0.2.25"
[gateway.config]
administrator = "administrator@contoso.test"
route = [{ domain = "contoso.test", to = "<inbound>" }]
relay = { networks = ["192.0.2.30"] }
mailbox = [{ address = "administrator@contoso.test" }, { address = "bob@contoso.test" }]
[[server]]
name = "mail.partner.test"
address = "203.0.113.25"
domains = ["partner.test"]
[[fault]]
kind = "partition"
between = ["gw.contoso.test", "mail.partner.test"]
at = "2m"
until = "5m"
[[client]]
name = "desk.contoso.test"
address = "192.0.2.30"
`;
  const message = (number) => `[[client.message]]
name = "m${number}"
subject = ${text(subject(number))}
at = "${number}s"
from = "bob@contoso.test"
to = ["${number % 2 ? 'carol@partner.test' : 'bob@contoso.test'}"]
`;
  return head + Array.from({ length: messages }, (_, number) => message(number + 1)).join('');
}

const folder = mkdtempSync(join(tmpdir(), 'timeline-pages-'));
function show(name, ...args) {
  const file = join(folder, `${name}.html`);
  execFileSync(program, ['show', ...args, '--html', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  return { url: pathToFileURL(file).href, size: statSync(file).size };
}
function showScenario(name, ...made) {
  const file = join(folder, `${name}.toml`);
  writeFileSync(file, scenario(...made));
  return show(name, file);
}

const browser = await Browser.start(chromium);
const errors = [];
browser.listen((method, params) => {
  if (method === 'Runtime.exceptionThrown') errors.push(params.exceptionDetails.exception?.description);
  if (method === 'Runtime.consoleAPICalled') errors.push(params.args.map((arg) => arg.value).join(' '));
  if (method === 'Log.entryAdded') errors.push(params.entry.text);
  if (method === 'Page.javascriptDialogOpening') errors.push('a dialog opens');
  if (method === 'Network.requestWillBeSent' && !/^(file|about|data):/.test(params.request.url)) errors.push(`asks for ${params.request.url}`);
});

// What is seen of a page.
const see = (expression) => browser.see(expression);
const text = (selector) => see(`document.querySelector(${JSON.stringify(selector)})?.textContent`);
const atCursor = () => text('#rows .row.at .text');
const all = (selector) => see(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((element) => element.textContent)`);
const shown = async () => Number((await text('#shown')).split(' ')[0]);
const focus = () => see('document.activeElement.id');

const kb = show('kb', 'Q169681', '--release', '5.0');
const cut = show('cut', 'a-power-cut-loses-no-accepted-mail');
const tests = {
  async 'it opens with the entry that broke the oracle, and says what was run'() {
    await browser.open(kb.url);
    assert.match(await atCursor(), /^event 4037 Error/);
    assert.equal(await text('#verdict'), 'as expected');
    assert.match(await text('#facts'), /release5\.0 RTM.*seed169681.*digest[0-9a-f]{32}/);
    assert.match(await text('#command'), /^postmortem show Q169681 --release 5\.0-rtm --seed 169681 --html /);
    assert.match(await text('#findings button[aria-current="true"]'), /^service event 4037/);
    assert.match(await text('#panel'), /Breaks service.*Servicedown|Breaks service.*Serviceup.*Spoolin1m1/);
  },
  async 'the keys move the cursor, from finding to finding too'() {
    const broken = await atCursor();
    await browser.press('ArrowDown');
    assert.match(await atCursor(), /^the service has died/);
    await browser.press('ArrowUp');
    assert.equal(await atCursor(), broken);
    await browser.press('Home');
    assert.equal(await atCursor(), 'the service starts');
    await browser.press('n');
    assert.equal(await atCursor(), broken);
    await browser.press('End');
    assert.equal(await atCursor(), 'the run ends: the service is down, in/ has m1');
    await browser.press('p');
    assert.equal(await atCursor(), broken);
    const active = await see('document.getElementById(document.getElementById("flow").getAttribute("aria-activedescendant")).className');
    assert.match(active, /\bat\b/);
  },
  async 'from finding to finding, and around'() {
    const two = join(folder, 'two.html');
    const other = '{"oracle":"custody","cause":"another","what":"another","promise":"none","expected":false,"row":3}';
    writeFileSync(two, readFileSync(new URL(kb.url), 'utf8').replace('"findings":[', `"findings":[${other},`));
    await browser.open(pathToFileURL(two).href);
    const [second, first] = [await atCursor(), await (async () => (await browser.press('n'), atCursor()))()];
    assert.match(second, /^event 4037 Error/);
    assert.match(first, /^#1220 ims1/);
    await browser.press('n');
    assert.equal(await atCursor(), second);
    await browser.press('p');
    assert.equal(await atCursor(), first);
    await browser.press('p');
    assert.equal(await atCursor(), second);
    await browser.open(kb.url);
  },
  async 'a pause is marked with how long it is, and the service with whether it is up'() {
    assert.ok((await all('.row.pause .text')).includes('2 min later'));
    await browser.press('End');
    assert.match(await text('#panel'), /Servicedown/);
    assert.ok(await see('document.querySelectorAll("#rows .dead").length > 0 && document.querySelectorAll("#rows .up").length > 0'));
  },
  async 'a message is followed from its client to its end'() {
    await browser.open(cut.url);
    const whole = await shown();
    await browser.click('.row .message button');
    assert.match(await text('#panel'), /Following m1.*at the end m1 in mailbox bob@contoso\.test/);
    assert.deepEqual(new Set(await all('.row:not(.pause) .message')), new Set(['m1']));
    const steps = await all('.row .text');
    for (const step of [/^#1MAIL FROM/, /^m1 now in in\//, /^m1, try 1: 250 2\.6\.0 OK/, /^m1 from in\/ to mailbox bob/]) {
      assert.ok(steps.some((text) => step.test(text)), `${step} is not among the steps`);
    }
    assert.ok((await shown()) < whole);
    await browser.press('Escape');
    assert.equal(await shown(), whole);
    for (const words of ['', 'report on ', 'receipt on ', 'delay of ', 'notification on ']) {
      assert.equal(await see(`numberOf('${words}m1')`), 1, words);
    }
    assert.equal(await see(`numberOf('unknown message')`), 0);
  },
  async 'the spool and the mailboxes are shown as they are at the cursor'() {
    await browser.press('Home');
    assert.match(await text('#panel'), /SpoolemptyMailboxesempty/);
    await browser.press('/');
    await browser.type('m1 now in');
    assert.match(await text('#panel'), /Spoolin1m1.*Mailboxesempty/);
    await browser.press('Escape');
    await browser.press('End');
    assert.match(await text('#panel'), /Spoolempty.*bob@contoso\.test1m1/);
  },
  async 'a search marks what it finds and goes from one to the next'() {
    await browser.open(kb.url);
    await browser.press('/');
    assert.equal(await focus(), 'search');
    await browser.type('has DIED');
    assert.equal(await text('#found'), '1 of 4');
    await browser.press('Enter');
    assert.equal(await text('#found'), '2 of 4');
    assert.equal(await text('.row.at mark'), 'has died');
    await browser.press('Enter', 8);
    assert.equal(await text('#found'), '1 of 4');
    await browser.press('Escape');
    assert.deepEqual([await focus(), await text('#found'), await all('mark')], ['flow', '', []]);
  },
  async 'kinds, hosts and messages can be left out'() {
    const whole = await shown();
    await browser.click('#kinds button:nth-child(1)');
    assert.equal(await see('document.querySelectorAll("#rows .row.said").length'), 0);
    await browser.click('#all');
    assert.equal(await shown(), whole);
    await browser.click('#lanes .hosts button:nth-child(1)');
    assert.equal(await see('document.querySelector("#lanes .hosts button").getAttribute("aria-pressed")'), 'true');
    assert.ok((await shown()) < whole);
    assert.ok(!(await all('.row .text')).some((text) => text.startsWith('event')));
    await browser.press('Escape');
    assert.equal(await shown(), whole);
  },
  async 'help opens and closes'() {
    await browser.press('?');
    assert.ok(await see('document.getElementById("help").open'));
    await browser.press('Escape');
    assert.ok(!(await see('document.getElementById("help").open')));
  },
  async 'an address names an entry'() {
    await browser.open(`${kb.url}#at=0`);
    assert.equal(await atCursor(), 'the service starts');
  },
  async 'a print has every row'() {
    await see('dispatchEvent(new Event("beforeprint"))');
    assert.equal((await all('#print .row:not(.pause)')).length, await shown());
    await browser.ask('Emulation.setEmulatedMedia', { media: 'print' });
    assert.equal(await see('getComputedStyle(document.querySelector("main")).display'), 'none');
    await browser.ask('Emulation.setEmulatedMedia', { media: '' });
    await see('dispatchEvent(new Event("afterprint"))');
    assert.equal((await all('#print .row')).length, 0);
  },
  async 'every text can be read, by light and in the dark'() {
    for (const value of ['light', 'dark']) {
      await browser.ask('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value }] });
      const low = await see(`(() => {
        const probe = document.body.appendChild(document.createElement('span'));
        const light = (name) => {
          probe.style.color = 'var(--' + name + ')';
          const parts = getComputedStyle(probe).color.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255);
          const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const low = [];
        for (const paper of ['paper', 'raised', 'cursor']) {
          for (const ink of ['ink', 'dim', 'accent', 'bad', 'warn', 'good', 'fault']) {
            const [one, other] = [light(paper), light(ink)].sort((a, b) => b - a);
            const contrast = (one + 0.05) / (other + 0.05);
            if (contrast < 4.5) low.push(ink + ' on ' + paper + ': ' + contrast.toFixed(2));
          }
        }
        probe.remove();
        return low;
      })()`);
      assert.deepEqual(low, [], value);
    }
    await browser.ask('Emulation.setEmulatedMedia', { features: [] });
  },
  async 'every control has a name, and every row its place'() {
    const nameless = await see(`[...document.querySelectorAll('button, input, select, [role=grid], [role=img], aside')]
      .filter((element) => !(element.getAttribute('aria-label') || element.textContent.trim() || element.labels?.length))
      .map((element) => element.outerHTML)`);
    assert.deepEqual(nameless, []);
    assert.ok(await see('[...document.querySelectorAll("#rows .row")].every((row) => row.getAttribute("aria-rowindex"))'));
  },
  async 'nothing stands beyond the side of a narrow window'() {
    await browser.size(900, 800);
    await browser.open(kb.url);
    const beyond = 'document.documentElement, document.getElementById("flow"), document.getElementById("panel")';
    assert.ok(await see(`[${beyond}].every((element) => element.scrollWidth <= element.clientWidth)`));
    assert.match(await atCursor(), /^event 4037 Error/);
    await browser.size(1400, 900);
  },
  async 'hostile texts are texts'() {
    const hostile = showScenario('hostile', 2, () => HOSTILE);
    await browser.open(hostile.url);
    await browser.click('.row .message button');
    assert.ok((await text('#panel')).includes('<img src=x onerror=window.broken=2>'));
    assert.ok((await text('#title')).startsWith('</script><script>'));
    assert.deepEqual(await see('[window.broken, document.images.length, document.scripts.length]'), [undefined, 0, 2].map((value) => value ?? null));
  },
  async 'a thousand messages'() {
    const thousand = showScenario('thousand', 1000, (number) => `Number ${number}`);
    assert.ok(thousand.size < 2_000_000, `${thousand.size} octets`);
    await browser.open(thousand.url);
    const took = await see('performance.getEntriesByName("shown")[0].startTime');
    console.log(`      ${await text('#shown')}, ${Math.round(thousand.size / 1000)} kB, shown after ${Math.round(took)} ms`);
    assert.ok((await see('document.querySelectorAll("#rows .row").length')) < 120);
    await browser.press('End');
    assert.ok((await atCursor()).length > 0);
    await browser.press('/');
    await browser.type('Number 777');
    assert.match(await text('#found'), /^\d+ of \d+$/);
    assert.equal(await text('.row.at .message'), 'm777');
    await browser.press('Escape');
    await browser.click('.row.at .message button');
    assert.match(await text('#panel'), /Following m777.*at the end m777 in the mail of mail\.partner\.test/);
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    assert.deepEqual(errors, [], 'the console has errors');
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    errors.length = 0;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
}
await browser.stop();
rmSync(folder, { recursive: true });
console.log(failed ? `${failed} of ${Object.keys(tests).length} failed` : `all ${Object.keys(tests).length} passed`);
process.exit(failed ? 1 : 0);
