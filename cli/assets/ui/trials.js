// The list of trials: filtered, ordered, by the page; some are chosen to be compared, one is opened.
Ui.pageSize = 25;
Ui.typed = '';
Ui.chosen = [];
Ui.most = 8;
Ui.onChoice = () => {};

Ui.choose = (number, isChosen) => {
  Ui.chosen = Ui.chosen.filter((other) => other !== number);
  if (isChosen) Ui.chosen = [...Ui.chosen.slice(1 - Ui.most), number];
  Ui.list.show();
  Ui.onChoice();
};

Ui.trialList = (data) => {
  const { element } = Report;
  const state = { page: 0, sort: null, up: true, found: [], rows: '' };
  const place = element('span', { role: 'status', 'aria-live': 'polite', id: 'found' });
  const chips = document.getElementById('chips');
  const [head, body] = [element('thead'), element('tbody')];
  const turn = (by) => { state.page += by; show(); };
  const pager = [element('button', { type: 'button', onclick: () => turn(-1) }, 'Previous'), element('button', { type: 'button', onclick: () => turn(1) }, 'Next')];

  const ordered = (columns) => {
    const column = columns.find((column) => column.name === state.sort);
    const all = Report.ranked(data);
    if (!column) return all;
    const worth = (at) => column.by(at);
    // What has no value stands last, either way up.
    const compare = (one, other) => (one === null) - (other === null) || (state.up ? 1 : -1) * (typeof one === 'string' ? one.localeCompare(other) : one - other);
    return all.sort((one, other) => compare(worth(one), worth(other)));
  };
  const drawHead = (columns) => {
    const title = ({ name }) => {
      const sorted = state.sort === name ? (state.up ? 'ascending' : 'descending') : 'none';
      const sort = () => { state.up = state.sort === name ? !state.up : true; state.sort = name; state.page = 0; show(); head.querySelector(`[data-sort="${CSS.escape(name)}"]`)?.focus(); };
      return element('th', { scope: 'col', 'aria-sort': sorted }, element('button', { type: 'button', class: 'plain', 'data-sort': name, onclick: sort }, name, element('span', { 'aria-hidden': 'true' }, { ascending: ' ▲', descending: ' ▼', none: '' }[sorted])));
    };
    head.replaceChildren(element('tr', {}, element('th', { scope: 'col' }, 'compare'), ...columns.map(title)));
  };
  const row = (columns, at) => {
    const number = data.trials.number[at];
    const check = element('input', { type: 'checkbox', 'aria-label': `compare trial ${number}`, 'data-compare': number, checked: Ui.chosen.includes(number), onchange: () => Ui.choose(number, check.checked) });
    const open = element('button', { type: 'button', class: 'plain', 'aria-label': `open trial ${number}`, 'data-open': number, onclick: () => Ui.open(number) }, String(number));
    return element('tr', { 'data-trial': number, 'aria-current': Ui.opened === number ? 'true' : undefined }, element('td', {}, check), element('td', {}, open), ...columns.slice(1).map((column) => element('td', {}, column.text(at))));
  };
  const drawChips = () => {
    const brushed = Ui.brushed();
    const chip = (text, clear) => element('button', { type: 'button', onclick: clear }, text);
    chips.replaceChildren(
      state.found.length < data.trials.number.length ? `${Report.count(state.found.length)} of ${Report.count(data.trials.number.length)} trials` : '',
      ...(brushed ? [chip(`${Report.count(brushed.size)} marked in charts ✕`, Ui.clearBrushes)] : []),
      ...(Ui.chosen.length ? [chip(`${Ui.chosen.length} compared ✕`, () => { Ui.chosen = []; show(); Ui.onChoice(); })] : []));
  };
  const show = () => {
    const columns = Report.trialColumns(data);
    const brushed = Ui.brushed();
    state.found = ordered(columns).filter((at) => Report.shows(at) && (!brushed || brushed.has(data.trials.number[at])));
    const last = Math.max(0, Math.ceil(state.found.length / Ui.pageSize) - 1);
    state.page = Math.min(Math.max(state.page, 0), last);
    const from = state.page * Ui.pageSize;
    const shown = state.found.slice(from, from + Ui.pageSize);
    place.textContent = Ui.mistaken ?? (shown.length ? `${Report.count(from + 1)} to ${Report.count(from + shown.length)} of ${Report.count(state.found.length)}` : 'no trial is like that');
    [pager[0].disabled, pager[1].disabled] = [state.page === 0, state.page === last];
    drawChips();
    // What has not changed keeps the focus.
    const rows = JSON.stringify([state.sort, state.up, Ui.chosen, Ui.opened, columns.map((column) => [column.name, ...shown.map(column.text)])]);
    if (rows === state.rows) return;
    state.rows = rows;
    const focused = document.activeElement?.closest('#trials-list td') && document.activeElement;
    const again = focused?.dataset.open ? `[data-open="${focused.dataset.open}"]` : focused?.dataset.compare ? `[data-compare="${focused.dataset.compare}"]` : null;
    drawHead(columns);
    body.replaceChildren(...shown.map((at) => row(columns, at)));
    if (again) body.querySelector(again)?.focus({ preventScroll: true });
  };
  // Up and down through all that was found, over the ends of pages.
  const step = (by) => {
    const rows = [...body.rows];
    const at = rows.findIndex((row) => row.contains(document.activeElement)) + by;
    if (!rows[at] && !pager[by < 0 ? 0 : 1].disabled) { turn(by); body.rows[by < 0 ? body.rows.length - 1 : 0].querySelector('[data-open]').focus(); return; }
    rows[at]?.querySelector('[data-open]').focus();
  };
  const keys = { ArrowDown: () => step(1), ArrowUp: () => step(-1), PageDown: () => turn(1), PageUp: () => turn(-1), c: () => document.activeElement.closest('tr').querySelector('[data-compare]').click() };
  body.addEventListener('keydown', (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  const first = () => body.querySelector('[data-open]')?.focus();
  // The trial before or after another one, as they are found.
  const beside = (number, by) => { const at = state.found.findIndex((at) => data.trials.number[at] === number) + by; return at < 0 ? undefined : data.trials.number[state.found[at]]; };
  Ui.list = { show, first, beside };
  show();
  Report.fills.push(show);
  Ui.onBrush = show;
  return element('div', { class: 'panel', id: 'trials-list' },
    element('div', { class: 'controls' }, element('span', { class: 'pager controls' }, ...pager, place)),
    element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'List of trials' }, element('table', {}, head, body)));
};
