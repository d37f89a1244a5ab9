// The panel: the entry at the cursor, the message that is followed, and how things stand at that time.

const panel = document.getElementById('panel');
/** How many names of one place are listed. */
const MOST = 40;

function paintPanel() {
  const time = at[cursor];
  panel.replaceChildren(
    ...(count ? [entrySection()] : []),
    ...(followed ? [messageSection(messages[followed - 1])] : []),
    ...faultSection(time),
    ...holdingSections(time),
  );
}

function section(title, aside, ...children) {
  return make('section', {}, make('h2', {}, title, ...(aside ? [make('small', {}, aside)] : [])), ...children);
}

function entrySection() {
  const message = messageOf(cursor);
  const broke = (broken.get(cursor) ?? []).map((finding) => make(
    'div', { class: 'broke' },
    make('p', {}, make('b', { class: 'bad' }, `Breaks ${finding.oracle}`), finding.expected ? ' (as expected)' : ''),
    make('p', {}, finding.what),
    make('p', { class: 'dim' }, `It should be so: ${finding.promise}.`),
  ));
  const where = connectionOf(cursor) ? `${between(cursor)}, connection ${connectionOf(cursor)}` : between(cursor);
  return section(
    make('a', { href: `#at=${cursor}`, title: 'A link to this entry' }, clock(at[cursor])), timeOfDay(at[cursor]),
    make('p', { class: 'about' }, where, ...(message ? [' · ', chip(message.name)] : [])),
    make('p', { class: `entry ${tone(cursor)}` }, textOf(cursor)),
    ...broke,
  );
}

/** A message's name, to follow it. */
function chip(shown) {
  const number = numberOf(shown);
  if (!number) return make('span', { class: 'dim' }, shown);
  return make('button', { type: 'button', class: 'chip', title: `Follow ${messages[number - 1].name}`, onclick: () => follow(number) }, shown);
}

function messageSection(message) {
  const ends = message.ends.length ? message.ends : ['nowhere'];
  const pairs = [
    ['from', message.from || '<>'], ['to', message.to.join(', ')], ['subject', message.subject],
    ['content', `${message.octets} octets`], ['handed over by', lanes[message.lane].name], ['at the end', ends.join('; ')],
  ];
  return section(
    `Following ${message.name}`, 'Esc: show everything',
    ...pairs.map(([name, value]) => make('p', {}, make('span', { class: 'dim' }, `${name} `), value)),
  );
}

function faultSection(time) {
  const acting = faults.filter((fault) => fault.from !== null && fault.from <= time && time <= fault.until);
  if (!acting.length) return [];
  return [section(
    'Faults now', '',
    ...acting.map((fault) => make('p', {}, make('b', { class: 'fault' }, fault.words),
      make('span', { class: 'dim' }, fault.times ? `, bites ${fault.times === 1 ? 'once' : `${fault.times} times`} in all` : ', changed nothing'))),
  )];
}

function holdingSections(time) {
  const service = section('Service', '', make('p', { class: serviceUp[cursor] ? 'good' : 'bad' }, serviceUp[cursor] ? 'up' : 'down'));
  if (!run.files) return [service];
  const folders = [...filesAt(time)].filter(([, files]) => files.size);
  const mailbox = 'mailboxes/';
  const spool = folders.filter(([name]) => !name.startsWith(mailbox)).sort();
  const boxes = folders.filter(([name]) => name.startsWith(mailbox)).sort();
  return [
    service,
    section('Spool', spool.length ? '' : 'empty', ...spool.flatMap(([name, files]) => [heading(name, files.size), spoolList(files)])),
    section('Mailboxes', boxes.length ? '' : 'empty', ...boxes.flatMap(([name, files]) =>
      [heading(name.slice(mailbox.length), files.size), names([...files.values()].map((held) => held.message))])),
    ...takenSection(time),
  ];
}

const heading = (name, size) => make('h3', {}, name, make('small', {}, String(size)));

function spoolList(files) {
  const shown = [...files].slice(0, MOST);
  return make(
    'ul', {},
    ...shown.map(([name, held]) => make('li', {}, chip(held.message),
      make('small', {}, [name, held.to && `for ${held.to}`, `${held.octets} octets`].filter(Boolean).join(' · ')))),
    ...more(files.size - shown.length),
  );
}

function names(all) {
  return make('div', { class: 'names' }, ...all.slice(0, MOST).map(chip), ...more(all.length - MOST));
}

const more = (rest) => (rest > 0 ? [make('span', { class: 'dim' }, `and ${rest} more`)] : []);

/** What the mail servers have taken by then. */
function takenSection(time) {
  const taken = new Map();
  for (let row = 0; row < count && at[row] <= time; row++) {
    if (kindOf(row) !== 'taken') continue;
    const server = lanes[run.rows.lane[row]].name;
    taken.set(server, [...(taken.get(server) ?? []), textOf(row).replace(/^takes /, '').replace(/ for .*$/s, '')]);
  }
  if (!taken.size) return [];
  return [section('Taken by mail servers', '', ...[...taken].flatMap(([server, all]) => [heading(server, all.length), names(all)]))];
}
