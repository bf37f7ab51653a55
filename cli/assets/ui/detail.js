// One trial: where it stands, its curve, what was chosen for it, its cells, why it was decided upon as it was, its processes, events and log.
Ui.opened = null;

Ui.facts = (entries) => Report.element('dl', { class: 'facts' }, ...entries.flatMap(([name, value]) => [Report.element('dt', {}, name), Report.element('dd', { 'data-fact': name }, String(value))]));

Ui.block = (title, id, ...content) => Report.element('div', { id, class: 'block' }, Report.element('h3', {}, title), ...content);

Ui.rows = (label, table) => Report.element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label }, Report.table(table));

Ui.trialFacts = (data, number, detail) => {
  const at = data.trials.number.indexOf(number);
  const values = data.rungs.map((rung, level) => [rung, data.trials.values[level][at]]).filter(([, value]) => value !== null);
  return [
    ['name', detail.name], ['state', data.trials.states[data.trials.state[at]]],
    ...values.map(([rung, value]) => [`after ${Report.length(data, rung.step)}`, `${data.metric} ${Report.fixed(value)}`]),
    ...(detail.params ? [['parameters', `${Report.count(detail.params)} (${Report.short(detail.flops)} multiply-accumulates for one image)`]] : []),
    ['time', data.trials.seconds[at] > 0 ? Report.hours(data.trials.seconds[at] / 3600) : '–'], ['seed', detail.seed],
  ];
};

Ui.detailParts = (data, number, detail) => {
  const { element } = Report;
  const parts = [Ui.facts(Ui.trialFacts(data, number, detail))];
  const curves = [detail.curve];
  if (detail.curve.points.length) {
    const described = `Learning curve of trial ${number}: ${data.metric} by ${data.unit}, ${detail.curve.points.length} points.`;
    parts.push(Report.figure({ id: 'trial-curve', title: 'Learning curve', height: 260, option: (theme) => ({ ...Report.curveLines(data, curves, theme, described), legend: undefined }), rows: () => Report.curveRows(data, curves) }));
  }
  const fixed = Object.entries(detail.fixed);
  parts.push(Ui.block('Configuration', 'trial-configuration', Ui.facts(Object.entries(detail.searched)), fixed.length ? element('details', {}, element('summary', {}, `${fixed.length} parameters that all trials share`), Ui.facts(fixed)) : null));
  if (detail.cells.length) {
    const cells = element('div', { class: 'cells', tabindex: '0', role: 'region', 'aria-label': 'Cells' });
    // Drawn by nas-darts out of names of operations alone: nothing in it was written by anybody else.
    cells.innerHTML = detail.cells.join('');
    parts.push(Ui.block('Cells', 'trial-cells', cells, element('details', {}, element('summary', {}, 'The cells in words'), element('pre', { tabindex: '0', role: 'region', 'aria-label': 'The cells in words' }, detail.words))));
  }
  parts.push(Ui.block('What was decided, and why', 'trial-story', Ui.rows('What was decided', { head: ['results seen', 'what'], body: detail.story.map((event) => [event.seen, event.what]) })));
  const segments = detail.segments.map((segment) => [segment.rung, segment.attempt, segment.outcome, segment.ended ?? '–', Report.hours(segment.seconds / 3600) + (segment.estimated ? ' (estimated)' : ''), segment.message || '–']);
  parts.push(Ui.block('Processes', 'trial-segments', segments.length ? Ui.rows('Processes', { head: ['rung', 'attempt', 'ended', 'when', 'time', 'its first words'], body: segments.map((row) => row.map(String)) }) : element('p', {}, 'None has ended yet.')));
  if (detail.events.length) parts.push(Ui.block('Events', 'trial-events', Ui.rows('Events', { head: ['when', 'of', 'why', 'what'], body: detail.events.map((event) => [event.when ?? '–', event.object, event.warning ? `${event.reason} (warning)` : event.reason, event.message]) })));
  return parts;
};

Ui.logBlock = (number) => {
  const { element } = Report;
  const from = element('p', { class: 'note', role: 'status' });
  const text = element('pre', { tabindex: '0', class: 'log', role: 'region', 'aria-label': 'Log', hidden: true });
  const load = async () => {
    from.textContent = 'Reading …';
    try {
      const log = await Ui.read(`/trials/${number}/log`);
      from.textContent = log.cut ? `The end of ${log.from}` : log.from;
      text.textContent = log.text;
      text.hidden = !log.text;
      text.scrollTop = text.scrollHeight;
    } catch (error) {
      from.textContent = error.message;
    }
  };
  return Ui.block('Log', 'trial-log', element('button', { type: 'button', id: 'read-log', onclick: load }, 'Read the log'), from, text);
};

Ui.panel = () => {
  const { element } = Report;
  const title = element('h2', { id: 'detail-title', tabindex: '-1' });
  const body = element('div', { id: 'detail-body' });
  const move = (by) => () => { const next = Ui.list.beside(Ui.opened, by); if (next !== undefined) Ui.open(next); };
  const compare = element('button', { type: 'button', id: 'detail-compare', onclick: () => { Ui.choose(Ui.opened, !Ui.chosen.includes(Ui.opened)); label(); } });
  const label = () => { compare.textContent = Ui.chosen.includes(Ui.opened) ? 'Compare no more' : 'Compare'; };
  const close = element('button', { type: 'button', onclick: () => Ui.close() }, 'Close');
  const dialog = element('dialog', { id: 'detail', 'aria-labelledby': 'detail-title' },
    element('div', { class: 'controls' }, title, element('span', { class: 'pager controls' }, element('button', { type: 'button', onclick: move(-1) }, 'Previous trial'), element('button', { type: 'button', onclick: move(1) }, 'Next trial'), compare, close)), body);
  return { dialog, title, body, label };
};

Ui.open = async (number) => {
  Ui.detail ??= Ui.panel();
  const { dialog, title, body, label } = Ui.detail;
  if (!dialog.isConnected) document.body.append(dialog);
  Ui.opened = number;
  title.textContent = `Trial ${number}`;
  body.replaceChildren(Report.element('p', { role: 'status' }, 'Reading …'));
  delete dialog.dataset.trial;
  label();
  Ui.list.show();
  if (!dialog.open) dialog.show();
  dialog.scrollTop = 0;
  title.focus();
  await Ui.fillDetail(number);
};

// Reads what is shown of the opened trial; the log stays as it was read.
Ui.fillDetail = async (number) => {
  const { dialog, body } = Ui.detail;
  let parts;
  let told;
  try {
    const detail = await Ui.read(`/trials/${number}`);
    told = JSON.stringify([number, detail, Ui.trialFacts(Ui.data, number, detail)]);
    if (told === Ui.told && dialog.dataset.trial === String(number)) return;
    parts = Ui.detailParts(Ui.data, number, detail);
  } catch (error) {
    parts = [Report.element('p', { role: 'alert' }, error.message)];
  }
  // Another one may have been opened meanwhile.
  if (Ui.opened !== number) return;
  Ui.told = told;
  const log = dialog.dataset.trial === String(number) ? body.querySelector('#trial-log') : Ui.logBlock(number);
  body.replaceChildren(...parts, log);
  dialog.dataset.trial = number;
};

Ui.close = () => {
  if (!Ui.detail?.dialog.open) return false;
  const number = Ui.opened;
  Ui.opened = null;
  Ui.detail.dialog.close();
  Ui.list.show();
  document.querySelector(`[data-open="${number}"]`)?.focus();
  return true;
};
