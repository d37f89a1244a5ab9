// A browser to test with: Chromium without a window, driven by its own protocol over a pipe. Nothing has to be
// installed for it but Node and Chromium.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The Chromium of this machine: `$CHROMIUM`, or the first that is found. */
export function findChromium() {
  const names = process.env.CHROMIUM ? [process.env.CHROMIUM] : NAMES;
  return names.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
}

export class Browser {
  #next = 1;
  #waiting = new Map();
  #listeners = [];
  #rest = '';
  #loaded = () => {};

  static async start(program) {
    const browser = new Browser();
    browser.folder = mkdtempSync(join(tmpdir(), 'timeline-'));
    const flags = ['--headless=new', '--remote-debugging-pipe', `--user-data-dir=${browser.folder}`, '--no-first-run',
      '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', 'about:blank'];
    browser.process = spawn(program, flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    browser.process.on('exit', (code) => browser.#waiting.forEach(({ reject }) => reject(new Error(`Chromium ended: ${code}`))));
    browser.process.stdio[4].setEncoding('utf8').on('data', (text) => browser.#hear(text));
    const { targetInfos } = await browser.ask('Target.getTargets');
    const { targetId } = targetInfos.find((target) => target.type === 'page');
    browser.session = (await browser.ask('Target.attachToTarget', { targetId, flatten: true })).sessionId;
    await Promise.all(['Page', 'Runtime', 'Log', 'Network'].map((domain) => browser.ask(`${domain}.enable`)));
    await browser.size(1400, 900);
    return browser;
  }

  /** Makes the window so large. */
  size(width, height) {
    return this.ask('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
  }

  /** Messages are JSON, each ended by a zero. */
  #hear(text) {
    const messages = (this.#rest + text).split('\0');
    this.#rest = messages.pop();
    for (const message of messages.map((message) => JSON.parse(message))) {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error) waiting?.reject(new Error(`${waiting.method}: ${message.error.message}`));
      else if (message.id) waiting?.resolve(message.result);
      else if (message.method === 'Page.loadEventFired') this.#loaded();
      else this.#listeners.forEach((listener) => listener(message.method, message.params));
    }
  }

  ask(method, params = {}) {
    const id = this.#next++;
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.session })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject, method }));
  }

  listen(listener) {
    this.#listeners.push(listener);
  }

  /** Opens a page; done when it is loaded and painted: what is not painted yet cannot be clicked. */
  async open(url) {
    // Another page in between: a new fragment alone would not load it again.
    for (const next of ['about:blank', url]) {
      const loaded = new Promise((resolve) => (this.#loaded = resolve));
      await this.ask('Page.navigate', { url: next });
      await loaded;
    }
    await this.see('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))');
  }

  /** What an expression comes to in the page. */
  async see(expression) {
    const { result, exceptionDetails } = await this.ask('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  async press(key, modifiers = 0) {
    const text = key.length === 1 ? key : key === 'Enter' ? '\r' : undefined;
    const code = { ArrowDown: 40, ArrowUp: 38, Home: 36, End: 35, PageDown: 34, PageUp: 33, Enter: 13, Escape: 27 }[key];
    const event = { key, code: key, windowsVirtualKeyCode: code, modifiers, text };
    await this.ask('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', ...event });
    await this.ask('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
  }

  async type(text) {
    await this.ask('Input.insertText', { text });
  }

  /** Clicks the middle of the first element of a selector. */
  async click(selector) {
    const [x, y] = await this.see(`(() => {
      const box = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];
    })()`);
    for (const type of ['mousePressed', 'mouseReleased']) {
      await this.ask('Input.dispatchMouseEvent', { type, x, y, button: 'left', clickCount: 1 });
    }
  }

  async stop() {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.removeAllListeners('exit');
    this.process.once('exit', () => {});
    this.process.kill();
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 3000))]);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
