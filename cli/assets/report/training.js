// Learning curves, and the best so far against what was spent.

// Rungs are powers apart: where they are many, so is the axis.
Report.lengths = (data, curves) => {
  const [first, last] = [data.rungs[0].step, data.rungs[data.rungs.length - 1].step];
  const starts = curves.map((curve) => curve.points[0]?.[0] ?? first);
  return last >= 27 * first && Math.min(...starts) > 0 ? { type: 'log', name: `${data.unit} (logarithmic)`, min: Math.min(first, ...starts), max: last } : { type: 'value', name: data.unit, min: 0, max: last };
};

// Curves of trials, the first with a thick line.
Report.curveLines = (data, curves, theme, described) => ({
  ...Report.base(theme, described),
  tooltip: { ...Report.base(theme).tooltip, trigger: 'item', formatter: ({ seriesName, value }) => `${Report.escape(seriesName)}<br>${Report.value(value[1])} after ${Report.length(data, value[0])}` },
  xAxis: Report.axis(theme, { ...Report.lengths(data, curves), nameGap: 30 }),
  yAxis: Report.valueAxis(theme, { name: data.metric, nameGap: 48 }),
  dataZoom: [{ type: 'inside', xAxisIndex: 0, zoomOnMouseWheel: 'ctrl' }],
  series: curves.map((curve, at) => ({
    type: 'line', name: `trial ${curve.trial}`, data: curve.points, symbolSize: curve.points.length > 24 ? 0 : 6, symbol: ['circle', 'rect', 'triangle', 'diamond'][Math.floor(at / 8) % 4],
    lineStyle: { width: at === 0 ? 3.5 : 1.75, type: ['solid', 'dashed', 'dotted'][Math.floor(at / 8) % 3] }, emphasis: { focus: 'series' }, z: at === 0 ? 5 : 2,
  })),
});

Report.curveRows = (data, curves) => ({ head: ['trial', data.unit, data.metric], body: curves.flatMap((curve) => curve.points.map(([step, value]) => [String(curve.trial), step, value])), limit: 1000 });

Report.curves = (data) => {
  const state = { top: data.curves.length > 12 ? '12' : '24' };
  const shown = () => data.curves.slice(0, Number(state.top));
  const option = (theme) => Report.curveLines(data, shown(), theme, `Learning curves of the ${shown().length} trials that were trained longest, the best first: ${data.metric} by ${data.unit}.`);
  const tops = () => [3, 6, 12].filter((top) => top < data.curves.length).map((top) => [String(top), `the best ${top}`]).concat([['24', `the best ${data.curves.length}`]]);
  const controls = Report.element('div', { class: 'controls' }, Report.select('Trials', tops, state.top, ([top]) => { state.top = top; figure.redraw(); }));
  const figure = Report.figure({ id: 'curves', title: 'Learning curves', note: 'By length of training first, then by the metric. The thick line is the best trial.', controls, option, rows: () => Report.curveRows(data, shown()) });
  return figure;
};

// Hours out of seconds, or minutes where that is more than a short search took.
Report.clock = (id, before, after, seconds, fullHours) => {
  const unit = (fullHours ?? seconds.findLast((at) => at !== null) / 3600) < 2 ? 60 : 3600;
  const scaled = (at) => (at === null ? null : Number((at / unit).toPrecision(6)));
  return [id, `${before}${unit === 60 ? 'minutes' : 'hours'}${after}`, seconds.map(scaled), fullHours ? scaled(fullHours * 3600) : null];
};

// By what progress can be measured.
Report.clocks = (data) => [
  ...(data.progress.seconds.length ? [Report.clock('hours', data.spent.accelerators ? 'GPU-' : '', data.spent.accelerators ? '' : ' of training, summed over slots', data.progress.seconds, data.spent.fullHours)] : []),
  ...(data.progress.wallClock.length ? [Report.clock('wallClock', '', ' since the search began', data.progress.wallClock, data.spent.steps > 0 ? (data.spent.wallClockHours * data.spent.fullSteps) / data.spent.steps : null)] : []),
  ['steps', `${data.unit} trained`, data.progress.steps, data.spent.fullSteps],
];

// The best so far at each rung: values of different rungs are not comparable, so each has a line of its own.
Report.anytime = (data) => {
  const state = { clock: null };
  const clock = () => { const clocks = Report.clocks(data); return clocks.find(([name]) => name === state.clock) ?? clocks[0]; };
  const better = (one, other) => (data.direction === 'Maximize' ? one > other : one < other);
  const lines = () => {
    const { progress } = data;
    const [, , axis] = clock();
    const best = data.rungs.map(() => []);
    progress.value.forEach((value, at) => {
      const line = best[progress.rung[at]];
      if (axis[at] !== null && (!line.length || better(value, line[line.length - 1][1]))) line.push([axis[at], value, progress.trial[at]]);
    });
    const last = axis.findLast((at) => at !== null) ?? 0;
    return { last, lines: best.map((line) => (line.length ? [...line, [last, ...line[line.length - 1].slice(1)]] : line)) };
  };
  const option = (theme) => {
    const [, name, , full] = clock();
    const { last, lines: all } = lines();
    const first = Math.min(...all.filter((line) => line.length).map((line) => line[0][0]));
    const log = full && full > 6 * last && first > 0;
    const mark = full ? { silent: true, symbol: 'none', lineStyle: { color: theme.mark, type: 'dashed', width: 2 }, label: { color: theme.mark, position: 'insideEndTop', formatter: `all ${Report.count(data.created)} in full` }, data: [{ xAxis: full }] } : undefined;
    const order = all.map((_, at) => at).reverse();
    return {
      ...Report.base(theme, `The best ${data.metric} so far at each rung, against ${name}.${full ? ` Full training of all trials would take ${Report.value(full)}, the search took ${Report.value(last)}.` : ''}`),
      tooltip: { ...Report.base(theme).tooltip, trigger: 'item', formatter: ({ seriesName, value }) => `${Report.escape(seriesName)}<br>${Report.value(value[1])} (trial ${value[2]})<br>${Report.value(value[0])} ${Report.escape(name)}` },
      xAxis: Report.axis(theme, { type: log ? 'log' : 'value', name: log ? `${name} (logarithmic)` : name, nameGap: 30, ...(log ? { min: first } : { min: 0 }), max: (full ?? last) * 1.03, axisLabel: { color: theme.soft, hideOverlap: true, showMaxLabel: false, formatter: (value) => String(Number(value.toPrecision(3))) } }),
      yAxis: Report.valueAxis(theme, { name: `best ${data.metric}`, nameGap: 48 }),
      series: order.map((rung, at) => ({
        type: 'line', step: 'end', name: `rung ${rung}: ${Report.length(data, data.rungs[rung].step)}`, data: all[rung], symbol: 'circle', symbolSize: 5,
        color: theme.series[at % theme.series.length], lineStyle: { width: at === 0 ? 3.5 : 2 }, markLine: at === 0 ? mark : undefined, z: 10 - at,
      })),
    };
  };
  const rows = () => {
    const { lines: all } = lines();
    return { head: ['rung', clock()[1], data.metric, 'trial'], body: all.flatMap((line, rung) => line.slice(0, -1).map(([at, value, trial]) => [String(rung), at, value, String(trial)])) };
  };
  const controls = Report.element('div', { class: 'controls' }, Report.select('Against', () => Report.clocks(data).map(([name, text]) => [name, text]), clock()[0], ([name]) => { state.clock = name; figure.redraw(); }));
  const figure = Report.figure({
    id: 'anytime', title: 'Best so far', controls, option, rows,
    note: 'The best value at each rung until then. The dashed line is where full training of every trial would end, at the mean speed of this search and with as many slots.',
  });
  return figure;
};
