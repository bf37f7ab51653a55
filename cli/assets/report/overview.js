// The head of the report: what came out, in words and numbers, and the best architecture.
Report.summary = (data) => {
  const { element, hours, count } = Report;
  const { spent, best } = data;
  const card = (name, value, more) => element('div', { class: 'card' }, element('dt', {}, name), element('dd', { 'data-card': name }, value, more ? element('small', {}, more) : null));
  const times = spent.steps > 0 ? spent.fullSteps / spent.steps : null;
  const held = spent.accelerators ? 'GPU time' : 'slot time';
  return element('dl', { class: 'cards' },
    best ? card(`best ${data.metric}`, Report.fixed(best.value), `trial ${best.trial}, after ${Report.length(data, best.step)}`) : card('best', 'none yet'),
    card('trials', count(data.created), data.created < data.maxTrials ? `of ${count(data.maxTrials)}` : `${count(data.progress.trial.length)} results`),
    card('training', `${count(spent.steps)}`, `${data.unit}; all in full: ${count(spent.fullSteps)}`),
    times ? card('saved', `${times.toFixed(1)}×`, 'as much for full training of all') : null,
    spent.hours > 0 ? card(held, hours(spent.hours), spent.fullHours ? `all in full: about ${hours(spent.fullHours)}` : null) : null,
    spent.wallClockHours ? card('wall clock', hours(spent.wallClockHours), 'until the last result') : null);
};

Report.bestSection = (data) => {
  const { element, short } = Report;
  const { best } = data;
  if (!best) return element('p', {}, 'No trial has a result yet.');
  const facts = [
    ['Trial', String(best.trial)],
    [data.metric, `${Report.fixed(best.value)} on ${data.judgedBy}, after ${Report.length(data, best.step)}`],
    ...(best.params ? [['Parameters', `${Report.count(best.params)} (${short(best.flops)} multiply-accumulates for one image)`]] : []),
    ...Object.entries(best.searched),
  ];
  const list = (entries) => element('dl', { class: 'facts' }, ...entries.flatMap(([name, value]) => [element('dt', {}, name), element('dd', { 'data-fact': name }, value)]));
  const fixed = Object.entries(best.fixed);
  const cells = element('div', { class: 'cells' });
  // Drawn by nas-darts out of names of operations alone: nothing in it was written by anybody else.
  cells.innerHTML = best.cells.join('');
  return element('div', {},
    element('div', { class: 'panel' }, list(facts), fixed.length ? element('details', {}, element('summary', {}, `${fixed.length} parameters that all trials share`), list(fixed)) : null),
    best.cells.length ? cells : null,
    best.words ? element('details', {}, element('summary', {}, 'The cells in words'), element('pre', { tabindex: '0' }, best.words)) : null,
    Report.confirmation(data));
};

// The best trials, trained anew: a point for each training, the mean, and its deviation.
Report.confirmation = (data) => {
  if (!data.confirm.length) return null;
  const body = data.confirm.map((at) => [at.trial, at.searchValue, at.mean ?? '–', at.standardDeviation ?? '–', `${at.done} of ${at.seeds}`, (at.values ?? []).map(Report.fixed).join(', '), (at.betterThan ?? []).join(', ') || '–']);
  return Report.element('div', { class: 'panel' }, Report.element('h3', {}, 'Confirmed'),
    Report.element('p', { class: 'note' }, `Trained anew on all training images, measured on the test images. ${data.verdict ? data.verdict + ' (Welch’s t-test of each difference, two-sided, 95 %).' : 'Not finished.'}`),
    Report.element('div', { class: 'scroll' }, Report.table({ head: ['trial', 'in search', 'mean', 'deviation', 'trainings', 'values', 'better than'], body })));
};

// How many trials came to each rung, trained on from it, and where the best stands.
Report.funnel = (data) => {
  const names = data.rungs.map((rung, at) => `rung ${at}: ${Report.length(data, rung.step)}`);
  const described = () => `Trials by rung: ${data.rungs.map((rung, at) => `${rung.entries} at ${names[at]}`).join(', ')}.`;
  const option = (theme) => ({
    ...Report.base(theme, described()),
    grid: { left: 16, right: 150, top: 8, bottom: 8, containLabel: true },
    legend: undefined,
    tooltip: { ...Report.base(theme).tooltip, trigger: 'axis', axisPointer: { type: 'shadow' }, formatter: ([{ dataIndex: at }]) => {
      const rung = data.rungs[at];
      return Report.escape(names[at]) + `<br>${Report.count(rung.entries)} results, ${Report.count(rung.promoted)} promoted, ${rung.running} training<br>best ${Report.escape(Report.value(rung.best))}`;
    } },
    xAxis: { type: 'value', show: false },
    yAxis: { type: 'category', inverse: true, data: names, axisLine: { show: false }, axisTick: { show: false }, axisLabel: { color: theme.text, fontSize: 13 } },
    series: [{
      type: 'bar', barMaxWidth: 34, data: data.rungs.map((rung) => rung.entries), itemStyle: { color: theme.series[0], borderRadius: 4 },
      label: { show: true, position: 'right', color: theme.text, formatter: ({ dataIndex: at }) => `${Report.count(data.rungs[at].entries)}${data.rungs[at].best === null ? '' : `   best ${Report.fixed(data.rungs[at].best)}`}` },
    }],
  });
  const rows = () => ({ head: ['rung', data.unit, 'training', 'results', 'promoted', 'best', 'trial'], body: data.rungs.map((rung, at) => [at, rung.step, rung.running, rung.entries, rung.promoted, Report.fixed(rung.best), String(rung.bestTrial ?? '–')]) });
  return Report.figure({ id: 'funnel', title: 'Rungs', note: 'How many trials were trained how far. The best of each rung go on; the others cost no more.', height: Math.max(120, 30 + 46 * names.length), option, rows });
};
