// Long lists, by the page, with a search.
Report.paged = ({ id, label, head, length, row, search, size = 50 }) => {
  const { element } = Report;
  const state = { page: 0, words: '', found: null };
  const body = element('div', { class: 'scroll' });
  const place = element('span', { role: 'status', 'aria-live': 'polite' });
  const input = element('input', { type: 'search', placeholder: 'such as trial 7, promoted, rung 2', oninput: () => { state.words = input.value.trim().toLowerCase(); state.page = 0; show(); } });
  const move = (by) => () => { state.page += by; show(); };
  const [before, after] = [element('button', { type: 'button', onclick: move(-1) }, 'Previous'), element('button', { type: 'button', onclick: move(1) }, 'Next')];
    const find = () => {
    const all = Array.from({ length }, (_, at) => at);
    if (!state.words) return all;
    const words = state.words.split(/\s*,\s*/).filter(Boolean);
    return all.filter((at) => { const text = ` ${search(at).toLowerCase()} `; return words.every((word) => text.includes(/\d$/.test(word) ? `${word} ` : word)); });
  };
  const show = () => {
    const found = find();
    const last = Math.max(0, Math.ceil(found.length / size) - 1);
    state.page = Math.min(Math.max(state.page, 0), last);
    const shown = found.slice(state.page * size, (state.page + 1) * size);
    place.textContent = found.length ? `${Report.count(state.page * size + 1)} to ${Report.count(state.page * size + shown.length)} of ${Report.count(found.length)}` : 'nothing found';
    [before.disabled, after.disabled] = [state.page === 0, state.page === last];
    body.replaceChildren(Report.table({ head, body: shown.map(row) }));
  };
  show();
  return element('div', { class: 'panel', id },
    element('div', { class: 'controls' }, element('label', {}, label, input), element('span', { class: 'pager controls' }, before, after, place)), body);
};

Report.decisionLog = (data) => {
  const { kinds, words, rows } = data.decisions;
  const said = (row) => [
    ...(row[4] === null ? [] : [`${data.metric} ${Report.fixed(row[4])}`]), ...(row[5] === null ? [] : [words[row[5]]]),
    ...({ stopped: ['not among the best at its rung'], retired: ['too many are better: it can never go on'] }[kinds[row[1]]] ?? []),
  ].join('; ');
  return Report.paged({
    id: 'log', label: 'Search (several words by commas)', head: ['results seen', 'what', 'trial', 'rung', 'why, or what came out'], length: rows.length,
    row: (at) => { const row = rows[at]; return [row[0], kinds[row[1]], row[2] === null ? '–' : String(row[2]), row[3] === null ? '–' : String(row[3]), said(row)]; },
    search: (at) => { const row = rows[at]; return `${kinds[row[1]]} trial ${row[2]} rung ${row[3]} ${said(row)}`; },
  });
};

Report.trialList = (data) => {
  const { trials } = data;
  const order = trials.number.map((_, at) => at);
  const worth = (at) => (trials.rung[at] === null ? null : trials.values[trials.rung[at]][at]);
  const up = data.direction === 'Maximize' ? -1 : 1;
  order.sort((one, other) => (trials.rung[other] ?? -1) - (trials.rung[one] ?? -1) || up * ((worth(one) ?? 0) - (worth(other) ?? 0)) || one - other);
  const sized = trials.params.some((params) => params !== null);
  const chosen = data.parameters.filter((column) => !column.derived && !/^(normal|reduce)_node\d_edge\d/.test(column.name)).slice(0, 6);
  return Report.paged({
    id: 'trials-list', label: 'Search (several words by commas)', size: 25, length: order.length,
    head: ['trial', 'state', data.unit, data.metric, ...(sized ? ['parameters'] : []), 'time', ...chosen.map((column) => column.name)],
    row: (place) => { const at = order[place]; return [String(trials.number[at]), trials.states[trials.state[at]], trials.rung[at] === null ? '–' : data.rungs[trials.rung[at]].step, Report.fixed(worth(at)), ...(sized ? [Report.short(trials.params[at])] : []), trials.seconds[at] > 0 ? Report.hours(trials.seconds[at] / 3600) : '–', ...chosen.map((column) => Report.label(column, at))]; },
    search: (place) => { const at = order[place]; return `trial ${trials.number[at]} rung ${trials.rung[at]} ${trials.states[trials.state[at]]} ${chosen.map((column) => `${column.name} ${Report.label(column, at)}`).join(' ')}`; },
  });
};

Report.failureTable = (data) => {
  if (!data.failures.length) return Report.element('p', { id: 'failures-none' }, 'No process of any trial ended without a value.');
  const body = data.failures.map((cause) => [cause.outcome, cause.count, Report.hours(cause.hours), cause.trials.join(', ') + (cause.count > cause.trials.length ? ', …' : ''), cause.message || '–']);
  return Report.element('div', { class: 'panel scroll', id: 'failures-list' }, Report.table({ head: ['how', 'times', 'time', 'trials', 'the trainer’s first words'], body }));
};
