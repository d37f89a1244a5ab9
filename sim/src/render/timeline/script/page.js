// The page: what is shown, where the cursor is, and what the keys do.

let cursor = 0;
/** The message that is followed, counted from 1; 0 for all. */
let followed = 0;
/** What is searched for, in lower case. */
let wanted = '';
let matches = [];
let shownRows = [];
const hiddenGroups = new Set();
const hosts = new Set();
const byId = (id) => document.getElementById(id);

function passes(row) {
  if (hiddenGroups.has(groupOf[run.rows.kind[row]])) return false;
  if (followed && run.rows.message[row] !== followed) return false;
  return !hosts.size || ends(row).some((lane) => hosts.has(lane));
}

/** Lists what passes; the cursor goes to the row that is nearest to where it was. */
function filter() {
  shownRows = [];
  for (let row = 0; row < count; row++) if (passes(row)) shownRows.push(row);
  list(shownRows);
  search();
  byId('shown').textContent = shownRows.length === count ? `${count} entries` : `${shownRows.length} of ${count} entries`;
  byId('all').hidden = shownRows.length === count;
  byId('message').value = String(followed);
  byId('kinds').querySelectorAll('button').forEach((button, group) => button.setAttribute('aria-pressed', String(!hiddenGroups.has(group))));
  byId('lanes').querySelectorAll('button').forEach((button, lane) => button.setAttribute('aria-pressed', String(hosts.has(lane))));
  moveTo(nearest(cursor));
}

function nearest(row) {
  const after = shownRows.findIndex((shown) => shown >= row);
  return shownRows[after < 0 ? shownRows.length - 1 : after] ?? row;
}

function moveTo(row) {
  const before = drawn.get(placeOf.get(cursor));
  before?.classList.remove('at');
  before?.setAttribute('aria-selected', 'false');
  cursor = row;
  reveal(row);
  const now = drawn.get(placeOf.get(row));
  now?.classList.add('at');
  now?.setAttribute('aria-selected', 'true');
  flow.setAttribute('aria-activedescendant', `r${row}`);
  byId('findings').querySelectorAll('button').forEach((button) =>
    button.setAttribute('aria-current', String(Number(button.dataset.row) === row)));
  sayFound();
  paintPanel();
  overviewSoon();
}

/** Moves the cursor by so many rows of those that are shown. */
function step(by) {
  const place = shownRows.indexOf(cursor);
  const to = shownRows[Math.max(0, Math.min(shownRows.length - 1, place + by))];
  if (to !== undefined) moveTo(to);
}

function follow(number) {
  followed = number;
  filter();
}

function toggleHost(lane) {
  if (!hosts.delete(lane)) hosts.add(lane);
  filter();
}

function showAll() {
  followed = 0;
  hosts.clear();
  hiddenGroups.clear();
  filter();
}

/** Goes to the next finding, or to the one before; to one that is not shown, everything is shown. */
function nextFinding(by) {
  const rows = [...broken.keys()].sort((one, other) => one - other);
  if (!rows.length) return;
  const later = by > 0 ? rows.find((row) => row > cursor) : rows.findLast((row) => row < cursor);
  goTo(later ?? rows.at(by > 0 ? 0 : -1));
}

function goTo(row) {
  if (!passes(row)) showAll();
  moveTo(row);
}

/** Finds the rows that are shown and say what is searched for. */
function search() {
  wanted = byId('search').value.trim().toLowerCase();
  matches = [];
  if (wanted) {
    const says = texts.map((text) => text.toLowerCase().includes(wanted));
    const named = messages.map((message) => message.name.toLowerCase() === wanted || message.subject.toLowerCase().includes(wanted));
    matches = shownRows.filter((row) => says[run.rows.text[row]] || named[run.rows.message[row] - 1]);
  }
  forget();
  sayFound();
}

function sayFound() {
  const place = matches.indexOf(cursor);
  byId('found').textContent = !wanted ? '' : place < 0 ? `${matches.length} found` : `${place + 1} of ${matches.length}`;
}

function nextMatch(by) {
  if (!matches.length) return;
  const later = by > 0 ? matches.find((row) => row > cursor) : matches.findLast((row) => row < cursor);
  moveTo(later ?? matches.at(by > 0 ? 0 : -1));
}

function paintHead() {
  const open = findings.filter((finding) => !finding.expected).length;
  const wrong = [
    open && (open === 1 ? '1 finding' : `${open} findings`),
    head.unmet.length && (head.unmet.length === 1 ? '1 expectation not met' : `${head.unmet.length} expectations not met`),
    head.snapshot && 'another event log',
  ].filter(Boolean);
  byId('verdict').textContent = head.good ? 'as expected' : wrong.join(', ');
  byId('verdict').className = head.good ? 'good' : 'bad';
  byId('scenario').textContent = head.scenario;
  byId('title').textContent = head.title;
  const facts = [['release', head.release], ['seed', head.seed], ['engine', head.engine], ['from', timeOfDay(0)],
    ['for', span(head.ended)], ['messages', messages.length], ['digest', head.digest]];
  byId('facts').append(...facts.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', { class: 'mono' }, String(value)))));
  byId('command').textContent = head.command;
  byId('copy').addEventListener('click', copy);
  if (run.leftOut.length) {
    byId('left-out').hidden = false;
    byId('left-out').textContent = `Left out, to keep this page small: ${run.leftOut.join('; ')}. What is furthest from where the page opens was left out first.`;
  }
  byId('findings').append(
    ...findings.map((finding) => make('li', {}, make(
      'button', { type: 'button', title: finding.what, 'data-row': finding.row ?? '', disabled: finding.row === null, onclick: () => goTo(finding.row) },
      make('b', {}, finding.oracle), ` ${finding.cause}`, finding.expected ? make('span', { class: 'dim' }, ' (as expected)') : '',
      finding.what.includes(finding.cause) && finding.what.length < finding.cause.length + 4 ? '' : make('span', { class: 'dim' }, `  ${finding.what}`)))),
    ...[...head.unmet, ...(head.snapshot ? [head.snapshot] : [])].map((what) => make('li', {}, make('b', {}, 'not as expected '), what)),
  );
}

/** The row that the address of the page names: `#at=12`. */
function linked() {
  const row = Number(/^#at=(\d+)$/.exec(location.hash)?.[1] ?? NaN);
  return row < count ? row : undefined;
}

async function copy() {
  const selection = getSelection();
  selection.selectAllChildren(byId('command'));
  try {
    await navigator.clipboard.writeText(head.command);
  } catch {
    document.execCommand('copy');
  }
  selection.removeAllRanges();
  byId('copy').textContent = 'Copied';
  setTimeout(() => (byId('copy').textContent = 'Copy'), 1500);
}

function paintTools() {
  byId('kinds').append(...groups.map((group, number) => make(
    'button', { type: 'button', 'aria-pressed': 'true', onclick: () => {
      if (!hiddenGroups.delete(number)) hiddenGroups.add(number);
      filter();
    } }, group.name)));
  byId('message').append(
    make('option', { value: 0 }, 'all'),
    ...messages.map((message, place) => make('option', { value: place + 1 }, message.subject ? `${message.name}: ${message.subject}` : message.name)));
  byId('message').addEventListener('change', () => follow(Number(byId('message').value)));
  byId('all').addEventListener('click', showAll);
  byId('help-button').addEventListener('click', () => byId('help').showModal());
  byId('search').addEventListener('input', () => {
    search();
    if (matches.length && !matches.includes(cursor)) moveTo(matches.find((row) => row >= cursor) ?? matches[0]);
  });
  const legend = [['said-by-client', 'a line of an SMTP dialogue', 1], ['network', 'a connection opens, closes or fails', 1],
    ['accepted', 'a client was told that its message is taken'], ['refused', 'a client was refused'],
    ['lost', 'a client had no answer'], ['taken', 'a mail server took a message'], ['up', 'the service starts'],
    ['down', 'the service ends or dies'], ['information', 'an event; amber a warning, red an error'],
    ['administrator', 'the administrator does something'], ['fault-begins', 'a fault begins or bites; hollow: it ends'],
    ['disk', 'a message moves on the disk']];
  byId('help').querySelector('#legend tbody').append(...legend.map(([kind, words, wide]) => make(
    'tr', {}, make('td', {}, draw('svg', { width: 44, height: ROW }, ...marks(kind, wide ? 4 : 22, wide ? 40 : 22, ROW / 2))), make('td', {}, words))));
}

/** The rows of one print, at most: about 40 pages. */
const MOST_PRINTED = 1500;

function fillPrint() {
  const places = [...listed.keys()];
  const middle = placeOf.get(cursor) ?? 0;
  const from = Math.max(0, Math.min(middle - MOST_PRINTED / 2, places.length - MOST_PRINTED));
  const printed = places.slice(from, from + MOST_PRINTED);
  const names = make('div', { class: 'hosts' }, ...lanes.map((lane, number) => {
    const name = make('span', {}, ...hostName(lane));
    name.style.left = `${laneX(number) - pitch / 2}px`;
    return name;
  }));
  const cut = printed.length < places.length ? [make('p', {}, `${printed.length} of ${places.length} rows, around ${clock(at[cursor])}.`)] : [];
  byId('print').replaceChildren(...cut, names, ...printed.map((place) => {
    const element = rowElement(place, '100%');
    element.removeAttribute('id');
    return element;
  }));
}

addEventListener('hashchange', () => {
  if (linked() !== undefined) goTo(linked());
});
addEventListener('beforeprint', fillPrint);
addEventListener('afterprint', () => byId('print').replaceChildren());
addEventListener('resize', () => { paint(); overviewSoon(); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', overviewSoon);

const page = () => Math.max(1, Math.floor(flow.clientHeight / ROW) - 3);
const keys = {
  ArrowUp: () => step(-1), ArrowDown: () => step(1), PageUp: () => step(-page()), PageDown: () => step(page()),
  Home: () => step(-count), End: () => step(count), n: () => nextFinding(1), p: () => nextFinding(-1),
  Enter: () => run.rows.message[cursor] && follow(run.rows.message[cursor]),
  '/': () => { byId('search').focus(); byId('search').select(); },
  '?': () => byId('help').showModal(),
};

addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId('help').open) return;
  const inSearch = event.target === byId('search');
  if (event.key === 'Escape') {
    if (byId('search').value) { byId('search').value = ''; search(); } else if (!inSearch) showAll();
    flow.focus();
  } else if (inSearch) {
    if (event.key !== 'Enter') return;
    nextMatch(event.shiftKey ? -1 : 1);
  } else if (event.target.matches('select, input') || (event.key === 'Enter' && event.target.matches('button'))) {
    return;
  } else if (keys[event.key]) {
    keys[event.key]();
  } else return;
  event.preventDefault();
});

paintHead();
paintTools();
lanesHeader();
cursor = linked() ?? run.open;
filter();
flow.focus({ preventScroll: true });
paintOverview();
performance.mark('shown');
