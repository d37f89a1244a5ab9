// The run: what the page was given, and what can be asked of it. It draws nothing.
'use strict';

const run = JSON.parse(document.getElementById('run').textContent);
const { head, findings, lanes, faults, messages, texts } = run;
const count = run.rows.at.length;

/** When each row happened, in microseconds. */
const at = new Float64Array(count);
run.rows.at.reduce((sum, step, row) => (at[row] = sum + step), 0);

const connections = new Map(run.connections.map(([number, peer, inbound]) => [number, { peer, inbound }]));
const gateway = lanes.findIndex((lane) => lane.role === 'gateway');

const kindOf = (row) => run.kinds[run.rows.kind[row]];
const textOf = (row) => texts[run.rows.text[row]];
const messageOf = (row) => messages[run.rows.message[row] - 1];
const connectionOf = (row) => run.rows.connection[row];

/** The kinds of entries that are shown or not shown together. */
const groups = [
  { name: 'SMTP', kinds: ['said-by-client', 'said-by-server', 'network'] },
  { name: 'Tries', kinds: ['accepted', 'refused', 'lost', 'taken'] },
  { name: 'Events', kinds: ['information', 'warning', 'error'] },
  { name: 'Service', kinds: ['up', 'down', 'administrator', 'end'] },
  { name: 'Faults', kinds: ['fault', 'fault-begins', 'fault-ends'] },
  { name: 'Disk', kinds: ['disk'] },
];
const groupOf = run.kinds.map((kind) => groups.findIndex((group) => group.kinds.includes(kind)));

/** The lanes that a row goes from and to; the same, if it is on one host. */
function ends(row) {
  const connection = connections.get(connectionOf(row));
  if (!connection) return [run.rows.lane[row], run.rows.lane[row]];
  const [client, server] = connection.inbound ? [connection.peer, gateway] : [gateway, connection.peer];
  return kindOf(row) === 'said-by-server' ? [server, client] : [client, server];
}

/** Whether the gateway's service is up after each row. */
const serviceUp = new Uint8Array(count);
for (let row = 0, up = 0; row < count; row++) {
  if (kindOf(row) === 'up') up = 1;
  else if (kindOf(row) === 'down') up = 0;
  serviceUp[row] = up;
}

/** The rows that broke an oracle, and the findings at each. */
const broken = new Map();
findings.forEach((finding) => {
  if (finding.row !== null) broken.set(finding.row, [...(broken.get(finding.row) ?? []), finding]);
});

/** The faults that last, each in a column where it meets no other. */
const bands = faults.filter((fault) => fault.from !== null && fault.until > fault.from);
const columns = [];
[...bands].sort((one, other) => one.from - other.from).forEach((band) => {
  let column = columns.findIndex((end) => end <= band.from);
  if (column < 0) column = columns.length;
  columns[column] = band.until;
  band.column = column;
});

/** The first row that is not before a time. */
function rowAt(time) {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at[middle] < time) low = middle + 1;
    else high = middle;
  }
  return Math.min(low, count - 1);
}

/** What each folder holds when the instant of a time is over: folder, then file. */
function filesAt(time) {
  const folders = new Map();
  if (!run.files) return folders;
  const { at, folder, file, message, to, octets } = run.files;
  for (let change = 0, now = at[0]; change < at.length && now <= time; now += at[++change]) {
    const [name, where] = [texts[file[change]], texts[folder[change]]];
    if (!folders.has(where)) folders.set(where, new Map());
    if (octets[change] === null) folders.get(where).delete(name);
    else folders.get(where).set(name, { message: texts[message[change]], to: texts[to[change]], octets: octets[change] });
  }
  return folders;
}

const byName = new Map(messages.map((message, place) => [message.name, place + 1]));

/** The message of the plan that is meant by `m1`, `report on m1`, `delay of m1`; 0 if it is none. */
function numberOf(shown) {
  const words = run.about.find((words) => shown.startsWith(words)) ?? '';
  return byName.get(shown.slice(words.length)) ?? 0;
}

function clock(time) {
  const [milliseconds, seconds] = [Math.floor(time / 1000) % 1000, Math.floor(time / 1e6)];
  const two = (number) => String(number).padStart(2, '0');
  const days = Math.floor(seconds / 86400);
  const hours = two(Math.floor(seconds / 3600) % 24);
  const rest = `${hours}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${String(milliseconds).padStart(3, '0')}`;
  return days ? `${days}d ${rest}` : rest;
}

function span(time) {
  const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
  let seconds = Math.round(time / 1e6);
  const parts = [];
  for (const [unit, length] of units) {
    if (seconds >= length) parts.push(`${Math.floor(seconds / length)} ${unit}`);
    seconds %= length;
  }
  return parts.slice(0, 2).join(' ') || '0 s';
}

const timeOfDay = (time) => new Date(head.starts + time / 1000).toISOString().replace('T', ' ').replace('Z', ' UTC');

/** An element, with attributes and children. Text is always text. */
function make(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return dress(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}
