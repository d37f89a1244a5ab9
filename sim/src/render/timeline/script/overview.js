// The overview: the whole run on one strip, a line for each host. Where nothing happens, its time is pressed together.

const overview = document.getElementById('overview');
const LINE = Math.max(4, Math.min(13, Math.floor(110 / lanes.length)));
const HEAD = 12;
const FOOT = 16;
const SIDE = 112;
overview.style.height = `${HEAD + LINE * lanes.length + FOOT}px`;

/** How far along each row is: a second is a unit, and what is longer adds little. */
const along = new Float64Array(count);
{
  const pressed = (step) => (step <= 1e6 ? step / 1e6 : 1 + 0.3 * Math.log10(step / 1e6));
  for (let row = 0; row < count; row++) {
    along[row] = (row ? along[row - 1] : 0) + pressed(at[row] - (row ? at[row - 1] : 0));
  }
}
const whole = Math.max(count ? along[count - 1] : 0, 1e-9);

function alongAt(time) {
  const row = rowAt(time);
  if (row <= 0 || at[row] <= time) return along[row] ?? 0;
  const part = (time - at[row - 1]) / (at[row] - at[row - 1]);
  return along[row - 1] + part * (along[row] - along[row - 1]);
}

let waiting = false;
function overviewSoon() {
  if (!waiting) requestAnimationFrame(() => { waiting = false; paintOverview(); });
  waiting = true;
}

function paintOverview() {
  const [width, height] = [overview.clientWidth, HEAD + LINE * lanes.length + FOOT];
  const scale = window.devicePixelRatio || 1;
  overview.width = width * scale;
  overview.height = height * scale;
  const brush = overview.getContext('2d');
  brush.scale(scale, scale);
  const probe = make('span');
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const palette = Object.fromEntries(
    ['line', 'dim', 'ink', 'bad', 'warn', 'good', 'fault', 'band', 'accent', 'paper', 'raised'].map((name) => [name, colour(name)]));
  probe.remove();
  const x = (way) => SIDE + 8 + ((width - SIDE - 24) * way) / whole;
  const y = (lane) => HEAD + LINE * (lane + 0.5);
  const bottom = HEAD + LINE * lanes.length;

  // Hosts and their lines.
  brush.font = '10px system-ui, sans-serif';
  brush.textBaseline = 'middle';
  lanes.forEach((lane, number) => {
    brush.fillStyle = palette.line;
    brush.fillRect(x(0), y(number) - 0.5, x(whole) - x(0), 1);
    if (LINE >= 9) {
      brush.fillStyle = number === gateway ? palette.ink : palette.dim;
      brush.textAlign = 'right';
      brush.fillText(fitted(brush, lane.name, SIDE - 10), SIDE, y(number));
    }
  });
  // The gateway's service.
  let since = 0;
  for (let row = 1; row <= count; row++) {
    if (row === count || serviceUp[row] !== serviceUp[row - 1]) {
      const [from, to] = [x(along[since]), row === count ? x(whole) : x(along[row])];
      brush.fillStyle = serviceUp[row - 1] ? palette.good : palette.bad;
      brush.globalAlpha = serviceUp[row - 1] ? 0.35 : 0.55;
      brush.fillRect(from, y(gateway) - 2, Math.max(to - from, 1), 4);
      since = row;
    }
  }
  brush.globalAlpha = 1;
  // Faults.
  for (const fault of faults.filter((fault) => fault.from !== null && fault.times > 0)) {
    const [from, to] = [x(alongAt(fault.from)), x(alongAt(fault.until))];
    const [top, end] = [Math.min(...fault.lanes), Math.max(...fault.lanes)];
    brush.fillStyle = fault.until > fault.from ? palette.band : palette.fault;
    brush.fillRect(from, y(top) - LINE / 2, Math.max(to - from, 1.5), LINE * (end - top + 1));
  }
  // Pauses, the longest named first.
  const pauses = [];
  for (let row = 1; row < count; row++) {
    if (at[row] - at[row - 1] >= PAUSE) pauses.push(row);
  }
  brush.textAlign = 'center';
  const taken = [];
  pauses.sort((one, other) => at[other] - at[other - 1] - (at[one] - at[one - 1]));
  for (const row of pauses) {
    const middle = (x(along[row - 1]) + x(along[row])) / 2;
    const text = span(at[row] - at[row - 1]);
    const half = brush.measureText(text).width / 2 + 5;
    if (x(along[row]) - x(along[row - 1]) > 3) {
      brush.strokeStyle = palette.dim;
      brush.globalAlpha = 0.3;
      brush.setLineDash([2, 3]);
      brush.beginPath();
      brush.moveTo(middle, HEAD);
      brush.lineTo(middle, bottom + 3);
      brush.stroke();
      brush.setLineDash([]);
      brush.globalAlpha = 1;
    }
    const free = taken.every(([from, to]) => middle + half < from || middle - half > to);
    if (free && middle - half > SIDE && middle + half < width - 4) {
      taken.push([middle - half, middle + half]);
      brush.fillStyle = palette.dim;
      brush.fillText(text, middle, bottom + FOOT / 2 + 1);
    }
  }
  // Entries.
  const colours = { error: 'bad', down: 'bad', lost: 'bad', refused: 'warn', warning: 'warn', accepted: 'good', taken: 'good' };
  const high = Math.max(3, LINE - 5);
  const inView = new Set(shownRows);
  let spot = '';
  for (let row = 0; row < count; row++) {
    if (!inView.has(row)) continue;
    const kind = kindOf(row);
    const left = Math.round(x(along[row]));
    for (const lane of new Set(ends(row))) {
      // Marks that would fall on each other are made once.
      const key = `${left} ${lane} ${colours[kind] ?? ''}`;
      if (key === spot) continue;
      spot = key;
      brush.fillStyle = palette[colours[kind] ?? 'ink'];
      brush.globalAlpha = colours[kind] ? 1 : 0.45;
      brush.fillRect(left, y(lane) - high / 2, colours[kind] ? 2 : 1, high);
    }
  }
  brush.globalAlpha = 1;
  // Findings, what is in sight, and the cursor.
  for (const row of broken.keys()) {
    const left = x(along[row]);
    brush.fillStyle = palette.bad;
    brush.beginPath();
    brush.moveTo(left - 5, 1);
    brush.lineTo(left + 5, 1);
    brush.lineTo(left, 10);
    brush.fill();
  }
  if (listed.length) {
    const place = (top) => Math.max(0, Math.min(listed.length - 1, Math.floor(top / ROW)));
    const edge = (top) => along[Math.max(listed[place(top)], -1 - listed[place(top)])];
    const [from, to] = [x(edge(flow.scrollTop)), x(edge(flow.scrollTop + flow.clientHeight - 40))];
    brush.fillStyle = palette.accent;
    brush.globalAlpha = 0.14;
    brush.fillRect(from - 1, HEAD - 2, Math.max(to - from, 2) + 2, bottom - HEAD + 4);
    brush.globalAlpha = 1;
    brush.fillRect(x(along[cursor]) - 0.5, HEAD - 4, 1.5, bottom - HEAD + 8);
  }
}

function fitted(brush, text, room) {
  if (brush.measureText(text).width <= room) return text;
  let cut = text.length;
  while (cut > 1 && brush.measureText(`${text.slice(0, cut)}…`).width > room) cut--;
  return `${text.slice(0, cut)}…`;
}

overview.addEventListener('click', (event) => {
  const way = ((event.offsetX - SIDE - 8) / (overview.clientWidth - SIDE - 24)) * whole;
  let nearest = shownRows[0];
  for (const row of shownRows) {
    if (Math.abs(along[row] - way) < Math.abs(along[nearest] - way)) nearest = row;
  }
  if (nearest !== undefined) moveTo(nearest);
});
