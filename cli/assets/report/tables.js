// Long lists, by the page, with a search.
Report.paged = ({ id, label, head, length, row, search, size = 50 }) => {
  const { element } = Report;
  const state = { page: 0, words: '' };
  const body = element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': head.slice(0, 3).join(', ') });
  const place = element('span', { role: 'status', 'aria-live': 'polite' });
  const input = element('input', { type: 'search', placeholder: 'such as trial 7, promoted, rung 2', oninput: () => { state.words = input.value; state.page = 0; show(); } });
  const move = (by) => () => { state.page += by; show(); };
  const [before, after] = [element('button', { type: 'button', onclick: move(-1) }, 'Previous'), element('button', { type: 'button', onclick: move(1) }, 'Next')];
  const show = () => {
    const isFound = Report.words(state.words);
    const found = Array.from({ length: length() }, (_, at) => at).filter((at) => isFound(() => search(at)));
    const last = Math.max(0, Math.ceil(found.length / size) - 1);
    state.page = Math.min(Math.max(state.page, 0), last);
    const shown = found.slice(state.page * size, (state.page + 1) * size);
    place.textContent = found.length ? `${Report.count(state.page * size + 1)} to ${Report.count(state.page * size + shown.length)} of ${Report.count(found.length)}` : 'nothing found';
    [before.disabled, after.disabled] = [state.page === 0, state.page === last];
    body.replaceChildren(Report.table({ head, body: shown.map(row) }));
  };
  show();
  Report.fills.push(show);
  return element('div', { class: 'panel', id },
    element('div', { class: 'controls' }, element('label', {}, label, input), element('span', { class: 'pager controls' }, before, after, place)), body);
};

// Whether a text has all of these words, which are separated by commas: 7 is not 70.
Report.words = (typed) => {
  const words = typed.trim().toLowerCase().split(/\s*,\s*/).filter(Boolean);
  return (text) => {
    if (!words.length) return true;
    const all = ` ${text().toLowerCase()} `;
    return words.every((word) => all.includes(/\d$/.test(word) ? `${word} ` : word));
  };
};

Report.decisionLog = (data) => {
  const said = (row) => [
    ...(row[4] === null ? [] : [`${data.metric} ${Report.fixed(row[4])}`]), ...(row[5] === null ? [] : [data.decisions.words[row[5]]]),
    ...({ stopped: ['not among the best at its rung'], retired: ['too many are better: it can never go on'] }[data.decisions.kinds[row[1]]] ?? []),
  ].join('; ');
  return Report.paged({
    id: 'log', label: 'Search (several words by commas)', head: ['results seen', 'what', 'trial', 'rung', 'why, or what came out'], length: () => data.decisions.rows.length,
    row: (at) => { const row = data.decisions.rows[at]; return [row[0], data.decisions.kinds[row[1]], row[2] === null ? '–' : String(row[2]), row[3] === null ? '–' : String(row[3]), said(row)]; },
    search: (at) => { const row = data.decisions.rows[at]; return `${data.decisions.kinds[row[1]]} trial ${row[2]} rung ${row[3]} ${said(row)}`; },
  });
};

// The value of a trial, by its place in the columns, at the highest rung that has one.
Report.worth = (data, at) => (data.trials.rung[at] === null ? null : data.trials.values[data.trials.rung[at]][at]);

// Places of trials: those that came furthest first, among those the best.
Report.ranked = (data) => {
  const { trials } = data;
  const up = data.direction === 'Maximize' ? -1 : 1;
  return trials.number.map((_, at) => at).sort((one, other) => (trials.rung[other] ?? -1) - (trials.rung[one] ?? -1) || up * ((Report.worth(data, one) ?? 0) - (Report.worth(data, other) ?? 0)) || one - other);
};

// What the list of trials tells of each: a name, the text by place, and what it is ordered by.
Report.trialColumns = (data) => {
  const { trials } = data;
  const chosen = data.parameters.filter((column) => !column.derived && !/^(normal|reduce)_node\d_edge\d/.test(column.name)).slice(0, 6);
  const column = (name, by, text) => ({ name, by, text });
  return [
    column('trial', (at) => trials.number[at], (at) => String(trials.number[at])),
    column('state', (at) => trials.states[trials.state[at]], (at) => trials.states[trials.state[at]]),
    column(data.unit, (at) => trials.rung[at], (at) => (trials.rung[at] === null ? '–' : Report.count(data.rungs[trials.rung[at]].step))),
    column(data.metric, (at) => Report.worth(data, at), (at) => Report.fixed(Report.worth(data, at))),
    ...(trials.params.some((params) => params !== null) ? [column('parameters', (at) => trials.params[at], (at) => Report.short(trials.params[at]))] : []),
    column('time', (at) => trials.seconds[at], (at) => (trials.seconds[at] > 0 ? Report.hours(trials.seconds[at] / 3600) : '–')),
    ...chosen.map((chosen) => column(chosen.name, (at) => chosen.values[at], (at) => Report.label(chosen, at))),
  ];
};

// A trial in the words that a search finds.
Report.trialText = (data, columns, at) => `trial ${data.trials.number[at]} rung ${data.trials.rung[at]} ${data.trials.states[data.trials.state[at]]} ${columns.slice(4).map((column) => `${column.name} ${column.text(at)}`).join(' ')}`;

Report.trialList = (data) => {
  const columns = Report.trialColumns(data);
  const order = Report.ranked(data);
  return Report.paged({
    id: 'trials-list', label: 'Search (several words by commas)', size: 25, length: () => order.length, head: columns.map((column) => column.name),
    row: (place) => columns.map((column) => column.text(order[place])), search: (place) => Report.trialText(data, columns, order[place]),
  });
};

Report.failureTable = (data) => Report.live(() => data.failures, () => {
  if (!data.failures.length) return Report.element('p', { id: 'failures-none' }, 'No process of any trial ended without a value.');
  const body = data.failures.map((cause) => [cause.outcome, cause.count, Report.hours(cause.hours), cause.trials.join(', ') + (cause.count > cause.trials.length ? ', …' : ''), cause.message || '–']);
  return Report.element('div', { class: 'panel scroll', id: 'failures-list', tabindex: '0', role: 'region', 'aria-label': 'Failures by cause' }, Report.table({ head: ['how', 'times', 'time', 'trials', 'the trainer’s first words'], body }));
});
