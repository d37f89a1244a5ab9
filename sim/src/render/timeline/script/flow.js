// The flow: a row for each entry, with a lane for each host. Only the rows in sight are in the document.

/** The height of a row, and from how long on a pause is marked. */
const ROW = 22;
const PAUSE = 10e6;
/** How many rows above and below what is in sight are made too. */
const SPARE = 12;

const flow = document.getElementById('flow');
const rowsElement = document.getElementById('rows');
const gutter = 8 + columns.length * 7;
const pitch = Math.max(46, Math.min(92, Math.floor((flow.clientWidth * 0.5 - gutter) / lanes.length)));
const laneX = (lane) => gutter + pitch * (lane + 0.5);

/** What is listed: the places of rows, and -1 minus the place of the row that a pause comes before. */
let listed = [];
let placeOf = new Map();
let drawn = new Map();

/** Lists these rows, with their pauses. */
function list(rows) {
  listed = [];
  placeOf = new Map();
  let before = rows.length ? Math.min(at[rows[0]], 0) : 0;
  for (const row of rows) {
    if (at[row] - before >= PAUSE) listed.push(-1 - row);
    before = at[row];
    placeOf.set(row, listed.length);
    listed.push(row);
  }
  rowsElement.style.height = `${listed.length * ROW}px`;
  flow.setAttribute('aria-rowcount', listed.length + 1);
  forget();
}

/** Lets every drawn row be drawn anew. */
function forget() {
  drawn.forEach((element) => element.remove());
  drawn = new Map();
  paint();
}

function paint() {
  const top = flow.scrollTop;
  const first = Math.max(0, Math.floor(top / ROW) - SPARE);
  const last = Math.min(listed.length, Math.ceil((top + flow.clientHeight) / ROW) + SPARE);
  for (const [place, element] of drawn) {
    if (place < first || place >= last) {
      element.remove();
      drawn.delete(place);
    }
  }
  for (let place = first; place < last; place++) {
    if (!drawn.has(place)) {
      const element = rowElement(place, ROW);
      element.style.transform = `translateY(${place * ROW}px)`;
      drawn.set(place, element);
      rowsElement.append(element);
    }
  }
}

function rowElement(place, height) {
  const row = listed[place];
  if (row < 0) return pauseElement(place, -1 - row, height);
  const kind = kindOf(row);
  const said = groupOf[run.rows.kind[row]] === 0;
  const before = place > 0 ? listed[place - 1] : -1;
  const same = before >= 0 && at[before] === at[row];
  const classes = ['row', said && 'said', broken.has(row) && 'broken', row === cursor && 'at'];
  const message = messageOf(row);
  const button = message && make('button', { type: 'button', tabindex: -1, title: `Follow ${message.name}` }, message.name);
  button?.addEventListener('click', (event) => {
    event.stopPropagation();
    moveTo(row);
    follow(run.rows.message[row]);
  });
  return make(
    'div',
    { class: classes.filter(Boolean).join(' '), role: 'row', id: `r${row}`, 'aria-rowindex': place + 2,
      'aria-selected': row === cursor ? 'true' : 'false' },
    make('span', { class: 'time', role: 'gridcell', 'aria-label': clock(at[row]) }, same ? '┊' : clock(at[row])),
    make('span', { class: 'graph', role: 'gridcell', 'aria-label': between(row) }, graph(row, height)),
    make('span', { class: 'message', role: 'gridcell' }, ...(button ? [button] : [])),
    make('span', { class: `text ${tone(row)}`, role: 'gridcell' },
      ...(connectionOf(row) ? [make('small', { title: 'the connection' }, `#${connectionOf(row)}`)] : []),
      ...highlighted(textOf(row))),
  );
}

/** Who is there, in words. */
function between(row) {
  const [from, to] = ends(row);
  return from === to ? lanes[from].name : `${lanes[from].name} to ${lanes[to].name}`;
}

/** How a row's text is coloured: by what it says. */
function tone(row) {
  const kind = kindOf(row);
  if (kind === 'said-by-server') return { 4: 'warn', 5: 'bad' }[textOf(row)[0]] ?? '';
  return { error: 'bad', down: 'bad', lost: 'bad', refused: 'warn', warning: 'warn', network: 'dim', disk: 'dim', up: 'good',
    accepted: 'good', taken: 'good', fault: 'fault', 'fault-begins': 'fault', 'fault-ends': 'fault' }[kind] ?? '';
}

function pauseElement(place, next, height) {
  const before = place > 0 ? at[listed[place - 1]] : 0;
  return make(
    'div',
    { class: 'row pause', role: 'row', 'aria-rowindex': place + 2 },
    make('span', { class: 'time', role: 'gridcell' }, '⋯'),
    make('span', { class: 'graph', role: 'gridcell' }, frame(next > 0 && serviceUp[next - 1], [before, at[next]], height, true)),
    make('span', { class: 'message', role: 'gridcell' }),
    make('span', { class: 'text', role: 'gridcell' }, `${span(at[next] - before)} later`),
  );
}

/** The lanes, and the bands that are there all the time, behind a row. */
function frame(up, [from, until], height, pause, ...marks) {
  const svg = draw('svg', { width: gutter + pitch * lanes.length, height, 'aria-hidden': 'true' });
  for (const band of bands.filter((band) => band.from <= from && until <= band.until)) {
    const [left, right] = [Math.min(...band.lanes), Math.max(...band.lanes)].map(laneX);
    if (band.times > 0) {
      const reach = left === right ? pitch * 0.3 : 0;
      svg.append(draw('rect', { class: 'band', x: left - reach, y: 0, width: right - left + 2 * reach, height: '100%' }));
    }
    const title = draw('title', {}, `${band.words}${band.times ? '' : ' (changed nothing)'}`);
    const width = band.times ? 4 : 1;
    svg.append(draw('rect', { class: 'bar', x: 6 + band.column * 7 - width / 2, y: 0, width, height: '100%' }, title));
  }
  lanes.forEach((_, lane) => {
    const x = laneX(lane);
    const state = lane === gateway ? (up ? 'up' : 'dead') : 'life';
    const line = { class: state, x1: x, x2: x, y1: 0, y2: '100%' };
    svg.append(draw('line', pause ? { ...line, 'stroke-dasharray': '2 4' } : line));
  });
  svg.append(...marks);
  return svg;
}

function graph(row, height) {
  return frame(serviceUp[row], [at[row], at[row]], height, false, ...marks(kindOf(row), ...ends(row).map(laneX), ROW / 2));
}

/** What a row has in its lanes. */
function marks(kind, from, to, y) {
  if (from !== to) {
    if (kind === 'network') return [draw('line', { class: 'net', x1: from, x2: to, y1: y, y2: y })];
    const step = from < to ? -1 : 1;
    return [
      draw('line', { class: 'arrow', x1: from, x2: to + step * 5, y1: y, y2: y }),
      draw('path', { class: 'arrow', d: `M${to + step * 2},${y}l${step * 7},-3.5v7z` }),
    ];
  }
  const cross = (name) => [draw('path', { class: `${name} cross`, d: `M${to - 4},${y - 4}l8,8m0,-8l-8,8` })];
  const dot = (name) => [draw('circle', { class: name, cx: to, cy: y, r: 4 })];
  const square = (name) => [draw('rect', { class: name, x: to - 4, y: y - 4, width: 8, height: 8 })];
  const diamond = (name) => [draw('path', { class: name, d: `M${to},${y - 5.5}l5.5,5.5l-5.5,5.5l-5.5,-5.5z` })];
  switch (kind) {
    case 'information': return dot('m-dim');
    case 'warning': return dot('m-warn');
    case 'error': return dot('m-bad');
    case 'up': return [draw('path', { class: 'm-good', d: `M${to},${y - 5}l5,9h-10z` })];
    case 'down': return cross('m-bad');
    case 'accepted': return dot('m-good');
    case 'refused': return dot('m-warn hollow');
    case 'lost': return cross('m-bad');
    case 'taken': return square('m-good');
    case 'administrator': return dot('m-ink');
    case 'fault-ends': return diamond('m-fault hollow');
    case 'fault': case 'fault-begins': return diamond('m-fault');
    case 'end': return [draw('path', { class: 'm-ink cross', d: `M${to - 6},${y + 4}h12` })];
    case 'disk': return square('m-dim hollow');
    default: return dot('m-dim hollow');
  }
}

/** A text, with what is searched for marked in it. */
function highlighted(text) {
  if (!wanted) return [text];
  const parts = [];
  const low = text.toLowerCase();
  let from = 0;
  for (let place = low.indexOf(wanted); place >= 0 && low.length === text.length; place = low.indexOf(wanted, from)) {
    parts.push(text.slice(from, place), make('mark', {}, text.slice(place, place + wanted.length)));
    from = place + wanted.length;
  }
  return [...parts, text.slice(from)];
}

/** Brings a row into sight: in the middle, if it was not. */
function reveal(row) {
  const place = placeOf.get(row);
  if (place === undefined) return;
  const top = place * ROW;
  const room = flow.clientHeight - document.getElementById('lanes').offsetHeight;
  if (top < flow.scrollTop || top + ROW > flow.scrollTop + room) flow.scrollTop = top - room / 2;
  paint();
}

/** A host's own name, and its domain below. */
function hostName(lane) {
  const [first, ...rest] = lane.name.split('.');
  return [make('b', {}, first), make('small', {}, rest.join('.') || lane.role)];
}

function lanesHeader() {
  const hosts = make('span', { class: 'hosts', role: 'columnheader' });
  lanes.forEach((lane, number) => {
    const button = make(
      'button',
      { type: 'button', title: `${lane.name} (${lane.address}): ${lane.role}`, 'aria-pressed': 'false',
        'aria-label': `Only ${lane.name}`, onclick: () => toggleHost(number) },
      ...hostName(lane),
    );
    button.style.left = `${laneX(number) - pitch / 2 + 2}px`;
    hosts.append(button);
  });
  const title = (text) => make('span', { role: 'columnheader' }, text);
  document.getElementById('lanes').append(title('time'), hosts, title('message'), title('what'));
  document.documentElement.style.setProperty('--graph', `${gutter + pitch * lanes.length}px`);
  document.documentElement.style.setProperty('--pitch', `${pitch}px`);
}

flow.addEventListener('scroll', () => { paint(); overviewSoon(); }, { passive: true });
rowsElement.addEventListener('click', (event) => {
  const row = event.target.closest('.row[id]');
  if (row) moveTo(Number(row.id.slice(1)));
});
